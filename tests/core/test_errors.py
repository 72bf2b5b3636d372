"""A message has three parts: the value, the rule it broke, what to do."""

from __future__ import annotations

import copy
import importlib
import pickle
import pkgutil

import pytest

import curate
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


def everywhere(kind: type[CurateError]) -> list[type[CurateError]]:
    """A class and all that descend from it, in whatever module they were made."""
    below = [each for child in kind.__subclasses__() for each in everywhere(child)]
    return [kind, *below]


FOUNDATIONS = ("core", "engine", "store", "models", "formats")


def test_every_error_leaves_its_process_whole() -> None:
    for module in pkgutil.walk_packages(curate.__path__, "curate."):
        if module.name.split(".")[1] in FOUNDATIONS:
            importlib.import_module(module.name)
    kinds = [kind for kind in everywhere(CurateError) if kind.__module__.startswith("curate.")]
    assert set(kinds) >= {*CLASSES, FaultsError}
    for kind in kinds:
        rule: object = ["line 2: bad"] * 60 if issubclass(kind, FaultsError) else "its rule"
        error = kind("a \udcff value", rule, "do this")  # type: ignore[arg-type]  # two shapes
        error.add_note("on that machine")
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            back = pickle.loads(pickle.dumps(error, protocol))
            assert type(back) is kind
            assert str(back) == str(error)
            assert vars(back) == vars(error)
        assert vars(copy.deepcopy(error)) == vars(error)


def test_an_error_with_a_constructor_of_its_own_pickles_too() -> None:
    back = pickle.loads(pickle.dumps(OneWord("gone")))
    assert isinstance(back, OneWord)
    assert str(back) == "gone: it was here before. Look elsewhere."
    assert back.word == "gone"


class OneWord(CurateError):
    """What a stage may add to the tree."""

    def __init__(self, word: str) -> None:
        self.word = word
        super().__init__(word, "it was here before", "Look elsewhere")
