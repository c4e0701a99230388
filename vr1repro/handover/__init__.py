"""Hand a stage to an engine of the field (LLaMA-Factory, verl, EasyR1), and take back what it trained."""
