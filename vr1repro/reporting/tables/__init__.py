"""The paper's tables and our own, and how they are written."""
