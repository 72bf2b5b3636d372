"""Images a second of the augmentation, in albumentations and in torchvision, beside each other.

    python benchmarks/augment.py shared/photos --images 200 --rounds 5

One thread each. The photos are decoded and brought to `--side` pixels square before the clock
starts. The two take turns, round by round; the medians of all rounds count, in CPU seconds, which
other work on the machine disturbs less than it does a clock. A ratio is that of one round, and
comes with the quarter and three quarters of all rounds. The last column says how far their
pictures are from each other: the mean difference of all values of 0…255.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from curate.augment.policy import DEFAULT, LIBRARIES, Pixels, Policy, compile_policy
from curate.core import chance
from curate.core.images import as_pixels, open_picture

RECIPES = (
    "flip(p=1)",
    "vflip(p=1)",
    "rot90(p=1)",
    "rotate(limit=10)",
    "zoom(min=0.85, max=1.15)",
    "rotate(limit=10) zoom(min=0.85, max=1.15)",
    "colour(brightness=0.15, contrast=0.15, saturation=0.15, hue=0)",
    "colour(brightness=0.15, contrast=0.15, saturation=0.15, hue=0.02)",
    DEFAULT,
)


def photos(folder: Path, number: int, side: int) -> list[Pixels]:
    """Decode photos from all over a folder, square."""
    found = sorted(folder.rglob("*.jpg"))
    chosen = np.argsort(chance.fractions(0, map(str, found), "benchmark"))[:number]
    pictures = [open_picture(found[place].read_bytes(), side).pixels for place in chosen]
    return [
        as_pixels(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA))
        for pixels in pictures
    ]


def seconds(policy: Policy, pictures: list[Pixels]) -> float:
    """Change every picture once, and give the time of the processor."""
    generators = [np.random.default_rng(number) for number in range(len(pictures))]
    start = time.process_time()
    for pixels, generator in zip(pictures, generators, strict=True):
        policy(pixels, generator)
    return time.process_time() - start


def apart(policies: list[Policy], pictures: list[Pixels]) -> float:
    """Compare what two policies make of the same pictures and the same chance."""
    one, other = policies
    differences = [
        np.abs(
            one(pixels, np.random.default_rng(number)).astype(np.int16)
            - other(pixels, np.random.default_rng(number))
        ).mean()
        for number, pixels in enumerate(pictures)
    ]
    return float(np.mean(differences))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    pictures = photos(asked.photos, asked.images, asked.side)
    print(f"| recipe | {' | '.join(f'{name}, images/s' for name in LIBRARIES)} | ratio | apart |")
    print("| --- | --- | --- | --- | --- |")
    for recipe in RECIPES:
        policies = [compile_policy(recipe, library) for library in LIBRARIES]
        took = np.array(
            [[seconds(policy, pictures) for policy in policies] for _ in range(asked.rounds)]
        )
        cells = " | ".join(f"{len(pictures) / each:,.0f}" for each in np.median(took, axis=0))
        low, middle, high = np.quantile(took[:, 1] / took[:, 0], [0.25, 0.5, 0.75])
        far = apart(policies, pictures)
        print(f"| `{recipe}` | {cells} | {middle:.1f} ({low:.1f}–{high:.1f}) | {far:.2f} |")


if __name__ == "__main__":
    main()
