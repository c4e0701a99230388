"""What an arm was at a point of its training, by training seed: tokens in its log, accuracy, words of reflection.

Steps of one log are not independent of each other, and neither are questions that one model answered: the unit is the
training seed, and each seed gives one value.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
import pandas as pd

from vr1repro.benchmarks.base import EXCLUDED
from vr1repro.config.reporting import ReportSettings
from vr1repro.published.targets import THREE
from vr1repro.reporting.run.arms import ArmInfo
from vr1repro.reporting.run.scores import EvalFolder, eval_folders, graded, last_responses
from vr1repro.reporting.run.scores_by_seed import scores_by_seed
from vr1repro.reporting.run.words import count_words

BySeed = Mapping[int, float]
# The share of a stage's steps that stands for its start or end.
_WINDOW = 0.1
FIGURE_ONE = "mathverse"  # Figure 1 A and C are of responses to it


class Quantity(StrEnum):
    """What is looked at.

    Attributes:
        LENGTH: Mean completion tokens in the RL log (Figure 1 D), mean over a tenth of a stage's steps.
        ACCURACY: Mean accuracy in percent over MathVista, MathVerse and MM-Math, those answered (Figure 1 E).
        WORDS: Words of reflection (`sampled_words`) in MathVerse's responses, for as many as Figure 1 C takes.
        LENGTH_EFFECT: Points of accuracy for each doubling of a response's tokens, on MathVerse (Figure 1 A).
    """

    LENGTH = "tokens in the RL log"
    ACCURACY = "accuracy"
    WORDS = "words of reflection"
    LENGTH_EFFECT = "accuracy for each doubling of tokens"


@dataclass(frozen=True)
class Point:
    """A point of an arm's training.

    Attributes:
        stage: The end of this stage; 0 is where the arm starts, None where it ends.
    """

    arm: str
    stage: int | None = None


@dataclass(frozen=True)
class AtPoint:
    """A quantity at a point.

    Attributes:
        values: By training seed; empty where `missing` says why.
        trained: Whether a training seed of ours is behind it.
        missing: Why there is no value.
        answered: Whether responses are there and say nothing all the same, so that another run would not help.
    """

    values: BySeed = field(default_factory=dict)
    trained: bool = True
    missing: str = ""
    answered: bool = False


@dataclass(kw_only=True)
class Points:
    """The points of a run.

    Attributes:
        headline: Tidy rows of the headline protocol and profile.
        read_log: Gives an arm's step log.
    """

    run: Path
    arms: Mapping[str, ArmInfo]
    settings: ReportSettings
    headline: pd.DataFrame
    read_log: Callable[[ArmInfo], pd.DataFrame]
    _known: dict[tuple[Quantity, Point], AtPoint] = field(default_factory=dict, init=False, repr=False)

    def at(self, quantity: Quantity, point: Point) -> AtPoint:
        """A quantity at a point, looked up once."""
        if (quantity, point) not in self._known:
            self._known[quantity, point] = self._look(quantity, point)
        return self._known[quantity, point]

    def pair(self, quantity: Quantity, after: Point, before: Point) -> tuple[AtPoint, AtPoint]:
        """A quantity at two points; an accuracy is that on the questions that both answered."""
        sides = self.at(quantity, after), self.at(quantity, before)
        if quantity is not Quantity.ACCURACY or any(side.missing for side in sides):
            return sides
        places = [pd.MultiIndex.from_frame(self.rows(point)[["benchmark", "id"]]) for point in (after, before)]
        shared = places[0].intersection(places[1])
        values = [
            mean_accuracy(self.rows(point)[place.isin(shared)])
            for point, place in zip((after, before), places, strict=True)
        ]
        if not all(values):
            nothing = AtPoint(missing=f"no question that `{after.arm}` and `{before.arm}` both answered", answered=True)
            return nothing, nothing
        return AtPoint(values[0], sides[0].trained), AtPoint(values[1], sides[1].trained)

    def _look(self, quantity: Quantity, point: Point) -> AtPoint:
        if point.arm not in self.arms:
            return AtPoint(missing=f"no arm `{point.arm}` in this config")
        arm = self.arms[point.arm]
        if (point.stage or 0) > len(arm.stages):
            return AtPoint(missing=f"`{point.arm}` has {len(arm.stages)} stages")
        if quantity is Quantity.LENGTH:
            values = lengths(self.read_log(arm), arm, point.stage)
            return AtPoint(values) if values else AtPoint(missing=f"no finished training log of `{point.arm}`")
        reached = self._model_at(arm, point.stage)
        trained = reached.stages != () or reached.trained
        if quantity is Quantity.WORDS:
            values = self._words(reached, point)
        else:
            rows = self.rows(point)
            values = mean_accuracy(rows) if quantity is Quantity.ACCURACY else length_effect(rows)
            if not values and (rows["benchmark"] == FIGURE_ONE).any():
                return AtPoint(missing=f"all responses of `{point.arm}` to MathVerse are of one length", answered=True)
        if not values:
            where = "start" if point.stage == 0 else "end" if point.stage is None else f"end of stage {point.stage}"
            return AtPoint(missing=f"the {where} of `{point.arm}` was not evaluated")
        return AtPoint(values, trained)

    def _model_at(self, arm: ArmInfo, stage: int | None) -> ArmInfo:
        """The arm whose weights they are: at its start those of the arm that it starts from."""
        return self.arms.get(arm.parent, arm) if stage == 0 else arm

    def rows(self, point: Point) -> pd.DataFrame:
        """Tidy rows of a point's model; empty where it was not evaluated."""
        keep = np.zeros(len(self.headline), dtype=bool)
        for name, stage, step in self._checkpoints(self.arms[point.arm], point.stage):
            of_arm = (self.headline["arm"] == name).to_numpy()
            if step is None:
                keep = of_arm & self.headline["final"].to_numpy(dtype=bool)
            else:
                places = (self.headline["stage"] == stage) & (self.headline["step"] == step)
                keep = of_arm & places.fillna(False).to_numpy(dtype=bool)
            if keep.any():
                break
        return self.headline[keep]

    def _checkpoints(self, arm: ArmInfo, stage: int | None) -> Sequence[tuple[str, int | None, int | None]]:
        """Arm, stage and step by which a point's model may have been evaluated; no step for an arm's end."""
        if stage == 0:
            return [(arm.parent, None, None)]
        if stage is None or stage == len(arm.stages):
            return [(arm.name, None, None)]
        border = arm.stages[stage - 1]
        ends = [other.name for other in self.arms.values() if len(other.stages) == stage and _shares(other, arm, stage)]
        return [(border.owner, stage, border.last_step), *((name, None, None) for name in ends)]

    def _words(self, reached: ArmInfo, point: Point) -> BySeed:
        """Words in the responses of each seed's first evaluation."""
        folders: dict[int, EvalFolder] = {}
        checkpoints = self._checkpoints(self.arms[point.arm], point.stage)
        for name, stage, step in checkpoints:
            for one in eval_folders(self.run):
                place = (one.arm, one.stage, one.step, one.benchmark, one.protocol)
                if place == (name, stage, step, FIGURE_ONE, self.settings.protocol):
                    folders.setdefault(one.train_seed, one)
            if folders:
                break
        return {
            seed: self.settings.sampled_responses
            * words_per_response(
                [row.response for row in last_responses(one.path / "responses.jsonl").values()],
                self.settings.sampled_words,
            )
            for seed, one in folders.items()
        }


