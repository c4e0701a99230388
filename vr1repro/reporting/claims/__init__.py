"""Published claims against our scores: their comparisons and judgements, pairs of arms, the overview."""
