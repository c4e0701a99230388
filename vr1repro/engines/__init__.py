"""Who samples: transformers, vLLM or an endpoint behind one interface (`base.Engine`)."""
