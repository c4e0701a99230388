"""Names of the files of an export."""

DATA, REWARD, TEMPLATE, MODEL = "data.parquet", "reward.py", "chat_template.jinja", "model"
LOGS, CHECKPOINTS = "logs", "checkpoints"
VERSIONS = "versions.json"  # in logs/: what trained it
KIND = "handed-stage"  # of the manifest
