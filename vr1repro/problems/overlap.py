"""Overlap of training problems with benchmarks: n-gram containment on text, perceptual hashes on images.

Text: the share of a question's word 3-grams, weighted by their rarity among the benchmarks (inverse document
frequency), that the other question has too, times the agreement of their numbers. Questions made from one template
differ in their numbers alone, so without that factor they would pass for copies. Options count by their numbers, in any
order.

Images: 256-bit DCT hashes ("pHash"), which re-encoding and rescaling hardly change, of the whole picture and of the
picture without its blank border and without its outer 5 %, so that a cropped copy still meets its original.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageChops

from vr1repro.config.problems import OverlapSettings
from vr1repro.core.images import MAX_PIXELS, BadImage, decode
from vr1repro.core.records import Problem

_WORDS_OF_GRAM = 3
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+")
_PLACEHOLDER = re.compile(r"<image\d*>|\\(?:text|mathrm|left|right|displaystyle)\b")
# A 3-gram that so many questions share says nothing; a question needs so much weight to be compared at all.
_MOST_SHARED = 200
_LEAST_WEIGHT = 8.0
_SIDE, _KEPT, _BORDER = 64, 16, 0.05


@dataclass(frozen=True, kw_only=True)
class Item:
    """A problem as it is compared.

    Attributes:
        source: The set that it is in; a benchmark's slug for a question.
        id: Its id there.
        grams: 3-grams of the words of its question; every number is the same word.
        numbers: How often each number stands in its question and choices.
        hashes: 256-bit hashes of its picture's variants, as rows of four 64-bit words; None without a picture.
    """

    source: str
    id: str
    grams: frozenset[tuple[str, ...]]
    numbers: Counter[str]
    hashes: "np.ndarray | None"


@dataclass(frozen=True)
class Match:
    """A pair that is alike in text, in picture, or in both."""

    problem: Item
    benchmark: Item
    text: float
    image: float

    def why(self, settings: OverlapSettings) -> str | None:
        """Which of text, image, both reaches its threshold; None where none does."""
        text, image = self.text >= settings.text, self.image >= settings.image
        if text and image:
            return "both"
        if text or image:
            return "text" if text else "image"
        return "both" if both(self.text, self.image) >= settings.both else None


def both(text: float, image: float) -> float:
    """The score of text and picture together: their mean."""
    return (text + image) / 2


def item(problem: Problem, source: str | None = None) -> Item:
    """Prepare a problem; a picture that cannot be read counts as none."""
    text = " ".join([problem.question, *sorted(problem.choices or [])])
    tokens = _TOKEN.findall(_PLACEHOLDER.sub(" ", text.lower()))
    question = _TOKEN.findall(_PLACEHOLDER.sub(" ", problem.question.lower()))
    words = [token if not token[0].isdigit() else "0" for token in question]
    starts = (words[start:] for start in range(_WORDS_OF_GRAM))
    return Item(
        source=source or problem.source,
        id=problem.id,
        grams=frozenset(zip(*starts, strict=False)),
        numbers=Counter(token for token in tokens if token[0].isdigit()),
        hashes=None if problem.image is None else image_hashes(problem.image),
    )


def image_hashes(data: bytes) -> "np.ndarray | None":
    """Hashes of a picture's variants, shape [3, 4] of uint64; None where it cannot be read."""
    try:
        picture = decode(data, MAX_PIXELS).convert("L")
    except BadImage:
        return None
    return np.stack([_hash(variant) for variant in _variants(picture)])


def _variants(picture: Image.Image) -> Iterator[Image.Image]:
    yield picture
    ground = Image.new("L", picture.size, int(picture.getpixel((0, 0)) or 0))  # type: ignore[arg-type]
    box = ImageChops.difference(picture, ground).point(lambda level: 255 if level > 24 else 0).getbbox()
    yield picture.crop(box) if box else picture
    across, down = round(picture.width * _BORDER), round(picture.height * _BORDER)
    inner = (across, down, max(across + 1, picture.width - across), max(down + 1, picture.height - down))
    yield picture.crop(inner)


@cache
def _cosines() -> "np.ndarray":
    place, wave = np.arange(_SIDE) + 0.5, np.arange(_KEPT + 1)[:, None]
    return np.cos(np.pi * wave * place / _SIDE)


def _hash(picture: Image.Image) -> "np.ndarray":
    pixels = np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.BOX), dtype=np.float64)
    waves = (_cosines() @ pixels @ _cosines().T)[1:, 1:]
    bits = (waves > np.median(waves)).ravel()
    return np.packbits(bits).view(np.uint64)


