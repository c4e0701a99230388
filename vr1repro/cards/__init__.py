"""Cards in the hub's schema: of a checkpoint and of the cold-start set, made from manifests and a run's files."""
