"""What a number was made from, and the archive that keeps a run's evidence."""
