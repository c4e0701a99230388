"""The lab's config refuses what cannot be, naming the key."""

import pytest
from lab_sizes import LAB
from pydantic import BaseModel, ValidationError

from vr1repro.config import lab


@pytest.mark.parametrize(
    ("section", "values", "key"),
    [
        (LAB.world, {"rows": {1: 1.0}}, "rows"),
        (LAB.world, {"kinds": {"product": 1.0}}, "product"),
        (LAB.world, {"partitions": {"pretrain": 1.0}}, "partitions"),
        (LAB.world, {"families": {"digits": 0.0}}, "families"),
        (LAB.world, {"medium_above": 50, "hard_above": 40}, "hard_above"),
        (LAB.model, {"heads": 3}, "heads"),
        (LAB.model, {"mrope_section": (4, 4, 4)}, "mrope_section"),
        (LAB.model, {"context": 512}, "context"),
        (LAB.pretrain.phases[0], {"solve": 0.8, "bridge": 0.5}, "solve"),
        (LAB.pretrain, {"system_prompt": None}, "prompted"),
        (LAB.teacher, {"stop": []}, "stop"),
        (LAB, {"wrold": {}}, "wrold"),
    ],
)
def test_the_impossible_is_refused(section, values, key):
    with pytest.raises(ValidationError, match=key):
        type(section).model_validate(section.model_dump() | values)


@pytest.mark.parametrize(
    "section", [lab.LabWorld, lab.LabModel, lab.LabPhase, lab.LabPretrain, lab.LabTeacher, lab.Lab]
)
def test_every_field_is_described(section: type[BaseModel]):
    assert [name for name, field in section.model_fields.items() if not field.description] == []
