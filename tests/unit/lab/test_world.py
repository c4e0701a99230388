"""Problems: right answers, partitions without a common row, equal seeds, cells that tell values apart."""

import itertools
import random
from io import BytesIO

import pytest
from lab_sizes import LAB, changed
from PIL import Image, ImageChops

from vr1repro.core.errors import UserError
from vr1repro.lab import drawing, questions, world
from vr1repro.lab.questions import Task

WORLD = LAB.world


@pytest.mark.parametrize(
    ("kind", "values", "answer", "chain"),
    [
        ("sum", (3, 5, 7), 15, "3 5 7 3+5=8 8+7=15"),
        ("sum", (0, 0), 0, "0 0 0+0=0"),
        ("largest", (3, 7, 2, 7), 7, "3 7 2 7 3<7 7>2 7=7"),
        ("range", (5, 9, 3), 6, "5 9 3 largest 5<9 9>3 smallest 5<9 5>3 9-3=6"),
        ("count", (5, 4, 9), 2, "5 4 9 5:1 4:1 9:2"),
    ],
)
def test_a_task_is_solved_step_by_step(kind, values, answer, chain):
    task = Task(kind, values, threshold=4)
    assert (task.answer, task.chain) == (answer, chain)


@pytest.mark.parametrize("kind", questions.KINDS)
def test_the_chain_grows_with_the_row(kind):
    lengths = [questions.completion_tokens(Task(kind, (3,) * cells, 4)) for cells in range(3, 7)]
    assert lengths == sorted(set(lengths))


def test_no_row_of_values_stands_in_two_partitions():
    drawn = {
        name: {tuple(problem.metadata["values"]) for problem in world.generate(WORLD, name, 300, seed)}
        for seed, name in enumerate(world.PARTITIONS)
    }
    for one, other in itertools.combinations(drawn.values(), 2):
        assert not one & other
    # Order within the row decides too: a partition is a function of the values and of nothing else.
    assert {world.partition_of(WORLD, values) for values in drawn["rl"]} == {"rl"}


def test_partitions_take_their_shares():
    rows = list(itertools.product(range(10), repeat=4))
    owned = [world.partition_of(WORLD, row) for row in rows]
    for name, share in WORLD.partitions.items():
        assert owned.count(name) / len(rows) == pytest.approx(share, abs=0.02)


def test_equal_seeds_give_equal_problems_and_others_do_not():
    first, again, other = (list(world.generate(WORLD, "rl", 20, seed)) for seed in (1, 1, 2))
    assert [p.model_dump() for p in first] == [p.model_dump() for p in again]
    assert [p.id for p in first] != [p.id for p in other]


def test_problems_are_unique_and_right():
    problems = list(world.generate(WORLD, "rl", 400, 0))
    assert len({problem.id for problem in problems}) == 400
    for problem in problems:
        task = Task(problem.metadata["kind"], tuple(problem.metadata["values"]), WORLD.threshold)
        assert problem.answer == str(task.answer)
        assert problem.choices is None or problem.answer in problem.choices
        width, height = Image.open(BytesIO(problem.image)).size
        assert (width, height) == (28 * (problem.metadata["cells"] + problem.metadata["signed"]), 28)


def test_a_fifth_to_a_half_of_rl_problems_do_not_fit_stage_one():
    problems = list(world.generate(WORLD, "rl", 1000, 0))
    hard = [problem for problem in problems if problem.metadata["min_tokens"] > WORLD.hard_above]
    assert {problem.metadata["difficulty"] for problem in hard} == {"hard"}
    assert 0.2 <= len(hard) / len(problems) <= 0.5


def test_an_exhausted_partition_says_so():
    values = {"rows": {2: 1.0}, "families": {"polygons": 1.0}, "kinds": {"sum": 1.0}, "signed": 0.0}
    small = changed(world=values).world
    with pytest.raises(UserError, match="partition 'cold'"):
        list(world.generate(small, "cold", 500, 0))


def test_choices_are_four_different_values():
    for seed in range(50):
        choices = world.make_choices(Task("count", (1, 2, 3), 4), random.Random(seed))
        assert len(set(choices)) == 4
        assert "0" in choices


@pytest.mark.parametrize("family", questions.FAMILIES)
def test_no_two_values_look_alike_wherever_they_move(family):
    """Moves included, every cell of one value differs from every cell of another."""
    moves = list(itertools.product(range(-1, 2), repeat=2))
    cells = {value: [drawing.cell(family, value, dx, dy) for dx, dy in moves] for value in questions.VALUES[family]}
    for one, other in itertools.combinations(cells, 2):
        for a, b in itertools.product(cells[one], cells[other]):
            assert ImageChops.difference(a, b).getbbox() is not None, (family, one, other)


def test_a_description_is_understood_as_what_it_describes():
    rng = random.Random(0)
    for _ in range(200):
        scene = world.draw_scene(WORLD, "cold", rng)
        text = f"{scene.description}\nThink.\n{world.make_problem(WORLD, scene, '', None, rng).question}"
        assert questions.understand(text, WORLD.threshold) == scene.task
