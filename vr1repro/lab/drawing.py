"""Pictures of the lab: a row of 28x28 cells, black on white, one glyph a cell.

28 pixels are two 14-pixel patches, merged two by two into one visual token, so a picture of N cells is N tokens.
"""

import math
import random
from collections.abc import Sequence
from functools import cache
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from vr1repro.config.lab import Family, Kind

CELL = 28
_INK, _PAPER = 0, 255
_POLYGON_RADIUS = 11
_BAR_BASE, _BAR_UNIT, _BAR_HALF = 25, 2.4, 7
_FONT_SIZE = 26
_GLYPHS: dict[Kind, str] = {"sum": "+", "largest": "^", "range": "~", "count": "#"}
SIGN_NAMES = _GLYPHS


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=_FONT_SIZE)


@cache
def cell(family: Family | None, value: int | Kind, dx: int, dy: int) -> Image.Image:
    """One cell, grey, 28x28 pixels.

    Args:
        family: The glyph family of a value, None for the sign of a question.
        value: The value, or the question's kind.
        dx: Pixels that the glyph is moved to the right.
        dy: Pixels that it is moved down.
    """
    image = Image.new("L", (CELL, CELL), _PAPER)
    pen = ImageDraw.Draw(image)
    middle = CELL // 2
    if family is None:
        # A frame tells a sign from a value.
        pen.rectangle((0, 0, CELL - 1, CELL - 1), outline=_INK, width=2)
        pen.text((middle + dx, middle + dy), _GLYPHS[value], fill=_INK, font=_font(), anchor="mm")  # type: ignore[index]
    elif family == "digits":
        pen.text((middle + dx, middle + dy), str(value), fill=_INK, font=_font(), anchor="mm")
    elif family == "bars":
        base, left = _BAR_BASE + min(dy, 1), middle + dx
        pen.line((left - _BAR_HALF - 2, base + 1, left + _BAR_HALF + 2, base + 1), fill=_INK)
        if value:
            pen.rectangle((left - _BAR_HALF, base - round(_BAR_UNIT * int(value)), left + _BAR_HALF, base), fill=_INK)
    else:
        sides = int(value)
        # Even polygons stand on a side, odd ones under a corner: neighbours in number of sides then differ most.
        turn = math.pi / sides if sides % 2 == 0 else 0.0
        corners = [
            (middle + dx + _POLYGON_RADIUS * math.sin(angle), middle + dy - _POLYGON_RADIUS * math.cos(angle))
            for angle in (turn + 2 * math.pi * corner / sides for corner in range(sides))
        ]
        pen.polygon(corners, fill=_INK)
    return image


def draw(family: Family, values: Sequence[int], sign: Kind | None, jitter: int, rng: random.Random) -> Image.Image:
    """A picture: the sign of the question, if any, then the row; RGB, 28 pixels high, 28 wide a cell."""
    cells: list[tuple[Family | None, int | Kind]] = [(family, value) for value in values]
    if sign is not None:
        cells.insert(0, (None, sign))
    picture = Image.new("L", (CELL * len(cells), CELL), _PAPER)
    for place, (kind, value) in enumerate(cells):
        moved = cell(kind, value, rng.randint(-jitter, jitter), rng.randint(-jitter, jitter))
        picture.paste(moved, (CELL * place, 0))
    return picture.convert("RGB")


def encode(picture: Image.Image) -> bytes:
    """The picture as PNG."""
    buffer = BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()
