"""How an animal holds itself, and how one frame of a burst differs from the next."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Pose:
    """What the body does.

    ``kind`` is one of stand, walk, run, graze, sit, lie; ``phase`` (0..1) is the moment of the
    stride; ``nod`` degrees the neck is lifted; ``sway`` (-1..1) moves tail and ears; ``gaze`` is
    True when the head faces the camera.
    """

    kind: str
    phase: float
    nod: float
    sway: float
    gaze: bool


def draw_pose(rng: np.random.Generator, kinds: dict[str, float]) -> Pose:
    """Draw a pose from kinds with weights."""
    names = list(kinds)
    weights = np.array([kinds[name] for name in names])
    kind = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    return Pose(
        kind,
        float(rng.random()),
        float(rng.normal(0, 9)),
        float(rng.uniform(-1, 1)),
        bool(rng.random() < 0.35),
    )


def next_moment(pose: Pose, rng: np.random.Generator) -> Pose:
    """Give the same pose a blink later, as in the next frame of a burst."""
    return replace(
        pose,
        phase=pose.phase + float(rng.uniform(-0.03, 0.03)),
        nod=pose.nod + float(rng.uniform(-3, 3)),
        sway=float(np.clip(pose.sway + rng.uniform(-0.3, 0.3), -1, 1)),
    )
