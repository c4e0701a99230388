from dataclasses import dataclass
@dataclass(frozen=True, kw_only=True)
class Group:
    prompt: int
    completions: tuple[int, ...]
