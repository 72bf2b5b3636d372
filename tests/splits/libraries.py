"""Libraries to split: small ones written by hand, and random ones drawn by Hypothesis."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from curate.splits import KEEP, SplitPolicy

SMALL = SplitPolicy(min_count=10, max_count=None)


def some(count: int, name: str, *, start: int = 0, **columns: Any) -> pd.DataFrame:
    """`count` usable real images, numbered; their class is their name unless `label` is given."""
    names = [f"{name}{start + i:03d}" for i in range(count)]
    row: dict[str, Any] = {"image_id": names, "label": name, "sub_class": None}
    row |= {"origin": "real", "usable": True, "unusable_reason": ""} | columns
    return pd.DataFrame(
        {name: value if isinstance(value, list) else [value] * count for name, value in row.items()}
    )


def library(*parts: pd.DataFrame) -> pd.DataFrame:
    """Put parts together; a group column that a part lacks is missing there."""
    return pd.concat([part.astype({"usable": object}) for part in parts], ignore_index=True).astype(
        {"usable": bool}
    )


def earlier(**splits: list[str]) -> pd.DataFrame:
    """A previous assignment, written as split=[image ids]."""
    pairs = [(name, split) for split, names in splits.items() for name in names]
    return pd.DataFrame(pairs, columns=["image_id", "split"])


@dataclass(frozen=True)
class Case:
    """A random library and a policy that may or may not suit it."""

    images: pd.DataFrame
    policy: SplitPolicy
    seed: int

    def chosen(self, share: float) -> pd.Series:
        """A mask over the images, true for about this share of them."""
        return pd.Series(np.random.default_rng(self.seed).random(len(self.images)) < share)


@st.composite
def cases(draw: st.DrawFn, mixed: bool = True) -> Case:
    """Draw a library of 0 to 120 images and a policy.

    With `mixed` false every group lies in one class, all images are real, and nothing is cut.
    """
    count = draw(st.integers(0, 120))
    classes = draw(st.integers(1, 5))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    weights = 1 / np.arange(1, classes + 1) ** draw(st.sampled_from([0.0, 1.0]))
    number = random.choice(classes, count, p=weights / weights.sum())
    label = pd.Series([f"class {i}" for i in number], dtype=object)
    burst = random.integers(0, max(1, int(count * draw(st.sampled_from([0.1, 0.3, 2.0])))), count)
    images = pd.DataFrame(
        {
            "image_id": [sha256(f"{seed} {i}".encode()).hexdigest()[:12] for i in range(count)],
            "label": label,
            "sub_class": pd.Series(random.choice(["joey", "adult", ""], count), dtype=object),
            "origin": "real",
            "usable": True,
            "unusable_reason": "",
            "group_burst": [f"{c} {b}" for c, b in zip(number, burst, strict=True)],
        }
    )
    if mixed:
        often = draw(st.sampled_from([0.0, 0.1, 0.4]))
        origins = ["real", "staged", "synthetic"]
        images["origin"] = random.choice(origins, count, p=[1 - often, often / 2, often / 2])
        images["usable"] = random.random(count) > draw(st.sampled_from([0.0, 0.1]))
        images.loc[~images["usable"], "unusable_reason"] = "rejected: blurred"
        odd = random.random(count)
        images.loc[odd < 0.05, "label"] = "unknown"
        images.loc[odd > 0.95, "label"] = None
        camera = random.integers(0, max(1, count // draw(st.sampled_from([1, 4, 20]))), count)
        images["group_camera"] = pd.Series([f"camera {c}" for c in camera], dtype=object)
        images.loc[random.random(count) < draw(st.sampled_from([0.5, 1.0])), "group_camera"] = None
    images.loc[random.random(count) < 0.4, "group_burst"] = None
    if mixed:
        images["taken"] = pd.Series(
            [f"2024-05-{day:02d}T12:00:00" for day in random.integers(1, 31, count)], dtype=object
        ).where(random.random(count) < 0.8, None)
        images["quality"] = random.integers(0, 4, count).astype(float)
        hashes = [int(h) for h in random.integers(0, 2**63, count)]
        images["phash"] = pd.Series(hashes, dtype=object).where(random.random(count) < 0.9, None)
    min_count = draw(st.integers(1, 12))
    shares = st.sampled_from([0.0, 0.05, 0.1, 0.3])
    more: dict[str, Any] = {}
    if mixed:
        shares |= st.sampled_from([1, 3])
        sub_min = draw(st.sampled_from([0, 0, 2, 5]))
        more = {
            "sub_min_count": sub_min,
            "sub_max_count": draw(st.none() | st.integers(max(sub_min, 1), 20)),
            "keep": draw(st.sampled_from(sorted(KEEP))) if count else "diverse",
            "count": draw(st.sampled_from(["groups", "images"])),
        }
    policy = SplitPolicy(
        min_count=min_count,
        max_count=draw(st.none() | st.integers(min_count, 40)) if mixed else None,
        val=draw(shares),
        test=draw(shares),
        benchmark=draw(shares),
        seed=draw(st.integers(0, 3)),
        staged_share=draw(st.sampled_from([0.0, 0.5, 1.0])),
        **more,
    )
    return Case(images, policy, seed)
