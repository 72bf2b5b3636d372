"""What a pool is made of: images of the model's classes, of classes that it lacks, and strangers.

A score says how sure a model is about images like those it learnt from. A pool holds others too.
Labelled images tell what two of the kinds look like to the model: those held out from its training
(*known*), and those of classes that it lacks (*lacking*). What looks like neither is *strange*:
rubbish, or something that nobody has labelled. Four numbers that a model says of every image (how
it looks) are compared: the pool's are a mixture of normal distributions, of which the known and the
lacking ones are given, and the strange one and all shares are found by expectation maximisation (A.
Dempster, N. Laird and D. Rubin, JRSS B 39, 1977). Images that arrived together have shares of their
own, as they come from one place; so have those that were labelled *unknown*.

Where features were kept, a fifth number tells how much an image is at home in the class it is taken
for (`affinity`). It parts the known from all others, and says nothing of what these are.

No answer to an image of the pool is used: what answers teach comes on top (`yields`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from curate.core.names import HELD_OUT, UNKNOWN
from curate.queues.expectations.homes import Homes, homes
from curate.queues.expectations.logistic import chance_of, line
from curate.queues.expectations.normal import PRIOR_POINTS, Floats, Normal, fitted

COLUMNS = (
    *("image_id", "predicted", "score", "second", "second_score", "novelty", "energy", "arrived"),
    *("affinity", "label", "label_run", "run_id", "split", "origin"),
)
"""What is asked of images."""

FEW = 30
"""With fewer held-out images nothing is said of a pool."""

ROUNDS = 60
"""Steps of expectation maximisation, at most."""

STRANGE_AT_FIRST = 0.05
"""The search begins with this share of the pool as strange, what looks least like the known, and
lets it grow. Where it begins with more than there are, images of other kinds are among them, and
the strange kind may keep these: it alone fits itself to the pool."""

TYPICAL = 0.2
"""What looks as known as this share of the held-out images do is no example of the strange, however
the rest of the pool looks. Else, where little is strange, the strange kind would drift to where
known images are many, and fit them better than a kind can that was given before."""

HEAVIEST = 10.0
"""A held-out image weighs at most so many times as much as they do on average."""

_STILL = 1e-4
_KNOWN, _LACKING, _STRANGE = range(3)


@dataclass(frozen=True, eq=False)
class Makeup:
    """How likely images of a pool are of which kind; made by `makeup`.

    Attributes
    ----------
    looks : tuple of int
        Which of the numbers of `looks_of` are there.
    centre, scale : ndarray, shape (D,)
        What these are brought to a common measure by.
    agreed, denied : Normal
        Of held-out images: where the model gives the label, and where another class.
    lacking, strange : Normal
        Of the two other kinds.
    homes : Homes
        How much known images are at home, and all others.
    right : (float, float, float)
        Share of the held-out images where the model gives the label; and a line: the logarithm of
        the odds that it does, by that of the score's odds.
    second : float
        Where the model is wrong about a known image, its second class is right as often as the
        scores say, times this.
    shares : dict of str to ndarray, shape (3,)
        By group (see `groups_of`): shares of known, lacking and strange images.
    usual : ndarray, shape (3,)
        The same for groups of which nothing is known.
    """

    looks: tuple[int, ...]
    centre: Floats
    scale: Floats
    agreed: Normal
    denied: Normal
    lacking: Normal
    strange: Normal
    homes: Homes
    right: tuple[float, float, float]
    second: float
    shares: Mapping[str, Floats]
    usual: Floats

    def of(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Say what images are likely of.

        Parameters
        ----------
        rows : DataFrame
            score, second_score, novelty, energy, affinity, arrived and label of images.

        Returns
        -------
        DataFrame
            Indexed like `rows`, all between 0 and 1: right (the image shows what is predicted),
            second (it shows the second class; what looks like a class that the model lacks may do
            so too, as its own errors have that look), known (it shows some class of the model),
            strange (it is like neither these nor images of classes that the model lacks). ``right
            <= known``; ``right + second + strange <= 1``; ``known + strange <= 1``.
        """
        groups = groups_of(rows).to_numpy(object)
        shares = np.array([self.shares.get(name, self.usual) for name in groups])
        kinds = _posterior(self._logs(rows), shares.reshape(-1, 3))
        known, strange = kinds[:, _KNOWN], kinds[:, _STRANGE]
        correct = self.correct(rows)
        return pd.DataFrame(
            {
                "right": known * correct,
                "second": (1 - known * correct - strange) * self.next_best(rows),
                "known": known,
                "strange": strange,
            },
            index=rows.index,
        )

    def correct(self, rows: pd.DataFrame) -> Floats:
        """Say how likely the prediction is right where the image is known, by its score."""
        _, offset, slope = self.right
        return chance_of(offset + slope * _looks(rows)[:, 0])

    def next_best(self, rows: pd.DataFrame) -> Floats:
        """Say how likely the second class is right where the first is not."""
        return np.minimum(1, self.second * _share_of_second(rows))

    def _logs(self, rows: pd.DataFrame) -> Floats:
        """Give the logarithm of each kind's density, shape (N, 3); 0 for what is missing."""
        logs = self._by_looks(_looks(rows))
        logs[:, _KNOWN] += self.homes.speak_for_known(rows)
        return logs

    def _by_looks(self, looks: Floats) -> Floats:
        points = (looks[:, self.looks] - self.centre) / self.scale
        there = np.isfinite(points).all(axis=1)
        logs = np.zeros((len(points), 3))
        share = self.right[0]
        kinds = (self.agreed, self.denied, self.lacking, self.strange)
        one, other, lacking, strange = (kind.log_density(points[there]) for kind in kinds)
        known = np.logaddexp(np.log(share) + one, np.log1p(-share) + other)
        logs[there] = np.column_stack([known, lacking, strange])
        return logs


