"""What MathVista's official code extracts before it asks an LLM (lupantech/MathVista@53d5258, extract_answer.py)."""

from vr1repro.benchmarks.base import Question


def extract_without_llm(question: Question, response: str) -> str | None:
    """What the official code extracts before it asks an LLM; None where it would ask."""
    if response == "":
        return ""
    if question["question_type"] == "multi_choice" and response in question["choices"]:
        return response
    try:
        if question["answer_type"] == "integer":
            return str(int(response))
        if question["answer_type"] == "float":
            return str(float(response))
    except ValueError:
        return None
    return None


EXTRACT_WITHOUT_LLM = extract_without_llm
