"""Crocodiles and tortoises."""

from __future__ import annotations

import numpy as np

from zoo import heads
from zoo.canvas import Colour, Layer, darker, mix, paler, vary
from zoo.pose import Pose
from zoo.shapes import ellipse, spline, step, strip, turn

REPTILE_POSES = {"stand": 3.0, "walk": 4.0, "lie": 2.0}


def paint_crocodile(layers: tuple[Layer, Layer], pose: Pose, rng: np.random.Generator) -> None:
    """Paint a crocodile; the arguments are those of ``paint_beast``."""
    far, near = layers
    coat: Colour = vary(rng, (108, 122, 78), 10)
    pale: Colour = vary(rng, (206, 202, 152), 6)
    high = 0.10 if pose.kind == "lie" else 0.17 + rng.uniform(-0.02, 0.03)
    fat = 1 + rng.normal(0, 0.08)
    s = pose.sway
    line = np.array(
        [
            [-1.12, 0.10 + 0.14 * max(s, 0)],
            [-0.85, 0.07 + 0.05 * s],
            [-0.52, high],
            [-0.1, high + 0.02],
            [0.25, high + 0.02],
            [0.42, high + 0.04],
        ]
    )
    body = strip(
        line,
        [0.012, 0.05, 0.10 * fat, 0.125 * fat, 0.115 * fat, 0.10],
        [0.012, 0.05, 0.085 * fat, 0.115 * fat, 0.10 * fat, 0.08],
    )
    stride = 0.07 * np.sin(2 * np.pi * pose.phase)
    for layer, shift, shade in ((far, 0.06, 0.3), (near, 0.0, 0.0)):
        for u, ahead in ((0.50, -stride), (0.86, stride)):
            hip = body.point(u, -0.4) + step(shift, 0)
            knee = hip + np.array([-0.06 if u < 0.6 else 0.02, -0.4 * hip[1]])
            foot = np.array([hip[0] + 0.04 + (ahead if shift else -ahead), 0.025])
            leg = strip(np.array([hip, knee, foot]), [0.075, 0.05, 0.032])
            layer.fill(leg.outline(), darker(coat, shade))
            layer.fill(ellipse((foot[0] + 0.03, 0.018), 0.06, 0.02), darker(coat, shade + 0.1))
    ridge = []
    for u in np.linspace(0.06, 0.93, 26):
        a, b = body.point(u - 0.016, 0.92), body.point(u + 0.016, 0.92)
        ridge.append(np.array([a, body.point(u - 0.006, 1.0) + step(0.0, 0.042), b]))
    near.fill(ridge, darker(coat, 0.35))
    cut = near.fill(body.outline(), coat)
    near.paint(cut, body.window((0.2, 1.1), (-1.2, -0.5)), pale, soft=0.02)
    bars = [body.window((u, u + 0.022), (-0.2, 1.2)) for u in np.arange(0.06, 0.9, 0.065)]
    near.paint(cut, bars, darker(coat, 0.4), soft=0.006, alpha=0.7)
    gape = 22 * max(0.0, np.sin(pose.phase * 9)) if pose.kind != "walk" else 3.0
    jaw = body.line[-1] + np.array([0.0, 0.0])
    lower = np.array([[-0.06, 0.0], [0.02, -0.07], [0.40, -0.03], [0.42, 0.0]])
    near.fill(turn(lower, -gape * 0.4) + jaw, mix(coat, pale, 0.45))
    upper = np.array(
        [
            [-0.10, 0.0],
            [-0.06, 0.10],
            [0.03, 0.115],
            [0.10, 0.055],
            [0.34, 0.035],
            [0.42, 0.05],
            [0.45, 0.01],
            [0.40, -0.015],
            [0.0, -0.02],
        ]
    )
    teeth = [
        turn(np.array([[x, 0.0], [x + 0.014, -0.03], [x + 0.028, 0.0]]), gape * 0.6) + jaw
        for x in np.arange(0.08, 0.42, 0.05)
    ]
    near.fill(teeth, (250.0, 246.0, 232.0))
    skull = near.fill(spline(turn(upper, gape * 0.6) + jaw, closed=True, each=6), coat)
    near.paint(skull, ellipse((jaw[0] + 0.2, jaw[1] + 0.1), 0.3, 0.04), paler(coat, 0.3), soft=0.02)
    look = turn(np.array([0.0, 0.105]), gape * 0.6) + jaw
    near.fill(ellipse((look[0], look[1]), 0.035, 0.03), darker(coat, 0.15))
    near.fill(ellipse((look[0], look[1]), 0.022, 0.02), (226.0, 190.0, 70.0))
    heads.eye(near, look, 0.011)


