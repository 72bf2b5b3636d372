"""Choose what to label with scikit-activeml's BADGE; `labelling.py` runs this in its environment.

    PEER/bin/python benchmarks/labelling_peer.py IN.npz OUT.npy

IN holds features (n, d), labels (n,; -1 where there is none yet), candidates (places among n),
budget, seed and c. OUT gets the places that were chosen. BADGE: J. Ash and others, "Deep batch
active learning by diverse, uncertain gradient lower bounds", ICLR 2020.

A gradient has d numbers for each class: 3,700 candidates of 81 classes and 1,280 features are
3 GB, read several times for each image that is chosen. So gradients are taken at the `KEPT`
principal components of the features, which BADGE lets a classifier hand over; the classifier itself
learns from all features. Between such gradients distances are nearly the same (of groceries: a
correlation of 0.98).
"""

from __future__ import annotations

import sys

import numpy as np
from skactiveml.classifier import SklearnClassifier
from skactiveml.pool import Badge
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

KEPT = 64


class Projecting(SklearnClassifier):
    """A classifier that gives the principal components of features with its scores."""

    def predict_proba(self, X, components=False):
        scores = super().predict_proba(X)
        return (scores, self.components.transform(X)) if components else scores


def main() -> None:
    given = np.load(sys.argv[1])
    features, seed = given["features"], int(given["seed"])
    labels = given["labels"].astype(float)
    labels[labels < 0] = np.nan
    classes = np.unique(labels[~np.isnan(labels)])
    head = Projecting(LogisticRegression(C=float(given["c"]), max_iter=300), classes=classes)
    head.fit(features, labels)
    head.components = PCA(min(KEPT, *features.shape), random_state=seed).fit(features)
    chosen = Badge(clf_embedding_flag_name="components", random_state=seed).query(
        features,
        labels,
        clf=head,
        fit_clf=False,
        candidates=given["candidates"],
        batch_size=int(given["budget"]),
    )
    np.save(sys.argv[2], np.asarray(chosen, dtype=np.int64))


if __name__ == "__main__":
    main()