def image_score(one: "np.ndarray | None", other: "np.ndarray | None") -> float:
    """1 for equal pictures, 0 for hashes as far apart as those of unrelated ones (half of the bits)."""
    if one is None or other is None:
        return 0.0
    bits = np.bitwise_count(one[:, None, :] ^ other[None, :, :]).sum(axis=2, dtype=np.int64).min()
    return max(0.0, 1.0 - 2.0 * float(bits) / (_KEPT * _KEPT))


class Index:
    """The benchmarks' questions, to be searched. Build it once."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = list(items)
        shared = Counter(gram for one in self.items for gram in one.grams)
        self._weight = {gram: math.log(1 + len(self.items) / n) for gram, n in shared.items()}
        self._unknown = math.log(1 + len(self.items))
        self._has: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        for number, one in enumerate(self.items):
            for gram in one.grams:
                if shared[gram] <= _MOST_SHARED:
                    self._has[gram].append(number)
        self._pictured = [number for number, one in enumerate(self.items) if one.hashes is not None]
        hashes = [one.hashes for one in self.items if one.hashes is not None]
        self._hashes = np.concatenate(hashes) if hashes else np.zeros((0, 4), np.uint64)
        self._owner = np.repeat(self._pictured, [len(rows) for rows in hashes]) if hashes else np.zeros(0, np.int64)

    def text_score(self, one: Item, other: Item) -> float:
        """How much of the smaller question the two share, by weight, times the agreement of their numbers."""
        weights = [sum(self._weight.get(gram, self._unknown) for gram in side.grams) for side in (one, other)]
        if min(weights) < _LEAST_WEIGHT:
            return 0.0
        common = sum(self._weight.get(gram, self._unknown) for gram in one.grams & other.grams)
        return common / min(weights) * _agreement(one.numbers, other.numbers)

    def matches(self, one: Item, settings: OverlapSettings) -> list[Match]:
        """The benchmark questions that a problem matches, the most alike first."""
        near = {number for gram in one.grams for number in self._has.get(gram, ())} | set(self._alike(one, settings))
        candidates = (
            Match(
                one, self.items[n], self.text_score(one, self.items[n]), image_score(one.hashes, self.items[n].hashes)
            )
            for n in sorted(near)
        )
        kept = [match for match in candidates if match.why(settings)]
        return sorted(
            kept, key=lambda match: (-both(match.text, match.image), match.benchmark.source, match.benchmark.id)
        )

    def _alike(self, one: Item, settings: OverlapSettings) -> Iterable[int]:
        if one.hashes is None or not len(self._hashes):
            return ()
        most = (1.0 - settings.image) / 2.0 * _KEPT * _KEPT
        near = np.zeros(len(self._hashes), bool)
        for row in one.hashes:
            near |= np.bitwise_count(self._hashes ^ row).sum(axis=1, dtype=np.int64) <= most
        return (int(n) for n in self._owner[near])


def _agreement(one: Counter[str], other: Counter[str]) -> float:
    """Shared numbers over all numbers, 1 where neither has any."""
    union = (one | other).total()
    return (one & other).total() / union if union else 1.0


def report(
    problems: Iterable[Problem], benchmarks: Iterable[tuple[str, Problem]], settings: OverlapSettings
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Compare training problems with benchmarks.

    Args:
        problems: Of all training sets.
        benchmarks: Slug and question, for each question.
        settings: Above which likeness a pair counts.

    Returns:
        The table (a row a set and benchmark: problems, how many overlap, by what), and the pairs to look at.
    """
    index = Index([item(problem, slug) for slug, problem in benchmarks])
    slugs = sorted({one.source for one in index.items})
    sizes: Counter[str] = Counter()
    table: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    pairs = []
    for problem in problems:
        sizes[problem.source] += 1
        seen: set[str] = set()
        for match in index.matches(item(problem), settings):
            slug, why = match.benchmark.source, str(match.why(settings))
            pairs.append(
                {
                    "source": problem.source, "id": problem.id, "benchmark": slug, "benchmark_id": match.benchmark.id,
                    "why": why, "text": round(match.text, 4), "image": round(match.image, 4),
                }
            )  # fmt: skip
            table[problem.source, slug]["pairs"] += 1
            if slug not in seen:
                table[problem.source, slug]["problems"] += 1
                table[problem.source, slug][why] += 1
                seen.add(slug)
    rows = [
        {
            "source": source, "benchmark": slug, "of": sizes[source],
            **{key: table[source, slug][key] for key in ("problems", "pairs", "text", "image", "both")},
        }
        for source in sorted(sizes) for slug in slugs
    ]  # fmt: skip
    return rows, pairs
