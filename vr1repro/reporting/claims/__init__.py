"""Published claims against our scores: which are compared, and what is said of each."""
