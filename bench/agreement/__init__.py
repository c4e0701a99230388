"""A study: our graders against other people's published verdicts (`python -m bench.agreement`)."""
