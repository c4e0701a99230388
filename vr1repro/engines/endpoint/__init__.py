"""A client for OpenAI-compatible endpoints: many requests at once, bounded retries, a budget."""
