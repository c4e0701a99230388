"""The one place that knows what a right answer is: extract, compare, grade, and the hard-format reward."""
