"""Keys: which they are, and their removal from everything that is written, however a server spells them back.

A key comes from the environment only. Whoever reads one registers it here; what is logged or kept is cleaned of all
that are registered.
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

# What stands in a key's place. It changes no JSON around it.
HIDDEN = "***"
# A shorter one is a placeholder of a local server ("EMPTY", "dummy"): replacing it would change texts that say so.
SHORTEST = 8
# Names under which a program holds a key; letters and digits alone are compared.
_KEY_NAME = re.compile(
    r"key|.*apikeys?|(access|auth|private|account|subscription|secret)keys?(id)?"
    r"|token|x?(access|auth|api|bearer|refresh|session|security|id|hf|secret)tokens?"
    r"|.*secret|.*passw(or)?ds?|passphrase|pwd|.*authorization|auth|bearer|.*credentials?|cookies?"
)
_KEY_VALUE = re.compile(
    r"(?<![\w-])((?i:bearer\s+\S{8,}|basic\s+[a-z0-9+/=]{8,})|(sk|pk|rk)-[\w-]{16,}|hf_\w{20,}|AIza[\w-]{30,})"
)


def key_in(values: object, path: str = "") -> str | None:
    """The path of the first entry that by its name or its look holds a key; None where there is none."""
    if isinstance(values, Mapping):
        for name, value in values.items():
            inner = f"{path}.{name}" if path else str(name)
            if _KEY_NAME.fullmatch(re.sub(r"[^a-z0-9]", "", str(name).lower())):
                return inner
            if (deeper := key_in(value, inner)) is not None:
                return deeper
    elif isinstance(values, str):
        return path if _KEY_VALUE.search(values) else None
    elif isinstance(values, Sequence):
        for number, value in enumerate(values):
            if (deeper := key_in(value, f"{path}[{number}]")) is not None:
                return deeper
    return None


class Redaction:
    """Removes keys from texts and bytes: as they are, escaped as in JSON or an address, and in base64."""

    def __init__(self) -> None:
        self._keys: dict[str, list[tuple[re.Pattern[str], re.Pattern[bytes]]]] = {}

    def register(self, key: str) -> None:
        """Remove this key from now on; one that is too short to be secret is let be."""
        if len(key) >= SHORTEST and key not in self._keys:
            # One pattern a spelling: several in one would be searched several times slower.
            patterns = list(_spellings(key))
            self._keys[key] = [(re.compile(pattern), re.compile(pattern.encode("utf-8"))) for pattern in patterns]

    def text(self, text: str) -> str:
        """The text without keys."""
        for patterns in self._keys.values():
            for pattern, _ in patterns:
                text = pattern.sub(HIDDEN, text)
        return text

    def data(self, data: bytes) -> bytes:
        """The bytes without keys."""
        for patterns in self._keys.values():
            for _, pattern in patterns:
                data = pattern.sub(HIDDEN.encode("ascii"), data)
        return data


def _spellings(key: str) -> Iterator[str]:
    """Patterns of the ways in which a key may be written."""
    yield "".join(_letter(letter) for letter in key)
    if quote(key, safe="") != key:
        yield re.escape(quote(key, safe=""))
    data = key.encode("utf-8")
    for before in range(3):
        # What surrounds the key decides the letters at its ends; those between depend on the key alone.
        encoded = base64.b64encode(b"\0" * before + data).decode("ascii")
        sure = encoded[-(-8 * before // 6) : len(b"\0" * before + data) * 8 // 6]
        if len(sure) >= SHORTEST:
            signs = {"+": r"(?:[+\-]|%2[Bb]|\\u002[Bb])", "/": r"(?:\\?/|_|%2[Ff]|\\u002[Ff])"}
            yield "".join(signs.get(sign, sign) for sign in sure) + "={0,2}"


def _letter(letter: str) -> str:
    """A letter as it is, or escaped as JSON may escape any; JSON in a text of JSON is escaped again."""
    units = letter.encode("utf-16-be", "surrogatepass").hex()
    escaped = "".join(
        r"\\{1,16}u"
        + "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in units[place : place + 4])
        for place in range(0, len(units), 4)
    )
    plain = {'"': r"\\{0,16}\"", "\\": r"\\{1,16}", "/": r"\\{0,16}/"}.get(letter, re.escape(letter))
    return f"(?:{plain}|{escaped})"


REDACTION = Redaction()
