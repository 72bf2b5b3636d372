"""Leak-free splitters for scikit-learn: objects with `split` and `get_n_splits`.

They keep what a split keeps: groups are never parted, classes are spread as evenly as groups allow,
and a class is in every part as soon as it has a group for each. Any number of group columns ties:
rows with a value in common in one of them hang together, directly or through others; a missing
value ties nothing. Nothing of scikit-learn is imported.

As rows have no names here, chance goes by their number.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from curate.core.components import components
from curate.core.errors import InputError, PolicyError
from curate.splits.placing import Question, place
from curate.splits.tables import Floats, Ints, Objects


class _Splitter:
    """What both have in common: reading rows, and answering scikit-learn's questions."""

    n_splits: int
    random_state: int

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:
        """How many pairs of training and test rows `split` yields."""
        return self.n_splits

    def get_metadata_routing(self) -> Any:
        """Ask for `groups`, where scikit-learn routes metadata; only scikit-learn calls this."""
        routing = sys.modules["sklearn.utils.metadata_routing"]
        request = routing.MetadataRequest(owner=type(self).__name__)
        request.split.add_request(param="groups", alias=True)
        return request

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({given})"


class LeakFreeKFold(_Splitter):
    """k folds that part no group, with the classes spread evenly.

    Parameters
    ----------
    n_splits : int
        How many folds, at least 2.
    random_state : int
        Decides what chance decides.
    """

    def __init__(self, n_splits: int = 5, *, random_state: int = 0) -> None:
        if n_splits < 2:
            raise PolicyError(f"n_splits {n_splits}", "there are at least 2 folds", "Give 5, say.")
        self.n_splits = n_splits
        self.random_state = random_state

    def split(
        self,
        X: Any,
        y: Any = None,
        groups: Any = None,
    ) -> Iterator[tuple[Ints, Ints]]:
        """Yield the rows that train and the rows that test, once for each fold.

        Parameters
        ----------
        X : array-like of length n
            Only its length matters.
        y : array-like, shape (n,), optional
            The classes to spread evenly.
        groups : array-like, shape (n,) or (n, columns), optional
            What must not be parted; None, NaN and '' tie nothing.

        Yields
        ------
        train, test : int arrays
            Row numbers. Every row tests once.

        Raises
        ------
        InputError
            The lengths differ, or there are fewer groups than folds.
        """
        klass, root = _read(X, y, groups)
        found = len(np.unique(root))
        if found < self.n_splits:
            raise InputError(
                f"{found} groups",
                f"they do not fill {self.n_splits} folds",
                f"Give n_splits={max(found, 2)} or less, or fewer group columns.",
            )
        fold = _shared_out(klass, root, np.ones(self.n_splits) / self.n_splits, self.random_state)
        for i in range(self.n_splits):
            yield np.flatnonzero(fold != i), np.flatnonzero(fold == i)


class LeakFreeShuffleSplit(_Splitter):
    """Random pairs of training and test rows that part no group, with the classes spread evenly.

    Parameters
    ----------
    n_splits : int
        How many pairs. They are drawn one by one, so a row may test several times.
    test_size : float
        The share of the rows of each class that tests, between 0 and 1.
    random_state : int
        Decides what chance decides.
    """

    def __init__(
        self, n_splits: int = 10, *, test_size: float = 0.2, random_state: int = 0
    ) -> None:
        if n_splits < 1:
            raise PolicyError(f"n_splits {n_splits}", "there is at least 1", "Give 10, say.")
        if not 0 < test_size < 1:
            raise PolicyError(
                f"test_size {test_size}", "it is a share between 0 and 1", "Give 0.2, say."
            )
        self.n_splits = n_splits
        self.test_size = test_size
        self.random_state = random_state

    def split(
        self,
        X: Any,
        y: Any = None,
        groups: Any = None,
    ) -> Iterator[tuple[Ints, Ints]]:
        """Yield the rows that train and the rows that test, as `LeakFreeKFold.split` does."""
        klass, root = _read(X, y, groups)
        found = len(np.unique(root))
        if found < 2:
            raise InputError(
                f"{found} groups",
                "they do not fill a training and a test part",
                "Give fewer group columns.",
            )
        rates = np.array([1 - self.test_size, self.test_size])
        for i in range(self.n_splits):
            where = _shared_out(klass, root, rates, self.random_state, f"{i} ")
            yield np.flatnonzero(where == 0), np.flatnonzero(where == 1)


def _read(x: Any, y: Any, groups: Any) -> tuple[Ints, Ints]:
    """The class and the group of each row, as numbers."""
    count = x.shape[0] if hasattr(x, "shape") else len(x)
    klass = np.zeros(count, dtype=np.int64)
    columns: list[Objects] = []
    if groups is not None:
        values = pd.DataFrame(np.asarray(groups, dtype=object))
        columns = [values[name].to_numpy(object) for name in values.columns]
    lengths = {"X": count}
    if columns:
        lengths["groups"] = len(columns[0])
    if y is not None:
        codes, _ = pd.factorize(np.asarray(y).ravel(), use_na_sentinel=False)
        klass, lengths["y"] = codes.astype(np.int64), len(codes)
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise InputError(said, "they must have one row each for every sample", "Give all of them.")
    numbers = []
    for column in columns:
        tied = pd.Series(column, dtype=object)
        numbers.append(pd.factorize(tied.where(tied != "", None))[0].astype(np.int64))
    return klass, components(tuple(numbers), np.ones(count, dtype=np.bool_))


def _shared_out(klass: Ints, root: Ints, rates: Floats, seed: int, stream: str = "") -> Ints:
    count = len(klass)
    classes = int(klass.max(initial=-1)) + 1
    total = np.bincount(klass, minlength=classes)
    every = np.ones((classes, len(rates)), dtype=np.bool_)
    return place(
        Question(
            ids=np.array([f"{stream}{i}" for i in range(count)], dtype=object),
            klass=klass,
            sub=klass,
            root=root,
            who=np.ones(count, dtype=np.bool_),
            fixed=np.full(count, -1, dtype=np.int64),
            wish=total[:, None] * rates,
            allowed=every,
            holds=~every,
            seed=seed,
        )
    )
