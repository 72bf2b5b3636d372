"""The skeleton of four-legged animals: proportions and a pose make the parts of a body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.pose import Pose
from zoo.shapes import Array, Strip, bend, heading, step, strip, turn


@dataclass(frozen=True)
class Build:
    """Proportions; the torso is one unit long, from rump (-0.5) to chest (+0.5).

    ``rise`` lifts the shoulder above the hip, ``rump`` drops the hindmost point below it.
    Pairs and triples run from the body outwards (thigh to foot) or from rump to chest. The neck
    and head are (length, half widths ...), and their angles are degrees above the horizon.
    """

    leg: float = 0.62
    back: tuple[float, float, float, float] = (0.17, 0.18, 0.19, 0.19)
    belly: tuple[float, float, float, float] = (0.14, 0.14, 0.18, 0.20)
    rise: float = 0.02
    rump: float = 0.01
    hind: tuple[float, float, float, float] = (0.16, 0.085, 0.042, 0.034)
    fore: tuple[float, float, float, float] = (0.12, 0.065, 0.038, 0.032)
    foot: str = "hoof"
    neck: tuple[float, float, float] = (0.42, 0.15, 0.075)
    neck_angle: float = 55.0
    head: tuple[float, float, float] = (0.30, 0.085, 0.045)
    head_angle: float = -28.0
    reach_down: float = -48.0


@dataclass(frozen=True)
class Body:
    """The parts of one four-legged body, in its own units (feet at y = 0, y up)."""

    torso: Strip
    neck: Strip
    head: Strip
    near: tuple[Strip, Strip]
    far: tuple[Strip, Strip]
    rump: Array

    def skull(self, along: float, above: float) -> Array:
        """Give a point on the head: share of its length, and height in half widths."""
        return self.head.point(along, above)


def _torso(build: Build, height: float, pitch: float) -> Strip:
    x = np.array([-0.44, -0.22, 0.06, 0.34, 0.45])
    y = np.array([0.0, 0.0, 0.0, 0.6, 0.8]) * build.rise + height
    y[0] -= build.rump
    left = [build.back[0] * 0.8, *build.back[1:], build.back[3] * 0.72]
    right = [build.belly[0] * 0.75, *build.belly[1:], build.belly[3] * 0.7]
    points = turn(np.column_stack([x, y]), pitch, (-0.36, height))
    return strip(points, left, right)


def _stride(pose: Pose, leg: int, reach: float) -> tuple[float, float]:
    """Give how far a foot is ahead of its hip, and how high it is lifted."""
    if pose.kind not in ("walk", "run"):
        return float(0.05 * np.sin(leg * 2.4 + pose.phase * 6)) * reach, 0.0
    offset = (0.0, 0.5, 0.25, 0.75)[leg] if pose.kind == "walk" else (0.0, 0.1, 0.5, 0.6)[leg]
    angle = 2 * np.pi * (pose.phase + offset)
    size, lift = (0.26, 0.10) if pose.kind == "walk" else (0.55, 0.32)
    return float(size * np.sin(angle) * reach), float(max(0.0, np.cos(angle)) * lift * reach)


def _hind_leg(build: Build, hip: Array, foot: Array, length: float, lying: bool) -> Strip:
    if lying:
        points = np.array(
            [hip, hip + step(0.20, -0.02), hip + step(0.10, 0.0), foot + step(0.04, 0.035)]
        )
        points[2][1] = foot[1] + 0.07
        return strip(points, [build.hind[0] * 1.15, build.hind[1] * 1.3, *build.hind[2:]])
    hock = foot + np.array([-0.11 * length, 0.35 * length])
    knee = bend(hip, hock, 0.36 * length, 0.36 * length, 1.0)
    return strip(np.array([hip, knee, hock, foot + step(0, 0.03)]), build.hind)


def _fore_leg(build: Build, shoulder: Array, foot: Array, length: float, lying: bool) -> Strip:
    if lying:
        elbow = np.array([shoulder[0] - 0.03, foot[1] + 0.08])
        points = np.array([shoulder, elbow, (elbow + foot) / 2, foot + step(0.10, 0.035)])
        return strip(points, build.fore)
    wrist = foot + np.array([-0.01, 0.36 * length])
    elbow = bend(shoulder, wrist, 0.34 * length, 0.32 * length, -1.0)
    return strip(np.array([shoulder, elbow, wrist, foot + step(0, 0.03)]), build.fore)


def build_body(build: Build, pose: Pose) -> Body:
    """Put a skeleton into a pose.

    Parameters
    ----------
    build : Build
        The proportions of the species or the individual.
    pose : Pose
        What the body does.

    Returns
    -------
    Body
    """
    lying, sitting = pose.kind == "lie", pose.kind == "sit"
    pitch = {"sit": 42.0, "graze": -4.0}.get(pose.kind, 0.0)
    depth = build.belly[1]
    height = upright = build.leg + 0.06
    if lying:
        height = depth * 1.05
    elif sitting:
        height = depth * 1.45
    torso = _torso(build, height, pitch)
    hip, shoulder = torso.point(0.10, -0.15), torso.point(0.86, -0.35)
    # A leg is as long as its joint is high when standing; bent only where the pose bends it.
    lengths = (upright - 0.02, upright + build.rise * 0.6 - 0.06)
    legs = []
    for leg, (joint, make) in enumerate(
        ((hip, _hind_leg), (shoulder, _fore_leg), (hip, _hind_leg), (shoulder, _fore_leg))
    ):
        ahead, lift = _stride(pose, leg, build.leg)
        far = 0.05 if leg > 1 else 0.0
        foot = np.array([joint[0] + ahead + far, lift + far * 0.4])
        if sitting and leg % 2 == 0:
            foot = np.array([joint[0] + 0.24 + far, far * 0.4])
        if lying:
            foot[0] = joint[0] + (0.18 if leg % 2 else 0.1) + far
        folded = lying or (sitting and leg % 2 == 0)
        legs.append(make(build, joint + step(far, far * 0.4), foot, lengths[leg % 2], folded))
    neck, head = _neck_and_head(build, pose, torso)
    return Body(torso, neck, head, (legs[0], legs[1]), (legs[2], legs[3]), torso.point(0.0, 0.5))


def _neck_and_head(build: Build, pose: Pose, torso: Strip) -> tuple[Strip, Strip]:
    grazing = pose.kind == "graze"
    lift = pose.nod * (0.4 if grazing else 1.0)
    angle = (build.reach_down if grazing else build.neck_angle) + lift
    if pose.kind == "run":
        angle -= 14
    if pose.kind == "sit":
        angle += 8
    length, base, top = build.neck
    start = torso.point(0.86, 0.22)
    end = start + heading(angle) * length
    # Necks rise from the chest in a curve; a straight tube looks like a toy's.
    middle = (start + end) / 2 + heading(angle + 90) * (-0.06 if not grazing else 0.05) * length
    neck = strip(np.array([start, middle, end]), [base, (base + top) / 2 * 0.96, top])
    tilt = (-62.0 if grazing else build.head_angle) + lift * 0.6
    size, deep, muzzle = build.head
    line = end + np.outer([-0.06, 0.22, 0.6, 1.0], heading(tilt)) * size
    head = strip(line, [deep * 0.95, deep, (deep + muzzle) / 2, muzzle])
    return neck, head