def paint_tortoise(layers: tuple[Layer, Layer], pose: Pose, rng: np.random.Generator) -> None:
    """Paint a tortoise; the arguments are those of ``paint_beast``."""
    far, near = layers
    skin: Colour = vary(rng, (140, 134, 92), 9)
    shell: Colour = vary(rng, (134, 96, 58), 10)
    dome = rng.uniform(0.36, 0.44)
    low = 0.05 if pose.kind == "lie" else 0.14
    stride = 0.06 * np.sin(2 * np.pi * pose.phase)
    for layer, shift, shade in ((far, 0.07, 0.3), (near, 0.0, 0.0)):
        for x, ahead in ((-0.32, stride), (0.30, -stride)):
            leg = strip(
                np.array(
                    [
                        [x + shift, low + 0.06],
                        [x + shift + 0.02, low * 0.6],
                        [x + shift + ahead + 0.03, 0.035],
                    ]
                ),
                [0.09, 0.075, 0.06],
            )
            layer.fill(leg.outline(), darker(skin, shade))
    tail = np.array([[-0.46, low + 0.06], [-0.60, low - 0.02], [-0.46, low - 0.01]])
    near.fill(tail, darker(skin, 0.15))
    out = 0.10 if pose.kind == "lie" else 0.20
    lift = 20 + pose.nod
    neck = strip(
        np.array(
            [
                [0.36, low + 0.06],
                [0.44 + out * 0.3, low + 0.10],
                turn(np.array([out, 0.0]), lift) + step(0.46, low + 0.10),
            ]
        ),
        [0.075, 0.065, 0.06],
    )
    near.fill(neck.outline(), skin)
    tip = neck.line[-1]
    near.fill(ellipse((tip[0] + 0.05, tip[1] + 0.01), 0.105, 0.075, lift * 0.3), paler(skin, 0.08))
    heads.eye(near, tip + step(0.08, 0.035), 0.016)
    mouth = strip(tip + np.array([[0.07, -0.035], [0.12, -0.025], [0.15, -0.01]]), [0.005] * 3)
    near.fill(mouth.outline(), darker(skin, 0.6))
    arch = np.array(
        [
            [-0.54, 0.0],
            [-0.46, 0.45],
            [-0.22, 0.9],
            [0.04, 1.0],
            [0.28, 0.84],
            [0.46, 0.40],
            [0.53, 0.0],
            [0.0, -0.10],
        ]
    ) * [1, dome] + step(0, low + 0.04)
    outline = spline(arch, closed=True)
    cut = near.fill(outline, shell)
    for x, y, r in (
        (-0.30, 0.42, 0.15),
        (0.0, 0.52, 0.17),
        (0.30, 0.42, 0.15),
        (-0.16, 0.86, 0.11),
        (0.16, 0.86, 0.11),
    ):
        plate = ellipse((x, y * dome + low + 0.04), r, r * 1.0, 30, 6)
        near.paint(cut, plate, darker(shell, 0.35))
        near.paint(
            cut,
            (plate - plate.mean(axis=0)) * 0.62 + plate.mean(axis=0),
            mix(shell, (222.0, 184.0, 110.0), 0.6),
        )
    rim = strip(
        np.array([[-0.54, low + 0.045], [0, low + 0.0], [0.53, low + 0.045]]), [0.03, 0.035, 0.03]
    )
    near.fill(rim.outline(), mix(shell, (222.0, 184.0, 110.0), 0.35))