def _shares(first: ArmInfo, second: ArmInfo, stage: int) -> bool:
    return [one.owner for one in first.stages[:stage]] == [one.owner for one in second.stages[:stage]]


def lengths(log: pd.DataFrame, arm: ArmInfo, stage: int | None) -> BySeed:
    """Mean completion tokens at the end of a stage (0: at the start of the first, None: at the end of the last).

    Args:
        log: The arm's step log, all seeds; a seed that did not finish the stage gives nothing.
    """
    if log.empty or not arm.stages:
        return {}
    number = len(arm.stages) if stage is None else max(stage, 1)
    last = arm.stages[number - 1].last_step
    first = arm.stages[number - 2].last_step if number > 1 else 0
    width = max(1, round(_WINDOW * (last - first)))
    steps = log["step"].to_numpy()
    inside = (steps <= first + width) if stage == 0 else (steps > last - width)
    window = log[inside & (steps > first) & (steps <= last)]
    finished = set(log.loc[steps >= last, "train_seed"])
    means = window.groupby("train_seed")["mean_length"].mean()
    return {int(str(seed)): float(mean) for seed, mean in means.items() if seed in finished}


def mean_accuracy(rows: pd.DataFrame) -> BySeed:
    """Mean accuracy in percent over the three benchmarks of Figure 1 E, those that there are; mean over evaluations."""
    answered = [name for name in THREE if (rows["benchmark"] == name).any()]
    if not answered:
        return {}
    return {seed: float(np.mean(scores)) for seed, scores in scores_by_seed(rows, answered).items()}


def length_effect(rows: pd.DataFrame) -> BySeed:
    """Slope of correctness in the binary logarithm of a MathVerse response's tokens, in points.

    A plain association, as Figure 1 A's: harder questions have longer chains, too.
    """
    kept = graded(rows[(rows["benchmark"] == FIGURE_ONE) & (rows["stratum"] != EXCLUDED) & (rows["n_tokens"] > 0)])
    slopes = {}
    for seed, part in kept.groupby("train_seed"):
        # Python's own logarithm and sums: numpy's differ between processors.
        x = [math.log2(n) for n in part["n_tokens"]]
        mean = math.fsum(x) / len(x)
        covariance = math.fsum(one - mean for one, right in zip(x, part["correct"], strict=True) if right)
        if (spread := math.fsum((one - mean) ** 2 for one in x)) > 0:
            slopes[int(str(seed))] = 100 * covariance / spread
    return slopes


def words_per_response(texts: Sequence[str], words: Sequence[str]) -> float:
    """Occurrences of any of the words, whole and in any case, in the mean text."""
    return sum(sum(count_words(text, words).values()) for text in texts) / len(texts)
