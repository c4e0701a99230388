"""The config: one pydantic model a stage, every field with its source in the paper or "not stated"."""
