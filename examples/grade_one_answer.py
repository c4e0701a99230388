"""Grade one completion: find its final answer, compare it with the gold answer, within five seconds.

Run: python examples/grade_one_answer.py
"""

from vr1repro.answers import Grader, final_answer

COMPLETION = r"<think>The legs are 1 and 1.</think> The hypotenuse is \boxed{\frac{2}{\sqrt{2}}}."


def main() -> None:
    """Print the answer, the rule that found it, and the outcome."""
    found = final_answer(COMPLETION)
    with Grader(timeout_s=5) as grader:
        outcome = grader.equivalent(gold=r"\sqrt{2}", pred=found.text if found else None)
    print(f"answer {found.text if found else None}, found by the rule {found.rule if found else None}: {outcome}")


if __name__ == "__main__":
    main()
