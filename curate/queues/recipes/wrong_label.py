"""Wrong-label: labelled images whose label the model denies.

A class's threshold is its mean self-confidence: the mean score that its own labelled images have
for it. An image is a candidate when another class scores as high as images of that class do (C.
Northcutt, L. Jiang and I. Chuang, "Confident learning", JAIR 70, 2021). Images that the model was
trained on are surer of their labels, right or wrong: they have thresholds of their own, and what
speaks against their label counts half.

Of the scores of an image, the first two are known. Of a label that is neither, the score is at most
the second, and at most what both leave: that is what is taken for it.
"""

from __future__ import annotations

import pandas as pd

from curate.queues.expectations.mislabelled import mislabelled
from curate.queues.filters.choosing import foremost
from curate.queues.recipe import Aim

PROMISE = "another label than it has"


def narrow(aim: Aim) -> tuple[str, list[object]]:
    """Only what can be chosen."""
    assert aim.labelled is not None  # the recipe needs it
    known = thresholds(aim.labelled)
    values = [[*known.index.get_level_values(at)] for at in ("label", "seen")]
    return foremost(
        f"-({_AGAINST})",
        aim.filters,
        where=_DENIED,
        values=[*values, [*known], [*aim.known]],
        topic="label",
    )


_DENIED = """
place IN (
    SELECT place FROM candidates JOIN (
        SELECT unnest(?::VARCHAR[]) AS name, unnest(?::BOOLEAN[]) AS seen,
            unnest(?::DOUBLE[]) AS required
    ) ON name = predicted AND seen = (split = 'train')
    WHERE label IS NOT NULL AND label <> predicted AND score >= required
        AND label IN (SELECT unnest(?::VARCHAR[]))
)
"""
# As `score` says it.
_SECOND = "coalesce(second_score, 0)"
_AGAINST = f"""
(score - CASE WHEN label = second THEN {_SECOND}
    ELSE least({_SECOND}, greatest(1 - score - {_SECOND}, 0)) END)
* CASE WHEN split = 'train' THEN 0.5::DOUBLE ELSE 1::DOUBLE END
"""


def score(candidates: pd.DataFrame, aim: Aim) -> pd.DataFrame:
    """How much higher the predicted class scores than the label; the label is the topic."""
    assert aim.labelled is not None  # the recipe needs it
    threshold = required(candidates, thresholds(aim.labelled))
    seen = candidates["split"] == "train"
    # The model cannot deny a class that it lacks, nor one of which it has seen no example here.
    denied = (
        candidates["label"].isin(aim.known)
        & (candidates["label"] != candidates["predicted"])
        & (candidates["score"] >= threshold)
    )
    own = of_label(candidates)
    against = (candidates["score"] - own) * seen.map({True: 0.5, False: 1.0})
    return pd.DataFrame({"worth": against, "topic": candidates["label"], "own": own})[denied]


def thresholds(labelled: pd.DataFrame) -> pd.Series:
    """Give the mean self-confidence of each class.

    Parameters
    ----------
    labelled : DataFrame
        label, split, predicted, score, second and second_score of labelled images.

    Returns
    -------
    Series of float
        By class, and by whether the images are in the split `train`.
    """
    own = of_label(labelled).rename("own")
    seen = (labelled["split"] == "train").rename("seen")
    # In the order of their scores, so that the sums do not depend on the order of rows.
    both = pd.concat([own, labelled["label"], seen], axis=1).sort_values("own")
    return both.groupby(["label", "seen"])["own"].mean()


def required(rows: pd.DataFrame, known: pd.Series) -> pd.Series:
    """Give the threshold of what each row is predicted as; missing where there is none."""
    asked = pd.MultiIndex.from_arrays([rows["predicted"], rows["split"] == "train"])
    return known.reindex(asked).set_axis(rows.index)


def of_label(rows: pd.DataFrame) -> pd.Series:
    """Give the score of the label, or the most that it can be where it is neither of the first."""
    second = rows["second_score"].fillna(0)
    rest = pd.concat([second, (1 - rows["score"] - second).clip(lower=0)], axis=1).min(axis=1)
    is_second = rows["label"] == rows["second"]
    return rows["score"].where(rows["label"] == rows["predicted"], second.where(is_second, rest))


def reason(chosen: pd.DataFrame, _: Aim) -> list[str]:
    """Such as ``looks like kudu 0.93, and its label has 0.04 at most``."""
    return [
        f"looks like {row['predicted']} {row['score']:.2f}, and its label has {row['own']:.2f}"
        f"{'' if row['label'] == row['second'] else ' at most'}"
        f"{'; the model was trained on it' if row['split'] == 'train' else ''}"
        for row in chosen.to_dict("records")
    ]


def expect(chosen: pd.DataFrame, aim: Aim) -> pd.Series:
    """The chance that the label is wrong, and not the model."""
    assert aim.labelled is not None  # the recipe needs it
    kept = ~aim.labelled["rejected"].astype(bool)
    known = aim.labelled[aim.labelled["label"].isin(aim.known) & kept]
    return chosen["image_id"].map(mislabelled(known)).astype("float64")
