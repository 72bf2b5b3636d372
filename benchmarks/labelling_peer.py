"""Choose what to label with scikit-activeml's BADGE; `labelling.py` runs this in its environment.

    PEER/bin/python benchmarks/labelling_peer.py IN.npz OUT.npy

IN holds features (n, d), labels (n,; -1 where there is none yet), candidates (places among n),
budget and seed. OUT gets the places that were chosen. BADGE: J. Ash and others, "Deep batch active
learning by diverse, uncertain gradient lower bounds", ICLR 2020.
"""

from __future__ import annotations

import sys

import numpy as np
from skactiveml.classifier import SklearnClassifier
from skactiveml.pool import Badge
from sklearn.linear_model import LogisticRegression


def main() -> None:
    given = np.load(sys.argv[1])
    labels = given["labels"].astype(float)
    labels[labels < 0] = np.nan
    classes = np.unique(labels[~np.isnan(labels)])
    head = SklearnClassifier(LogisticRegression(C=float(given["c"]), max_iter=300), classes=classes)
    chosen = Badge(random_state=int(given["seed"])).query(
        given["features"],
        labels,
        clf=head,
        candidates=given["candidates"],
        batch_size=int(given["budget"]),
    )
    np.save(sys.argv[2], np.asarray(chosen, dtype=np.int64))


if __name__ == "__main__":
    main()
