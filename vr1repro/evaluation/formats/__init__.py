"""Saved responses of other tools, read as they are: one table of formats, and a reader for each kind of file."""