def looks_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Give the numbers by which images are compared.

    Parameters
    ----------
    rows : DataFrame
        score, second_score, novelty and energy of images.

    Returns
    -------
    DataFrame
        The logarithm of the score's odds, that of the score by the second one, novelty and energy;
        missing where the model does not say.
    """
    score = rows["score"].astype("float64").clip(1e-4, 1 - 1e-4)
    second = rows["second_score"].astype("float64").clip(lower=1e-6)
    return pd.DataFrame(
        {
            "odds": np.log(score / (1 - score)),
            "lead": np.log(score / second).clip(0, 12),
            "novelty": rows["novelty"].astype("float64"),
            "energy": rows["energy"].astype("float64"),
        }
    )


def groups_of(rows: pd.DataFrame) -> pd.Series:
    """Name the images that have shares in common: *unknown* ones, or those of one arrival."""
    return rows["arrived"].astype(str).where(rows["label"].fillna("") != UNKNOWN, UNKNOWN)


def held_out(images: pd.DataFrame, classes: frozenset[str]) -> pd.DataFrame:
    """Keep the images that show how a model does: labelled before, real, not trained on.

    Parameters
    ----------
    images : DataFrame
        `COLUMNS`.
    classes : frozenset of str
        The classes of the model.
    """
    of_class = images["label"].isin(classes) & images["split"].isin(HELD_OUT)
    return images[of_class & _labelled_before(images)]


def makeup(images: pd.DataFrame, classes: frozenset[str]) -> Makeup | None:
    """Find out what a pool is made of.

    Parameters
    ----------
    images : DataFrame
        `COLUMNS` of a fair sample of the pool, of what is labelled *unknown*, and of the labelled
        images; in any order. Who was labelled after the prediction is not looked at.
    classes : frozenset of str
        The classes of the model.

    Returns
    -------
    Makeup or None
        None where fewer than `FEW` images are held out, or there is no pool.
    """
    images = images.sort_values("image_id")
    held = held_out(images, classes)
    label = images["label"].fillna("").astype(object)
    aside = (label == UNKNOWN) & _labelled_before(images)
    pool = images[(label == "") | aside]
    lacks = images[~label.isin([*classes, UNKNOWN, ""]) & _labelled_before(images)]
    if held.empty or pool.empty:
        return None
    # A look that one side lacks tells nothing, and images without it would not be counted.
    there = [np.isfinite(_looks(rows)).mean(axis=0) >= 0.5 for rows in (held, pool)]
    looks = tuple(np.flatnonzero(there[0] & there[1]).tolist())
    held, pool, lacks = (
        rows.iloc[np.flatnonzero(np.isfinite(_looks(rows)[:, looks]).all(axis=1))]
        for rows in (held, pool, lacks)
    )
    if len(held) < FEW or pool.empty:
        return None
    centre = _looks(held)[:, looks].mean(axis=0)
    scale = np.maximum(_looks(held)[:, looks].std(axis=0), 1e-3)
    seen, points, others = (
        (_looks(rows)[:, looks] - centre) / scale for rows in (held, pool, lacks)
    )
    agrees = (held["label"] == held["predicted"]).to_numpy(np.bool_)
    weights = _weights(held, pool)
    usual = fitted(seen, weights, Normal(np.zeros(len(looks)), np.eye(len(looks))))
    agreed = fitted(seen[agrees], weights[agrees], usual)
    denied = fitted(seen[~agrees], weights[~agrees], agreed)
    lacking = fitted(others, np.ones(len(others)), denied)
    start = Makeup(
        looks,
        centre,
        scale,
        agreed,
        denied,
        lacking,
        lacking,
        homes(held, weights, lacks),
        ((weights[agrees].sum() + 1) / (weights.sum() + 2), *line(_looks(held)[:, 0], agrees)),
        _second(held[~agrees]),
        {},
        np.ones(3) / 3,
    )
    typical = float(np.quantile(start._by_looks(_looks(held))[:, _KNOWN], TYPICAL))
    return _settled(start, pool, points, typical, lacks)


def _settled(
    start: Makeup, pool: pd.DataFrame, points: Floats, typical: float, lacks: pd.DataFrame
) -> Makeup:
    """Find the strange kind and all shares, by expectation maximisation."""
    names, code = np.unique(groups_of(pool).to_numpy(object).astype(str), return_inverse=True)
    undecided = names[code] != UNKNOWN
    logs = start._by_looks(_looks(pool))
    if lacks.empty:
        logs[:, _LACKING] = -np.inf
    # By the known kind alone: a broad `lacking` would cover the strange ones from the start.
    given = logs[:, _KNOWN].copy()
    least = given <= np.quantile(given, STRANGE_AT_FIRST)
    unlike = given <= typical
    strange = fitted(points, least.astype(np.float64), start.lacking)
    at_home = start.homes
    shares, usual = np.full((len(names), 3), 1 / 3), np.ones(3) / 3
    for _ in range(ROUNDS):
        logs[:, _STRANGE] = strange.log_density(points)
        logs[:, _KNOWN] = given + at_home.speak_for_known(pool)
        kinds = _posterior(logs, shares[code])
        before = usual
        counted = kinds[undecided] if undecided.any() else kinds
        usual = (counted.sum(axis=0) + 1) / (len(counted) + 3)
        sums = np.zeros_like(shares)
        np.add.at(sums, code, kinds)
        # Of few images together, what holds of all counts too.
        shares = sums + PRIOR_POINTS * usual
        shares /= shares.sum(axis=1, keepdims=True)
        # By the square: what is doubtful may be of the two kinds that cannot move towards it.
        strange = fitted(points, kinds[:, _STRANGE] ** 2 * unlike, start.lacking)
        at_home = at_home.again(lacks, pool, 1 - kinds[:, _KNOWN])
        if np.abs(usual - before).max() < _STILL:
            break
    found = dict(zip(names.tolist(), shares, strict=True))
    if lacks.empty:
        found = {name: _without_lacking(share) for name, share in found.items()}
        usual = _without_lacking(usual)
    values = {name: getattr(start, name) for name in start.__dataclass_fields__}
    return Makeup(
        **{**values, "strange": strange, "homes": at_home, "shares": found, "usual": usual}
    )


def _weights(held: pd.DataFrame, pool: pd.DataFrame) -> Floats:
    """Let held-out images count as often as the pool has what they are taken for.

    The weights of alike ones come to Kish's effective number of images (L. Kish, "Survey Sampling",
    1965, section 11.7), so that few heavy ones are no better known than they are.
    """
    names = held["predicted"].astype(str)
    here, there = names.value_counts(), pool["predicted"].astype(str).value_counts()
    weights = (names.map(there).fillna(0) / names.map(here)).to_numpy("float64")
    if not weights.any():
        return np.ones(len(held))
    weights = np.minimum(weights / weights.mean(), HEAVIEST)
    return np.asarray(weights * weights.sum() / (weights @ weights), np.float64)


def _without_lacking(shares: Floats) -> Floats:
    kept: Floats = shares * np.array([1.0, 0.0, 1.0])
    return np.asarray(kept / kept.sum(), np.float64)


def _posterior(logs: Floats, shares: Floats) -> Floats:
    """Give how likely each row is of each kind, by densities and shares."""
    with np.errstate(divide="ignore"):
        weighed = logs + np.log(shares)
    weighed -= weighed.max(axis=1, keepdims=True)
    kinds = np.exp(weighed)
    return np.asarray(kinds / kinds.sum(axis=1, keepdims=True), np.float64)


def _second(denied: pd.DataFrame) -> float:
    """Say how often the second class is the label where the first is not, by what scores say."""
    said = _share_of_second(denied).sum()
    came = float((denied["label"] == denied["second"]).fillna(False).sum())
    return float((came + PRIOR_POINTS) / (said + PRIOR_POINTS))


def _share_of_second(rows: pd.DataFrame) -> Floats:
    rest = np.maximum(1 - rows["score"].to_numpy("float64"), 1e-9)
    second = rows["second_score"].fillna(0).to_numpy("float64")
    return np.asarray(np.minimum(1, second / rest), np.float64)


def _labelled_before(images: pd.DataFrame) -> pd.Series:
    before = images["label_run"].astype("float64") < images["run_id"].astype("float64")
    return images["label"].notna() & before & (images["origin"] == "real")


def _looks(rows: pd.DataFrame) -> Floats:
    return np.asarray(looks_of(rows).to_numpy("float64"), np.float64)
