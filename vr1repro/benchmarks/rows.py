"""A row of responses as scorers and the LLM's stages read it."""

from typing import Any

Row = dict[str, Any]


def text_of(row: Row) -> str:
    """The response of a row as text; a missing or null one is empty."""
    value = row.get("response")
    return value if isinstance(value, str) else "" if value is None else str(value)
