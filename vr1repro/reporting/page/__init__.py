"""The report's pages, their templates and scripts."""
