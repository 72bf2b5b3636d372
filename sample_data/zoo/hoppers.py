"""Kangaroos and wallabies: upright bodies on long feet, leaning as they stand, graze or hop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo import heads
from zoo.beasts import Tones
from zoo.canvas import Layer, darker, mix, vary
from zoo.pose import Pose
from zoo.shapes import Array, bend, ellipse, heading, step, strip, turn


@dataclass(frozen=True)
class Hopper:
    """Proportions and colours; a grown kangaroo stands one unit high.

    ``stretch`` lengthens the trunk, ``girth`` widens it, ``head``, ``ear``, ``leg`` and ``tail``
    scale those parts; ``masked`` gives a dark muzzle, a pale cheek stripe and dark paws.
    """

    tones: Tones
    stretch: float = 1.0
    girth: float = 1.0
    head: float = 1.0
    ear: float = 1.0
    leg: float = 1.0
    tail: float = 1.0
    masked: bool = False


HOPPERS: dict[str, Hopper] = {
    "kangaroo/adult": Hopper(Tones((176, 124, 86), (228, 204, 172), (94, 62, 46))),
    "kangaroo/joey": Hopper(
        Tones((186, 138, 100), (232, 212, 184), (100, 70, 54)), 0.80, 0.95, 1.28, 1.25, 0.88, 0.85
    ),
    "wallaby": Hopper(
        Tones((132, 104, 86), (206, 188, 164), (54, 42, 38)),
        0.84,
        1.14,
        1.02,
        0.80,
        0.86,
        0.92,
        True,
    ),
}
HOPPER_POSES = {"stand": 4.0, "run": 2.2, "graze": 2.2}


def _leg(
    layer: Layer, hip: Array, foot: Array, size: float, hop: bool, tones: Tones, masked: bool
) -> None:
    ankle = foot + np.array([-0.17, 0.05]) * size
    toe = foot + np.array([0.10, 0.02]) * size
    if hop:
        ankle = foot + np.array([0.0, 0.12]) * size
        toe = foot + np.array([-0.20, 0.02]) * size
    knee = bend(hip, ankle, 0.22 * size, 0.27 * size, 1.0)
    thigh = strip(
        np.array([hip, (hip + knee) / 2 + step(0.01, 0), knee]),
        [0.125 * size, 0.115 * size, 0.055 * size],
    )
    shin = strip(
        np.array([knee, (knee + ankle) / 2, ankle]), [0.055 * size, 0.036 * size, 0.028 * size]
    )
    sole = strip(
        np.array([ankle, (ankle + toe) / 2, toe]), [0.03 * size, 0.026 * size, 0.02 * size]
    )
    layer.fill(shin.outline(), darker(tones.coat, 0.06))
    layer.fill(sole.outline(), tones.dark if masked else mix(tones.coat, tones.dark, 0.4))
    cut = layer.fill(thigh.outline(), tones.coat)
    layer.paint(
        cut, thigh.window((-0.2, 1.2), (-1.3, -0.55)), darker(tones.coat, 0.3), soft=0.02, alpha=0.6
    )


def _arm(layer: Layer, shoulder: Array, hand: Array, tones: Tones, masked: bool) -> None:
    elbow = bend(shoulder, hand, 0.15, 0.14, -1.0)
    arm = strip(np.array([shoulder, elbow, hand]), [0.042, 0.03, 0.02])
    cut = layer.fill(arm.outline(), darker(tones.coat, 0.05))
    if masked:
        layer.paint(cut, arm.window((0.7, 1.2), (-1.3, 1.3)), tones.dark, soft=0.01)
    layer.fill(ellipse((hand[0], hand[1]), 0.026, 0.02, -40), tones.dark)


def paint_hopper(
    layers: tuple[Layer, Layer], kind: Hopper, pose: Pose, rng: np.random.Generator
) -> None:
    """Paint a kangaroo or a wallaby; the arguments are those of ``paint_beast``."""
    far, near = layers
    tones = Tones(
        vary(rng, kind.tones.coat), vary(rng, kind.tones.pale, 5), vary(rng, kind.tones.dark, 5)
    )
    shade = Tones(darker(tones.coat, 0.25), tones.pale, darker(tones.dark, 0.2))
    wide = kind.girth * (1 + rng.normal(0, 0.06))
    tall = kind.stretch * (1 + rng.normal(0, 0.05))
    size, hop = kind.leg, pose.kind == "run"
    lean = {"run": -44.0, "graze": -78.0}.get(pose.kind, rng.uniform(-16, 2)) + pose.nod * 0.4
    up = 0.12 + 0.16 * np.sin(np.pi * (pose.phase % 1)) if hop else 0.0
    hip = np.array([-0.06, 0.30 * size + up])
    trunk = np.array([[-0.09, -0.10], [-0.05, 0.06], [0.02, 0.27], [0.075, 0.46]])
    trunk[:, 1] *= tall
    torso = strip(
        turn(trunk, lean) + hip,
        [0.12 * wide, 0.16 * wide, 0.115 * wide, 0.075 * wide],
        [0.10 * wide, 0.165 * wide, 0.125 * wide, 0.08 * wide],
    )
    s = pose.sway
    root = torso.point(0.05, 0.4)
    if hop:
        points = root + np.array([[0, 0], [-0.2, 0.03], [-0.42, 0.08 + 0.05 * s], [-0.66, 0.16]])
    else:
        fall = root[1]
        points = root + np.array(
            [
                [0.02, 0],
                [-0.16, -0.5 * fall],
                [-0.36, -0.86 * fall],
                [-0.64, -fall + 0.04 + 0.04 * max(s, 0)],
            ]
        )
    tail = strip((points - root) * [kind.tail, 1] + root, [0.085, 0.062, 0.042, 0.02])
    cut = near.fill(tail.outline(), darker(tones.coat, 0.06))
    if kind.masked:
        near.paint(cut, tail.window((0.62, 1.2), (-1.4, 1.4)), tones.dark, soft=0.04)
    foot = hip + ([-0.16, -0.26 * size] if hop else [0.10, -0.30 * size])
    _leg(far, hip + step(0.07, 0.02), foot + step(0.08, 0.018), size, hop, shade, kind.masked)
    shoulder = torso.point(0.82, -0.35)
    hand = shoulder + (np.array([0.10, -0.17]) if not hop else np.array([0.13, -0.12]))
    if pose.kind == "graze":
        hand = np.array([shoulder[0] + 0.02, 0.02])
    _arm(far, shoulder + step(0.05, 0.0), hand + step(0.06, 0.01), shade, kind.masked)
    cut = near.fill(torso.outline(), tones.coat)
    near.paint(cut, torso.window((0.0, 1.1), (-1.2, -0.5)), tones.pale, soft=0.035)
    if kind.masked:
        near.paint(cut, torso.window((0.72, 1.2), (0.1, 1.3)), (150, 84, 56), soft=0.05, alpha=0.7)
    _leg(near, hip, foot, size, hop, tones, kind.masked)
    _head(near, torso.point(0.98), lean, kind, tones, pose)
    _arm(near, shoulder, hand, tones, kind.masked)


def _head(layer: Layer, base: Array, lean: float, kind: Hopper, tones: Tones, pose: Pose) -> None:
    rise = 64 + lean * 0.55 + pose.nod * 0.5
    size = kind.head
    crown = base + heading(rise) * 0.15 * kind.stretch
    neck = strip(
        np.array([base - heading(rise) * 0.05, (base + crown) / 2, crown]), [0.075, 0.06, 0.05]
    )
    layer.fill(neck.outline(), tones.coat)
    tilt = -24 + lean * 0.35 + pose.nod
    line = crown + np.outer([-0.04, 0.05, 0.13, 0.20], heading(tilt)) * size
    head = strip(line, [0.058 * size, 0.066 * size, 0.045 * size, 0.03 * size])
    inner = mix(tones.pale, (214, 150, 134), 0.5)
    root = head.point(0.12, 0.7)
    for turned, shadow in ((4, 0.25), (26, 0.0)):
        heads.ear(
            layer,
            root,
            tilt + 96 + turned + 8 * pose.sway,
            0.165 * kind.ear * size,
            0.036,
            darker(tones.coat, shadow),
            darker(inner, shadow),
            False,
        )
    cut = layer.fill(head.outline(), tones.coat)
    if kind.masked:
        layer.paint(cut, head.window((0.62, 1.4), (-1.4, 1.4)), tones.dark, soft=0.012)
        layer.paint(cut, head.ribbon((0.3, 0.6, 0.85), (-0.5, -0.35, -0.3), 0.011), tones.pale)
    else:
        layer.paint(cut, head.window((0.4, 1.3), (-1.3, -0.35)), tones.pale, soft=0.01)
    x, y = head.point(1.0, 0.2) + heading(tilt) * 0.022 * size
    layer.fill(ellipse((x, y), 0.014 * size, 0.016 * size), heads.INK)
    heads.eye(layer, head.point(0.45, 0.36), 0.0135 * size)
