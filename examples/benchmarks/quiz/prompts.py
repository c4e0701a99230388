"""The quiz's prompts by style."""

PROMPTS = {"paper": lambda problem: problem.question}
