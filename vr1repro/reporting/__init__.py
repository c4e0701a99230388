"""From saved responses and training logs to tables, figures, verdicts and the page. Nothing here imports torch."""
