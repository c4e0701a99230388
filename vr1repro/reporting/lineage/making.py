"""When a page or figure says that it was made: now, or the time that SOURCE_DATE_EPOCH gives, for equal bytes."""

import os
from datetime import UTC, datetime
from typing import Any

from vr1repro.core.errors import UserError
from vr1repro.core.provenance import made


def source_date() -> datetime | None:
    """The time in SOURCE_DATE_EPOCH; None where it is not set.

    Raises:
        UserError: It is no time.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return None
    try:
        return datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError):
        raise UserError(f"SOURCE_DATE_EPOCH: {epoch!r} is no number of seconds since 1970; unset or mend it") from None


def made_here() -> dict[str, Any]:
    """What a page says of its making."""
    date = source_date()
    return made() if date is None else made() | {"at": date.isoformat(timespec="seconds")}
