"""Birds: waders on long legs, ostriches, and penguins that stand upright."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo import heads
from zoo.canvas import Colour, Layer, darker, mix, paler, vary
from zoo.pose import Pose
from zoo.shapes import Array, ellipse, heading, spline, step, strip, turn


@dataclass(frozen=True)
class Wader:
    """Proportions and colours of a long-legged bird; its body is about half a unit long.

    ``plume`` gives it an ostrich's tail and bare neck; ``rests`` says that it may stand on one
    leg (the pose ``sit``).
    """

    body: Colour
    wing: Colour
    skin: Colour
    bill: Colour
    leg: float = 0.62
    size: tuple[float, float] = (0.26, 0.16)
    neck: tuple[float, float] = (0.62, 0.034)
    head: float = 0.058
    beak: str = "hooked"
    plume: bool = False
    rests: bool = True


WADERS: dict[str, Wader] = {
    "flamingo": Wader((242, 138, 140), (226, 92, 104), (240, 156, 152), (246, 222, 210)),
    "ostrich/cock": Wader(
        (52, 46, 50),
        (236, 230, 218),
        (206, 160, 142),
        (196, 150, 120),
        0.60,
        (0.31, 0.24),
        (0.62, 0.042),
        0.066,
        "flat",
        True,
        False,
    ),
    "ostrich/hen": Wader(
        (136, 116, 98),
        (204, 188, 166),
        (188, 156, 136),
        (190, 150, 120),
        0.60,
        (0.31, 0.24),
        (0.62, 0.042),
        0.066,
        "flat",
        True,
        False,
    ),
    "stork": Wader(
        (240, 236, 228),
        (44, 42, 48),
        (214, 82, 56),
        (214, 82, 56),
        0.50,
        (0.28, 0.15),
        (0.36, 0.045),
        0.062,
        "long",
    ),
}
WADER_POSES = {"stand": 4.0, "walk": 2.5, "graze": 2.5, "sit": 1.2}


def _shank(layer: Layer, hip: Array, foot: Array, colour: Colour, thick: float) -> None:
    middle = (hip + foot) / 2
    # A bird's visible joint is its heel: it bends backwards.
    knee = middle + np.array([-0.05 - 0.4 * abs(foot[0] - hip[0]), 0.02])
    leg = strip(np.array([hip, knee, foot]), [thick * 1.5, thick, thick * 0.85])
    layer.fill(leg.outline(), colour)
    layer.fill(ellipse((knee[0], knee[1]), thick * 1.5, thick * 1.5), darker(colour, 0.12))
    toes = strip(
        np.array([foot - step(0.03, 0), foot + step(0.04, 0.004), foot + step(0.10, -0.008)]),
        [thick, thick, thick * 0.6],
    )
    layer.fill(toes.outline(), colour)


def paint_wader(
    layers: tuple[Layer, Layer], kind: Wader, pose: Pose, rng: np.random.Generator
) -> None:
    """Paint a long-legged bird; the arguments are those of ``paint_beast``."""
    far, near = layers
    body, wing = vary(rng, kind.body, 10), vary(rng, kind.wing, 10)
    skin = vary(rng, kind.skin, 7)
    tall = kind.leg * (1 + rng.normal(0, 0.06))
    a, b = kind.size
    thick = kind.neck[1] * 0.5
    hip = np.array([0.0, tall])
    swing = 0.17 * np.sin(2 * np.pi * pose.phase) if pose.kind == "walk" else 0.03
    _shank(far, hip + step(0.05, 0), np.array([0.06 - swing, 0.022]), darker(skin, 0.25), thick)
    if pose.kind == "sit":
        raised = strip(
            np.array([hip, hip + step(0.14, -0.16), hip + step(-0.06, -0.2)]),
            [thick * 1.4, thick, thick * 0.8],
        )
        near.fill(raised.outline(), skin)
    else:
        _shank(near, hip, np.array([swing, 0.0]), skin, thick)
    lift = -14.0 if pose.kind == "graze" else 8.0 + pose.nod * 0.3
    centre = hip + step(0.0, b * 0.75)
    egg = np.array(
        [
            [-1.2, 0.0],
            [-0.7, 0.62],
            [0.0, 0.95],
            [0.75, 0.72],
            [1.0, 0.1],
            [0.6, -0.72],
            [-0.1, -0.9],
            [-0.75, -0.5],
        ]
    ) * [a, b]
    chest = turn(np.array([0.80 * a, 0.25 * b]), lift) + centre
    _wader_neck(near, kind, chest, pose, skin if kind.plume else body, rng)
    cut = near.fill(spline(turn(egg, lift) + centre, closed=True), body)
    near.paint(
        cut,
        ellipse((centre[0], centre[1] - b * 0.85), a * 0.8, b * 0.4, lift),
        darker(body, 0.25),
        soft=0.04,
        alpha=0.6,
    )
    fold = np.array(
        [[-1.45, -0.15], [-0.7, 0.55], [0.1, 0.6], [0.5, 0.15], [0.1, -0.35], [-0.7, -0.45]]
    ) * [a, b]
    if kind.plume:
        tuft = (
            turn(
                np.array([[-0.95, -0.5], [-0.8, 0.35], [-1.25, 0.5], [-1.55, 0.1], [-1.4, -0.5]])
                * [a, b],
                lift,
            )
            + centre
        )
        near.fill(spline(tuft, closed=True), wing)
        fold = fold * [0.75, 0.7] - step(0.05 * a, 0.32 * b)
    wing_cut = near.fill(
        spline(turn(fold, lift) + centre, closed=True),
        wing if not kind.plume else mix(body, wing, 0.9),
    )
    for k in range(4):
        line = (
            turn(
                np.array(
                    [
                        [0.25 - 0.1 * k, 0.22 - 0.18 * k],
                        [-0.5, 0.12 - 0.17 * k],
                        [-1.2, -0.08 - 0.10 * k],
                    ]
                )
                * [a, b],
                lift,
            )
            + centre
        )
        near.paint(wing_cut, strip(line, [0.006] * 3).outline(), darker(wing, 0.3), alpha=0.6)


def _wader_neck(
    layer: Layer, kind: Wader, chest: Array, pose: Pose, colour: Colour, rng: np.random.Generator
) -> None:
    length, thick = kind.neck
    s = rng.uniform(0.8, 1.2)
    if pose.kind == "graze":
        drop = max(chest[1] - 0.14, 0.2)
        path = np.array(
            [
                [-0.08, 0],
                [0.16, 0.05 * s],
                [0.24, -0.35 * drop],
                [0.25, -0.72 * drop],
                [0.30, -drop],
            ]
        )
        tilt = -74.0
    else:
        rise = length * (1 + 0.004 * pose.nod)
        path = np.array(
            [
                [-0.08, -0.02],
                [0.13, 0.10],
                [0.12 * s, 0.42 * rise / 0.62],
                [0.06, 0.78 * rise],
                [0.12, rise],
            ]
        )
        if kind.beak != "hooked":
            path = np.array(
                [
                    [-0.08, -0.02],
                    [0.08, 0.12 * rise],
                    [0.10, 0.45 * rise],
                    [0.11, 0.8 * rise],
                    [0.14, rise],
                ]
            )
        tilt = -14.0 + pose.nod
    neck = strip(chest + path, [thick * 2.2, thick * 1.35, thick, thick * 0.92, thick * 0.95])
    cut = layer.fill(neck.outline(), colour)
    if kind.plume:
        layer.paint(cut, neck.window((-0.2, 0.3), (-1.3, 1.3)), kind.body, soft=0.03)
    top, r = neck.line[-1], kind.head
    way = heading(tilt)
    side = heading(tilt + 90)
    front = top + way * r * 0.9
    shapes = {
        "hooked": [
            front + side * r * 0.55,
            front + way * r * 1.3 + side * r * 0.35,
            front + way * r * 2.0 - side * r * 0.7,
            front + way * r * 1.6 - side * r * 1.25,
            front + way * r * 1.0 - side * r * 0.55,
            front - side * r * 0.55,
        ],
        "flat": [
            front + side * r * 0.35,
            front + way * r * 1.25 - side * r * 0.05,
            front + way * r * 1.2 - side * r * 0.25,
            front - side * r * 0.45,
        ],
        "long": [
            front + side * r * 0.4,
            front + way * r * 4.0 - side * r * 0.1,
            front - side * r * 0.4,
        ],
    }
    beak = layer.fill(np.array(shapes[kind.beak]), kind.bill)
    if kind.beak == "hooked":
        tip = front + way * r * 1.85 - side * r * 0.85
        layer.paint(beak, ellipse((tip[0], tip[1]), r * 0.8, r * 0.62, tilt), heads.INK)
    layer.fill(
        ellipse((top[0] + way[0] * r * 0.3, top[1] + way[1] * r * 0.3), r * 1.15, r * 0.9, tilt),
        colour,
    )
    heads.eye(layer, top + way * r * 0.55 + side * r * 0.25, r * 0.2)


def paint_penguin(
    layers: tuple[Layer, Layer], chick: bool, pose: Pose, rng: np.random.Generator
) -> None:
    """Paint a penguin, standing or waddling; the other arguments are those of ``paint_beast``."""
    far, near = layers
    coat: Colour = vary(rng, (142, 140, 148) if chick else (42, 46, 60), 8)
    white: Colour = vary(rng, (222, 220, 220) if chick else (248, 246, 238), 4)
    wide = (1.15 if chick else 1.0) * (1 + rng.normal(0, 0.06))
    lean = pose.nod * 0.5 + (6 * np.sin(2 * np.pi * pose.phase) if pose.kind == "walk" else 0)
    turned = 0.10 + 0.10 * pose.phase
    for k, layer in ((0.09, far), (-0.09, near)):
        foot = np.array([[-0.07, 0.0], [0.10, 0.0], [0.08, 0.045], [-0.02, 0.06]])
        layer.fill(spline(foot + step(k + 0.02, 0.0), closed=True), (236.0, 148.0, 62.0))
    flip = 14 + 22 * max(pose.sway, 0)
    arm = np.array([[0, 0.02], [0.075, -0.08], [0.05, -0.30], [-0.01, -0.38], [-0.03, -0.2]]) * wide
    shoulder = np.array([0.19 * wide, 0.66])
    far.fill(
        spline(turn(arm * [1, 1], flip) + turn(shoulder, lean), closed=True), darker(coat, 0.15)
    )
    trunk = np.array(
        [
            [-0.20, 0.06],
            [-0.27, 0.30],
            [-0.22, 0.60],
            [-0.13, 0.76],
            [0.0, 0.80],
            [0.14, 0.76],
            [0.22, 0.60],
            [0.26, 0.30],
            [0.19, 0.06],
            [0.0, 0.02],
        ]
    )
    trunk[:, 0] *= wide
    cut = near.fill(spline(turn(trunk, lean), closed=True), coat)
    front = (trunk - step(0, 0.36)) * [0.76, 0.88] + step(turned, 0.33)
    near.paint(cut, spline(turn(front, lean), closed=True), white, soft=0.008)
    head = turn(np.array([0.03, 0.84]), lean)
    skull = near.fill(ellipse((head[0], head[1]), 0.155, 0.14, lean + 8), coat)
    if chick:
        near.paint(skull, ellipse((head[0] + 0.05, head[1] - 0.01), 0.10, 0.09), white, soft=0.01)
    else:
        near.paint(
            skull,
            ellipse((head[0] - 0.02, head[1] - 0.08), 0.07, 0.06),
            (246.0, 190.0, 70.0),
            soft=0.02,
        )
        near.paint(
            cut,
            ellipse((head[0] + 0.06, head[1] - 0.15), 0.10, 0.05),
            (248.0, 214.0, 120.0),
            soft=0.03,
            alpha=0.8,
        )
    beak = np.array([[0.11, 0.045], [0.27, -0.005], [0.24, -0.03], [0.11, -0.035]])
    near.fill(turn(beak, lean + pose.nod * 0.5) + head, (62.0, 52.0, 52.0))
    near.fill(turn(beak * [1, 0.35] - step(0, 0.022), lean + pose.nod * 0.5) + head, (232, 140, 66))
    heads.eye(
        near,
        head + turn(np.array([0.07, 0.035]), lean),
        0.02,
        heads.INK if chick else (90.0, 60.0, 40.0),
    )
    near_arm = turn(arm * [-1, 1], -flip * 0.6) + turn(np.array([-0.17 * wide, 0.66]), lean)
    near.fill(spline(near_arm, closed=True), paler(coat, 0.06))
