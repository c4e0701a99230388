"""The lab's reasoner: a script that sees text only, reflects, re-checks and sometimes errs.

It stands where DeepSeek-R1 stands in the paper. It knows of the picture only what a description in its prompt says, so
a wrong description gives a wrong chain and the cold-start filter has something to reject.
"""

import random
import re
from collections import Counter
from itertools import pairwise

from vr1repro.answers.completion import completion
from vr1repro.config.lab import LabTeacher
from vr1repro.lab.questions import Task, understand

WAITS = (" Wait, check: ", " Hmm, wait: ", " Alternatively: ")
MISTAKE = " Mistake: "
LEAKS = ("The description says ", "According to the description, ")
GIVE_UP = "The description does not say what is asked."
# How a prompt states the gold answer, where it does (the author's issue #17).
_GIVEN = re.compile(r"The answer is (\S+?)\.?\s*$")
# What polishing makes of the leaks; here only so that both are equally few tokens.
POLISHED = ("The image shows ", "According to the image, ")
PHRASES = (*WAITS, MISTAKE, *LEAKS, *POLISHED, GIVE_UP)
# Values that are taken for each other, as digits that look alike are.
_PARTNERS = {0: 8, 1: 7, 2: 7, 3: 8, 4: 9, 5: 6, 6: 5, 7: 1, 8: 3, 9: 4}


def reason(prompt: str, seed: int | str, habits: LabTeacher, threshold: int) -> str:
    """Think about a prompt and answer it.

    Args:
        prompt: Text with a description of a picture and a question.
        seed: Equal prompt and seed give an equal reply.
        habits: How often it errs, re-checks and leaks.
        threshold: What the world's count question compares with.

    Returns:
        A completion with think and answer tags, which ends with the majority of its passes' answers, or with the gold
        answer where the prompt states it; the answer is "unknown" where the prompt describes no row or asks
        nothing that is understood.
    """
    rng = random.Random(f"{seed}\n{prompt}")
    task = understand(prompt, threshold)
    if task is None:
        return completion(GIVE_UP, "unknown")
    passes = _passes(task, rng, habits)
    chain = (rng.choice(LEAKS) if rng.random() < habits.leak else "") + passes[0].chain
    for before, now in pairwise(passes):
        # A pass that arrives at another answer than the one before may say so.
        differs = before.answer != now.answer and rng.random() < 0.5
        chain += "." + (MISTAKE if differs else rng.choice(WAITS)) + now.chain
    # Counter keeps first-seen order among equals, so a tie goes to the earliest answer.
    answer = str(Counter(attempt.answer for attempt in passes).most_common(1)[0][0])
    if (given := _GIVEN.search(prompt)) and given.group(1) != answer:
        # Told the answer, a reasoner ends with it, whether or not its chain led there.
        chain += "." + MISTAKE + task.chain
        answer = given.group(1)
    return completion(chain, answer)


def _passes(task: Task, rng: random.Random, habits: LabTeacher) -> list[Task]:
    current = _misread(task, rng) if rng.random() < habits.misread else task
    passes = [current]
    while len(passes) < habits.max_passes:
        if rng.random() < habits.stop[min(len(passes), len(habits.stop)) - 1]:
            break
        if rng.random() < habits.corrupt:
            current = _misread(current if rng.random() < habits.keep_error else task, rng)
        elif rng.random() < habits.restore:
            current = task
        passes.append(current)
    return passes


def _misread(task: Task, rng: random.Random) -> Task:
    values = list(task.values)
    place = rng.randrange(len(values))
    values[place] = _PARTNERS[values[place]]
    return Task(kind=task.kind, values=tuple(values), threshold=task.threshold)
