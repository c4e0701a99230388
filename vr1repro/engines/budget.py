"""What a model's completions have cost, and what they may cost."""

from dataclasses import dataclass

from vr1repro.core.errors import UserError

_MILLION = 1_000_000


@dataclass(kw_only=True)
class Meter:
    """Counts tokens and money.

    Attributes:
        prompt_price: Price of a million prompt tokens, None where cost is not counted.
        completion_price: Price of a million completion tokens.
        budget_tokens: Most tokens, None for no limit.
        budget_money: Most money, None for no limit.
    """

    prompt_price: float | None = None
    completion_price: float | None = None
    budget_tokens: int | None = None
    budget_money: float | None = None
    tokens: int = 0
    money: float = 0.0
    completions: int = 0

    def cost(self, prompt: int | None, completion: int | None) -> float | None:
        """Cost of one completion; None where prices or counts are unknown."""
        if self.prompt_price is None or self.completion_price is None or prompt is None or completion is None:
            return None
        return (prompt * self.prompt_price + completion * self.completion_price) / _MILLION

    def add(self, prompt: int | None, completion: int | None) -> None:
        """Count one completion's tokens."""
        self.tokens += (prompt or 0) + (completion or 0)
        self.money += self.cost(prompt, completion) or 0.0
        self.completions += 1

    def spent(self, in_flight: int = 0) -> str | None:
        """Why no further request may be sent; None while the budget lasts. Requests in flight count at the mean."""
        whole = (self.completions + in_flight) / self.completions if self.completions else 1.0
        if self.budget_tokens is not None and self.tokens * whole >= self.budget_tokens:
            return f"{self.tokens} of {self.budget_tokens} tokens are used"
        if self.budget_money is not None and self.money * whole >= self.budget_money:
            return f"{self.money:.4f} of {self.budget_money:.4f} is spent"
        return None


class BudgetSpent(UserError):
    """The budget is spent; `left` requests of this call were not sent."""

    def __init__(self, spent: str, left: int) -> None:
        super().__init__(f"budget: {spent}; {left} requests are left")
        self.spent, self.left = spent, left
