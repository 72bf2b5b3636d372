"""Painting a four-legged animal: skeleton first, then skin, coat, and what sits on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from zoo import heads
from zoo.canvas import Colour, Layer, Stencil, darker, mix, vary
from zoo.pose import Pose
from zoo.quadruped import Body, Build, build_body
from zoo.shapes import Strip, ellipse, heading, strip

Mark = Callable[[Layer, str, Stencil, Strip, "Tones", np.random.Generator], None]
Extra = Callable[[Layer, Body, "Tones", np.random.Generator], None]


GRAZER: dict[str, float] = {"stand": 3.0, "walk": 3.0, "graze": 2.5, "run": 1.2, "lie": 1.0}
HUNTER: dict[str, float] = {"stand": 2.5, "walk": 4.0, "run": 1.2, "sit": 2.0, "lie": 1.6}
HEAVY: dict[str, float] = {"stand": 3.0, "walk": 4.0, "graze": 1.0}


@dataclass(frozen=True)
class Tones:
    """The colours of one individual."""

    coat: Colour
    pale: Colour
    dark: Colour


def plain(
    layer: Layer, name: str, cut: Stencil, part: Strip, tones: Tones, rng: np.random.Generator
) -> None:
    """Mark nothing but a pale belly."""
    if name == "torso":
        layer.paint(cut, part.window((0.05, 0.95), (-1.1, -0.62)), tones.pale, soft=0.03)


def nothing(layer: Layer, body: Body, tones: Tones, rng: np.random.Generator) -> None:
    """Add nothing."""


@dataclass(frozen=True)
class Beast:
    """How one kind of four-legged animal looks.

    ``ears`` is (round or leaf, length, half width, angle from the head); ``tail`` one of tuft,
    cat, bushy, scut, rope; ``gaze`` the (ear size, tear line) of a head that may look at the
    camera; ``face`` is False where ``before`` brings an eye and mouth of its own.
    """

    build: Build
    tones: Tones
    mark: Mark = plain
    ears: tuple[str, float, float, float] = ("leaf", 0.16, 0.04, 130.0)
    tail: str = "tuft"
    poses: dict[str, float] = field(default_factory=lambda: dict(GRAZER))
    behind: Extra = nothing
    before: Extra = nothing
    gaze: tuple[float, bool] | None = None
    iris: Colour = (196.0, 150.0, 60.0)
    face: bool = True


def _individual(build: Build, rng: np.random.Generator) -> Build:
    """Give one animal its own proportions."""

    leg, girth, neck, head = 1 + rng.normal(0, 0.05, 4)
    back, belly = build.back, build.belly
    return replace(
        build,
        leg=build.leg * leg,
        back=(back[0] * girth, back[1] * girth, back[2] * girth, back[3] * girth),
        belly=(belly[0] * girth, belly[1] * girth, belly[2] * girth, belly[3] * girth),
        neck=(build.neck[0] * neck, *build.neck[1:]),
        head=(build.head[0] * head, build.head[1] * head, build.head[2] * head),
        neck_angle=build.neck_angle + rng.normal(0, 5),
        head_angle=build.head_angle + rng.normal(0, 5),
    )


def _foot(layer: Layer, leg: Strip, kind: str, tones: Tones) -> None:
    tip, wide = leg.line[-1], float(leg.left[-1])
    if kind == "hoof":
        hoof = np.array([[-0.9, 0.3], [0.8, 0.3], [1.5, -0.95], [-1.0, -0.95]]) * wide
        layer.fill(hoof + tip, darker(tones.dark, 0.5))
    elif kind == "paw":
        paw = ellipse((tip[0] + 0.6 * wide, tip[1] - 0.1 * wide), 1.6 * wide, 0.95 * wide)
        layer.fill(paw, mix(tones.coat, tones.pale, 0.25))
    else:
        nails = [
            ellipse((tip[0] + wide * x, tip[1] - 0.75 * wide), 0.2 * wide, 0.24 * wide)
            for x in (0.05, 0.5, 0.9)
        ]
        layer.fill(nails, mix(tones.pale, tones.coat, 0.3))


def _tail(
    layer: Layer, beast: Beast, body: Body, tones: Tones, pose: Pose, rng: np.random.Generator
) -> None:
    root, kind, s = body.rump, beast.tail, pose.sway
    swing = -0.25 if pose.kind == "run" else 0.0
    if kind == "scut":
        points = root + np.array([[0.03, 0.02], [-0.06, 0.0 - swing * 0.3], [-0.07, -0.10 - swing]])
        tail = strip(points, [0.04, 0.045, 0.02])
    elif kind == "cat":
        points = root + np.array(
            [
                [0.06, 0],
                [-0.16, -0.14 - swing],
                [-0.30, -0.33 - swing * 1.4],
                [-0.46, -0.34 + 0.12 * s - swing],
                [-0.56, -0.22 + 0.2 * s],
            ]
        )
        points[:, 1] = np.maximum(points[:, 1], 0.04)
        tail = strip(points, [0.05, 0.045, 0.04, 0.037, 0.036])
    elif kind == "bushy":
        points = root + np.array(
            [[0.08, -0.02], [-0.14, -0.10], [-0.36, -0.16 + 0.1 * s], [-0.58, -0.10 + 0.16 * s]]
        )
        points[:, 1] = np.maximum(points[:, 1], 0.08)
        tail = strip(points, [0.06, 0.085, 0.09, 0.05])
    else:
        points = root + np.array(
            [
                [0.05, 0],
                [-0.07, -0.08 - swing],
                [-0.10 + 0.03 * s, -0.26 - swing],
                [-0.09 + 0.10 * s, -0.42 - swing],
            ]
        )
        points[:, 1] = np.maximum(points[:, 1], 0.06)
        tail = strip(points, [0.03, 0.02, 0.016, 0.014])
    cut = layer.fill(tail.outline(), darker(tones.coat, 0.06))
    beast.mark(layer, "tail", cut, tail, tones, rng)
    if kind == "tuft":
        tip = tail.line[-1]
        layer.fill(ellipse((tip[0], tip[1] - 0.03), 0.035, 0.07), tones.dark)
    if kind == "scut":
        layer.paint(cut, tail.window((0.5, 1.0), (-1, 0.2)), tones.dark)


def _limbs(
    layer: Layer,
    beast: Beast,
    legs: tuple[Strip, Strip],
    tones: Tones,
    rng: np.random.Generator,
    far: bool,
) -> None:
    for leg in legs:
        cut = layer.fill(leg.outline(), darker(tones.coat, 0.22) if far else tones.coat)
        if not far:
            # A soft dark edge keeps a leg apart from the belly behind it.
            layer.paint(
                cut,
                leg.window((0.25, 1.0), (-1.1, -0.45)),
                darker(tones.coat, 0.3),
                soft=0.012,
                alpha=0.6,
            )
        shown = replace(tones, coat=darker(tones.coat, 0.25), pale=darker(tones.pale, 0.25))
        beast.mark(layer, "leg", cut, leg, shown if far else tones, rng)
        _foot(layer, leg, beast.build.foot, shown if far else tones)


def _profile(
    layer: Layer, beast: Beast, body: Body, tones: Tones, pose: Pose, rng: np.random.Generator
) -> None:
    tilt = heads.body_tilt(body)
    kind, length, width, angle = beast.ears
    twitch = 12 * pose.sway
    inner = mix(tones.dark, tones.pale, 0.45)
    base = body.skull(0.10, 0.75)
    heads.ear(
        layer,
        base + heading(tilt) * 0.035,
        tilt + angle - 24 - twitch,
        length * 0.95,
        width,
        darker(tones.coat, 0.25),
        darker(inner, 0.2),
        kind == "round",
    )
    cut = layer.fill(body.head.outline(), tones.coat)
    beast.mark(layer, "head", cut, body.head, tones, rng)
    heads.ear(layer, base, tilt + angle + twitch, length, width, tones.coat, inner, kind == "round")
    if not beast.face:
        return
    deep, muzzle = beast.build.head[1:]
    x, y = body.head.point(1.0, 0.35) + heading(tilt) * muzzle * 0.75
    layer.fill(ellipse((x, y), deep * 0.2, deep * 0.24), heads.INK)
    mouth = body.head.ribbon((0.72, 0.9, 1.05), (-0.42, -0.38, -0.3), 0.006)
    layer.paint(cut, mouth, darker(tones.dark, 0.4))
    heads.eye(layer, body.skull(0.42, 0.36), max(deep * 0.17, 0.014))


def paint_beast(
    layers: tuple[Layer, Layer], beast: Beast, pose: Pose, rng: np.random.Generator
) -> None:
    """Paint a four-legged animal.

    Parameters
    ----------
    layers : tuple of Layer
        The far side (legs of the other side) and the near side.
    beast : Beast
        How its kind looks.
    pose : Pose
        What it does.
    rng : numpy.random.Generator
        The individual: proportions, colours, where its spots are.
    """
    far, near = layers
    build = _individual(beast.build, rng)
    beast = replace(beast, build=build)
    tones = Tones(
        vary(rng, beast.tones.coat), vary(rng, beast.tones.pale, 5), vary(rng, beast.tones.dark, 5)
    )
    body = build_body(build, pose)
    _limbs(far, beast, body.far, tones, rng, far=True)
    _tail(near, beast, body, tones, pose, rng)
    beast.behind(near, body, tones, rng)
    cut = near.fill(body.torso.outline(), tones.coat)
    beast.mark(near, "torso", cut, body.torso, tones, rng)
    _limbs(near, beast, body.near, tones, rng, far=False)
    cut = near.fill(body.neck.outline(), tones.coat)
    beast.mark(near, "neck", cut, body.neck, tones, rng)
    if beast.gaze is not None and pose.gaze and pose.kind != "graze":
        size, tear = beast.gaze
        beast.before(near, body, tones, rng)
        centre = body.head.point(0.3)
        heads.face(
            near,
            centre,
            build.head[1] * 1.36,
            {"coat": tones.coat, "pale": tones.pale, "dark": tones.dark, "iris": beast.iris},
            size,
            tear,
        )
        return
    if beast.gaze is not None:
        beast.before(near, body, tones, rng)
        _profile(near, beast, body, tones, pose, rng)
        return
    _profile(near, beast, body, tones, pose, rng)
    beast.before(near, body, tones, rng)
