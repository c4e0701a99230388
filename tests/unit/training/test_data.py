from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vr1repro.core.errors import UserError
from vr1repro.core.problem_files import ProblemFile, read_problems, write_problems
from vr1repro.core.records import Problem
from vr1repro.problems.prompt import messages, user_turn

data = pytest.importorskip("vr1repro.training.data")

PROBLEMS = 7


def ids(seed: int, skip: int, n: int) -> list[int]:
    return data.rl_order(PROBLEMS, seed, skip, n)


def test_the_order_goes_on_across_stages() -> None:
    assert ids(1, 0, 20) == ids(1, 0, 5) + ids(1, 5, 9) + ids(1, 14, 6)


def test_an_epoch_holds_every_problem_once() -> None:
    assert sorted(ids(1, 7, 7)) == list(range(PROBLEMS))


def test_the_seed_decides_the_order() -> None:
    assert ids(1, 0, 14) != ids(2, 0, 14)


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(UserError, match="the set is empty"):
        data.rl_order(0, 1, 0, 1)


def test_choices_are_written_as_in_the_papers_inference_code() -> None:
    problem = Problem(id="1", source="s", question="How long?", answer="B", choices=["2π", "3π"])
    assert user_turn(problem) == "How long?\nChoices:\nA: 2π\nB: 3π"


def test_the_image_stands_before_the_text_and_the_system_prompt_first() -> None:
    turns = messages("q", has_image=True, system="s")
    assert [turn["role"] for turn in turns] == ["system", "user"]
    assert [part["type"] for part in turns[1]["content"]] == ["image", "text"]


def picture(width: int, height: int) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (width, height), "white").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("least", "most", "size", "expected"),
    [
        (None, None, (3000, 2000), (3000, 2000)),
        (None, 589_824, (3000, 2000), (940, 627)),  # sqrt(589824 / 6e6) = 0.31353
        (262_144, 4_194_304, (100, 50), (724, 362)),  # sqrt(262144 / 5000) = 7.2408
        (262_144, 4_194_304, (2048, 2048), (2048, 2048)),
        (None, 4, (1000, 1), (63, 1)),  # no side becomes nothing
    ],
)
def test_pictures_are_scaled_as_easyr1_and_llama_factory_do(
    least: int | None, most: int | None, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    limits = data.PictureLimits(least, most)
    assert limits.size(*size) == expected
    assert limits.open(picture(*size)).size == expected


def test_a_processor_that_cannot_say_a_pictures_tokens_is_asked_with_the_picture(tiny_checkpoint: Path) -> None:
    """Mllama's has no such method; the count is that of the processors that have one."""
    transformers = pytest.importorskip("transformers")
    processor = transformers.AutoProcessor.from_pretrained(tiny_checkpoint)

    class Silent:
        """The processor without the method that counts."""

        tokenizer, apply_chat_template = processor.tokenizer, processor.apply_chat_template

        def __call__(self, **inputs: Any) -> Any:
            return processor(**inputs)

    from transformers.models.mllama.processing_mllama import MllamaProcessor

    assert not hasattr(MllamaProcessor, "_get_num_multimodal_tokens")
    limits, turns = data.PictureLimits(), messages("How many?", has_image=True)
    counts = [data.n_tokens(one, turns, picture(56, 28), limits, answer_follows=True) for one in (processor, Silent())]
    assert counts[0] == counts[1] > len(processor.tokenizer("How many?").input_ids)


def test_a_row_with_its_picture_is_made_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process holds places in a file, not pictures: no row is read before it is asked for."""
    image = picture(40, 30)
    stored = [Problem(id=str(n), source="s", question=f"q{n}", answer="a", image=image) for n in range(200)]
    write_problems(tmp_path / "problems.parquet", stored)
    problems = ProblemFile(tmp_path / "problems.parquet")
    asked: list[int] = []
    read = ProblemFile.__getitem__
    monkeypatch.setattr(ProblemFile, "__getitem__", lambda self, place: (asked.append(place), read(self, place))[1])
    rows = data.rl_rows(problems, [7, 199, 7, 0] * 1000, None, data.PictureLimits())
    assert (len(rows), asked) == (4000, [])
    assert [row["id"] for row in rows.select(range(1, 4))] == ["199", "7", "0"]
    assert rows[0]["images"][0].size == (40, 30)
    assert set(asked) == {0, 7, 199}


def test_problems_by_their_place_are_those_in_a_row(tmp_path: Path) -> None:
    stored = [
        Problem(id=str(n), source="s", question="q" * n, answer="a", image=bytes([n]) * (1 << 20) if n % 3 else None)
        for n in range(40)
    ]
    write_problems(tmp_path / "problems.parquet", stored)
    problems = ProblemFile(tmp_path / "problems.parquet", held=2)
    assert list(problems) == stored == list(read_problems(tmp_path / "problems.parquet"))
    assert problems[3:9:2] == stored[3:9:2]
    assert len(problems._groups) == 2  # groups of 8 MiB
    with pytest.raises(IndexError):
        problems[40]
