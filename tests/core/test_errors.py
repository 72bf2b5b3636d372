"""A message has three parts: the value, the rule it broke, what to do."""

from __future__ import annotations

import pytest

from curate.core import errors
from curate.core.errors import CurateError, FaultsError

CLASSES = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, CurateError) and kind is not FaultsError
]


@pytest.mark.parametrize("kind", CLASSES)
def test_three_parts(kind: type[CurateError]) -> None:
    error = kind("min-count 500", "no class has so many images", "Lower it.")
    assert str(error) == "min-count 500: no class has so many images. Lower it."
    assert (error.value, error.rule, error.remedy) == (
        "min-count 500",
        "no class has so many images",
        "Lower it.",
    )


def test_all_faults_are_listed_up_to_a_number() -> None:
    some = str(FaultsError("m.csv", ["line 2: bad", "line 9: worse"], "Mend these."))
    assert some == (
        "m.csv: 2 faults, nothing was changed:\n  line 2: bad\n  line 9: worse\nMend these."
    )
    many = FaultsError("m.csv", [f"line {n}: bad" for n in range(1000)], "Mend these.")
    assert len(many.faults) == 1000
    assert "… and 950 more" in str(many)
    assert str(many).count("bad") == FaultsError.shown
    assert "1 fault, nothing" in str(FaultsError("m.csv", ["bad"], "Mend it."))
