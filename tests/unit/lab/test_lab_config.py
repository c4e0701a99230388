"""The lab's config refuses what cannot be, naming the key."""

import pytest
from pydantic import BaseModel, ValidationError

from vr1repro.config import lab


@pytest.mark.parametrize(
    ("section", "values", "key"),
    [
        (lab.LabWorld, {"rows": {1: 1.0}}, "rows"),
        (lab.LabWorld, {"kinds": {"product": 1.0}}, "product"),
        (lab.LabWorld, {"partitions": {"pretrain": 1.0}}, "partitions"),
        (lab.LabWorld, {"families": {"digits": 0.0}}, "families"),
        (lab.LabWorld, {"medium_above": 50, "hard_above": 40}, "hard_above"),
        (lab.LabModel, {"heads": 3}, "heads"),
        (lab.LabModel, {"mrope_section": (4, 4, 4)}, "mrope_section"),
        (lab.LabModel, {"context": 512}, "context"),
        (lab.LabPhase, {"rows": 3, "solve": 0.8, "bridge": 0.5, "max_steps": 1, "lr": 1e-3}, "solve"),
        (lab.LabTeacher, {"stop": []}, "stop"),
        (lab.Lab, {"wrold": {}}, "wrold"),
    ],
)
def test_the_impossible_is_refused(section, values, key):
    with pytest.raises(ValidationError, match=key):
        section.model_validate(values)


@pytest.mark.parametrize(
    "section", [lab.LabWorld, lab.LabModel, lab.LabPhase, lab.LabPretrain, lab.LabTeacher, lab.Lab]
)
def test_every_field_is_described(section: type[BaseModel]):
    assert [name for name, field in section.model_fields.items() if not field.description] == []
