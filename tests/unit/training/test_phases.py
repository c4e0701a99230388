from types import SimpleNamespace

import pytest

from vr1repro.training import phases


def test_a_phase_inside_another_is_not_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 1.0, 4.0, 10.0])
    monkeypatch.setattr(phases, "time", SimpleNamespace(perf_counter=lambda: next(moments)))
    clock = phases.PhaseClock()
    with clock.timed("update"), clock.timed("generate"):
        pass
    assert clock.take() == {"generate": 3.0, "reward": 0.0, "log_probs": 0.0, "update": 7.0}
    assert set(clock.take().values()) == {0.0}
