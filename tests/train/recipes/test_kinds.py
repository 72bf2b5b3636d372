from __future__ import annotations

import math

import pytest

from curate.core.errors import InputError
from curate.train.recipes.kinds import Number, chosen

KINDS = {
    "fast": (1, {"by": Number(2, 0, 10)}),
    "slow": (2, {"by": Number(0.5, 0, 1), "rests": Number(3, 1, math.inf, whole=True)}),
    "none": (3, {}),
}


def test_what_is_left_out_is_as_usual() -> None:
    assert chosen("pace", "fast", KINDS) == (1, {"by": 2})
    assert chosen("pace", "slow(by=1)", KINDS) == (2, {"by": 1, "rests": 3})
    assert chosen("pace", " none() ", KINDS) == (3, {})


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        ("", "it is one name. Write like: fast"),
        ("fast slow", "it is one name"),
        ("fats", r"known are fast, slow, none. Did you mean fast\?"),
        ("xyz", "Take one of these"),
        ("none(by=1)", r"does not take 'by'. Write like: none\."),
        ("slow(fr=1)", r"does not take 'fr'. Write like: slow\(by=0.5, rests=3\)"),
        ("fast(by=10.5)", "by=10.5 of pace fast: it is a number from 0 to 10"),
        ("fast(by=-1)", "from 0 to 10"),
        ("fast(by='1')", "by='1'"),
        ("fast(by=True)", "by=True"),
        ("fast(by=None)", "by=None"),
        ("fast(by=1e999)", "by=inf"),
        ("slow(rests=1.5)", "a whole number from 1 on"),
    ],
)
def test_anything_else_is_refused_with_what_is_allowed(recipe: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        chosen("pace", recipe, KINDS)
