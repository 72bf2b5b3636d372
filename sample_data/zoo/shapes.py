"""Outlines: smooth lines, and strips (a line with a width on either side)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Point = tuple[float, float]


def spline(points: ArrayLike, closed: bool = False, each: int = 10) -> Array:
    """Draw a Catmull-Rom curve through points.

    Parameters
    ----------
    points : array_like, shape (k, d)
        What the curve passes through.
    closed : bool
        Whether the last point leads back to the first.
    each : int
        Samples a section.

    Returns
    -------
    ndarray, shape (n, d)
    """
    p = np.asarray(points, dtype=float)
    if closed:
        p = np.vstack([p[-1:], p, p[:2]])
    else:
        p = np.vstack([2 * p[0] - p[1], p, 2 * p[-1] - p[-2]])
    t = np.linspace(0, 1, each, endpoint=False)[None, :, None]
    a, b, c, d = (p[i : len(p) - 3 + i, None, :] for i in range(4))
    curve = 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )
    flat = curve.reshape(-1, p.shape[1])
    whole: Array = flat if closed else np.vstack([flat, p[-2:-1]])
    return whole


def ellipse(centre: Point, rx: float, ry: float, angle: float = 0.0, n: int = 28) -> Array:
    """Outline an ellipse; ``angle`` in degrees, counter-clockwise."""
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)
    flat = np.stack([rx * np.cos(t), ry * np.sin(t)], axis=1)
    return turn(flat, angle) + step(*centre)


def turn(points: ArrayLike, angle: float, about: ArrayLike = (0.0, 0.0)) -> Array:
    """Turn points counter-clockwise by ``angle`` degrees about a point."""
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    pivot = np.asarray(about, dtype=float)
    away = np.asarray(points, dtype=float) - pivot
    x, y = away[..., 0], away[..., 1]
    turned: Array = np.stack([x * cos - y * sin, x * sin + y * cos], axis=-1) + pivot
    return turned


def step(right: float, up: float) -> Array:
    """Give the vector that goes ``right`` and ``up``."""
    return np.array([right, up])


def heading(angle: float) -> Array:
    """Give the unit vector that points ``angle`` degrees above the horizon, to the right."""
    a = np.deg2rad(angle)
    return np.array([np.cos(a), np.sin(a)])


def bend(start: ArrayLike, end: ArrayLike, upper: float, lower: float, side: float) -> Array:
    """Find the joint between two bones.

    Parameters
    ----------
    start, end : array_like, shape (2,)
        Where the limb begins and ends.
    upper, lower : float
        Lengths of the bones. When they cannot reach, the limb is straight.
    side : float
        +1 to bend to the left of the way from start to end, -1 to the right.

    Returns
    -------
    ndarray, shape (2,)
    """
    a, b = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
    gap = float(np.hypot(*(b - a))) or 1e-9
    along = (b - a) / gap
    x = (upper**2 - lower**2 + gap**2) / (2 * gap)
    x = float(np.clip(x, 0.1 * gap, 0.9 * gap))
    height = np.sqrt(max(upper**2 - x**2, 0.0))
    joint: Array = a + along * x + side * height * np.array([-along[1], along[0]])
    return joint


@dataclass(frozen=True)
class Strip:
    """A part of a body: a centre line with a width on either side.

    ``u`` runs from 0 to 1 along the line, ``v`` from -1 (right of the way) over 0 to 1 (left).
    """

    line: Array
    left: Array
    right: Array
    normal: Array
    length: float

    def at(self, u: ArrayLike, v: ArrayLike) -> Array:
        """Give the points at (u, v), also a little beyond either end; shape (n, 2)."""
        uu, vv = np.broadcast_arrays(np.asarray(u, dtype=float), np.asarray(v, dtype=float))
        uu, vv = uu.ravel(), vv.ravel()
        beyond = (uu - np.clip(uu, 0, 1)) * self.length
        s = np.linspace(0, 1, len(self.line))

        def look(a: Array) -> Array:
            value: Array = np.interp(uu, s, a)
            return value

        wide = np.where(vv >= 0, look(self.left), look(self.right)) * vv
        across, up = look(self.normal[:, 0]), look(self.normal[:, 1])
        x = look(self.line[:, 0]) + wide * across + beyond * up
        y = look(self.line[:, 1]) + wide * up - beyond * across
        return np.stack([x, y], axis=1)

    def point(self, u: float, v: float = 0.0) -> Array:
        """Give one point; shape (2,)."""
        one: Array = self.at([u], [v])[0]
        return one

    def width(self, u: float) -> float:
        """Give the whole width at ``u``."""
        s = np.linspace(0, 1, len(self.line))
        return float(np.interp(u, s, self.left + self.right))

    def outline(self) -> Array:
        """Give the closed outline, with round ends; shape (n, 2)."""
        return np.vstack(
            [
                self.line + self.normal * self.left[:, None],
                self._cap(-1, self.left[-1], self.right[-1])[::-1],
                (self.line - self.normal * self.right[:, None])[::-1],
                self._cap(0, self.left[0], self.right[0]),
            ]
        )

    def _cap(self, end: int, left: float, right: float) -> Array:
        normal = self.normal[end]
        out = np.array([normal[1], -normal[0]]) * (1 if end else -1)
        t = np.linspace(-1.4, 1.4, 9)
        middle = self.line[end] + normal * (left - right) / 2
        half = (left + right) / 2
        cap: Array = middle + half * (np.sin(t)[:, None] * normal + np.cos(t)[:, None] * out)
        return cap

    def window(self, u: Point, v: Point) -> Array:
        """Give the outline of the piece between two ``u`` and two ``v``."""
        s = np.linspace(u[0], u[1], 16)
        return np.vstack([self.at(s, v[0]), self.at(s[::-1], v[1])])

    def ribbon(self, u: Sequence[float], v: Sequence[float], half: float) -> Array:
        """Give the outline of a line drawn on the strip, ``half`` wide on either side."""
        return strip(self.at(u, v), [half] * len(u)).outline()


def strip(
    points: ArrayLike, widths: Sequence[float], right: Sequence[float] | None = None
) -> Strip:
    """Build a strip through points.

    Parameters
    ----------
    points : array_like, shape (k, 2)
        The centre line.
    widths : sequence of float, length k
        Half widths to the left of the way, and to the right where ``right`` is not given.
    right : sequence of float, optional
        Half widths to the right of the way.

    Returns
    -------
    Strip
    """
    p = np.asarray(points, dtype=float)
    full = np.column_stack([p, widths, widths if right is None else right])
    dense = spline(full)
    line = dense[:, :2]
    tangent = np.gradient(line, axis=0)
    size = np.hypot(tangent[:, 0], tangent[:, 1])
    tangent = tangent / np.maximum(size, 1e-9)[:, None]
    normal = np.column_stack([-tangent[:, 1], tangent[:, 0]])
    sides = np.maximum(dense[:, 2:], 0.001)
    return Strip(line, sides[:, 0], sides[:, 1], normal, float(size.sum()))
