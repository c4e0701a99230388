"""How MathVerse's official code asks an LLM for an extraction."""

# With the official few-shot examples as head (ZrrSkywalker/MathVerse@937b090, evaluation/prompts.py).
EXTRACTION_LAYOUT = "{head}\n\nModel response: '{response}'\nExtracted Answer: "
