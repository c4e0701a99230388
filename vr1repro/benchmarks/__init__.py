"""The benchmarks, a folder each: facts, adapter, prompts, scorers, and a README with what equals the official code.

`lookup` finds them by name. A folder holds

- `__init__.py`: `BENCHMARK`, its facts (`base.Benchmark`);
- `adapter.py`: `adapt`, which makes a problem of a row;
- `prompts.py`: `PROMPTS`, the texts of its prompt styles;
- `profiles.py`: `PROFILES`, its scorers by profile, which lie in `official.py`, `rule.py` and `peers.py`;
- `README.md`: sources, quirks, measured agreement.

>>> from vr1repro.benchmarks import facts, slugs
>>> slugs()[:3]
['mathvista', 'mathverse', 'mmmath']
>>> facts("mathverse").n_questions
3940
"""

from vr1repro.core.exports import exporter

_HOMES = {
    "Benchmark": "base",
    "facts": "lookup",
    "profile": "lookup",
    "profiles": "lookup",
    "read_questions": "questions",
    "slugs": "lookup",
}
__all__ = list(_HOMES)
__getattr__ = exporter(__name__, _HOMES)
