import pytest

from vr1repro.answers.grade import Grader
from vr1repro.coldset.filters import RULES, Candidate, rejections, split_reply
from vr1repro.config.coldset import ColdsetSettings, ScriptedEngine

SETTINGS = ColdsetSettings(
    sources=["s"],
    shards=1,
    mllm=ScriptedEngine(kind="scripted"),
    reasoner=ScriptedEngine(kind="scripted"),
    answer_in_reasoner_prompt=False,
    max_chain_chars=2000,
    repetition_ngram=3,
    repetition_share=0.5,
    polish=True,
    released=None,
)


def candidate(chain: str = "3+4=7", answer: str | None = "7", gold: str = "7", finished: bool = True) -> Candidate:
    return Candidate(chain, answer, gold, None, finished)


@pytest.mark.parametrize(
    ("rule", "fires", "passes"),
    [
        ("truncated", candidate(finished=False), candidate()),
        ("no-answer", candidate(answer=None), candidate()),
        ("no-answer", candidate(chain="  "), candidate()),
        ("tags-inside", candidate(chain="so </answer> 7"), candidate(chain="a < b > c")),
        ("tags-inside", candidate(answer="7</answer>"), candidate()),
        ("too-long", candidate(chain="x" * 2001), candidate(chain="x" * 2000)),
        ("repetition", candidate(chain="wait let me " * 20), candidate(chain=" ".join(str(n) for n in range(60)))),
        ("assistant-talk", candidate(chain="As an AI, I see"), candidate(chain="As an aid, I see")),
        ("assistant-talk", candidate(chain="I cannot see the image"), candidate(chain="You cannot see the end")),
        ("leak", candidate(chain="from this Description it follows"), candidate(chain="from this image")),
        ("contradiction", candidate(chain="So the answer is 8."), candidate(chain="So the answer is 7.")),
        ("contradiction", candidate(chain="the answer is 1,000", answer="100"), candidate(chain="the answer is B")),
    ],
)
def test_each_rule(rule: str, fires: Candidate, passes: Candidate) -> None:
    assert RULES[rule](fires, SETTINGS)
    assert not RULES[rule](passes, SETTINGS)


def test_the_first_rule_that_fires_names_the_rejection_and_order_is_kept() -> None:
    rows = [
        candidate(),
        candidate(answer="8"),
        candidate(chain="As an AI", finished=False),
        candidate(gold=r"\frac{14}{2}"),
        candidate(answer=None),
    ]
    with Grader() as grader:
        found = list(rejections(rows, SETTINGS, grader))
    assert found == [None, "answer-wrong", "truncated", None, "no-answer"]


@pytest.mark.parametrize(
    ("reply", "chain", "answer"),
    [
        ("<think>3+4=7</think><answer> Final Answer:7 </answer>", "3+4=7", "7"),
        ("<think>a</think> The answer is 7.", "a", "7"),
        ("no tags, the answer is 7.", "no tags, the answer is 7.", "7"),
        ("<think>a</think>b</think><answer> Final Answer:7 </answer>", "a</think>b", "7"),
    ],
)
def test_split_reply(reply: str, chain: str, answer: str) -> None:
    assert split_reply(reply) == (chain, answer)
