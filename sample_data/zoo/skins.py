"""The marks of each four-legged kind: what its coat shows on body, neck, head, legs and tail."""

from __future__ import annotations

import numpy as np

from zoo import coats, heads
from zoo.beasts import Tones
from zoo.canvas import Layer, Stencil, darker
from zoo.shapes import Strip

WHITE = (244.0, 238.0, 226.0)


def antelope(
    layer: Layer, name: str, cut: Stencil, part: Strip, tones: Tones, rng: np.random.Generator
) -> None:
    """Mark: a pale belly and throat, a dark blaze and dark shins."""
    if name == "torso":
        coats.fade(layer, cut, part, tones.pale, (-1.2, -0.66), 0.02)
        layer.paint(cut, part.window((0, 1), (0.8, 1.2)), darker(tones.coat, 0.25), soft=0.02)
    if name == "leg":
        layer.paint(cut, part.window((0.68, 0.9), (-1.2, 1.2)), tones.dark, soft=0.015, alpha=0.75)
    if name == "head":
        layer.paint(cut, part.window((0.45, 0.85), (0.35, 1.2)), tones.dark, soft=0.008)
        layer.paint(cut, part.window((0.86, 1.2), (-1.2, 1.2)), tones.pale, soft=0.008)
    if name == "neck":
        layer.paint(cut, part.window((0.62, 0.8), (-1.2, -0.2)), tones.pale, soft=0.012)


def gazelle(
    layer: Layer, name: str, cut: Stencil, part: Strip, tones: Tones, rng: np.random.Generator
) -> None:
    """Mark: a dark band along the side over a white belly; white rump, striped face."""
    if name == "torso":
        coats.fade(layer, cut, part, tones.pale, (-1.2, -0.52), 0.008)
        band = part.ribbon((0.12, 0.4, 0.7, 0.9), (-0.36, -0.42, -0.38, -0.28), 0.034)
        layer.paint(cut, band, tones.dark, soft=0.004)
        layer.paint(cut, part.window((-0.1, 0.09), (-1.2, 0.6)), tones.pale, soft=0.012)
    if name == "head":
        layer.paint(cut, part.window((0.1, 1.2), (-1.2, -0.25)), tones.pale, soft=0.01)
        layer.paint(cut, part.ribbon((0.4, 0.7, 0.95), (0.25, 0.0, -0.1), 0.012), tones.dark)
    if name == "neck":
        layer.paint(cut, part.window((0.1, 1.0), (-1.2, -0.62)), tones.pale, soft=0.015)
    if name == "leg":
        layer.paint(cut, part.window((0.3, 1.0), (-1.2, -0.35)), tones.pale, soft=0.01)


def leopard(
    layer: Layer, name: str, cut: Stencil, part: Strip, tones: Tones, rng: np.random.Generator
) -> None:
    """Mark: rosettes on the body, spots on head and limbs."""
    heart = darker(tones.coat, 0.3)
    if name == "torso":
        coats.fade(layer, cut, part, tones.pale, (-1.2, -0.7), 0.03)
        coats.rosettes(layer, cut, part, (tones.dark, heart), 0.038, 0.104, rng, (-0.8, 1.0))
    elif name in ("neck", "leg"):
        coats.spots(layer, cut, part, tones.dark, 0.021, 0.062, rng)
    elif name == "head":
        coats.spots(layer, cut, part, tones.dark, 0.011, 0.042, rng, (-0.2, 1.0))
        layer.paint(cut, part.window((0.7, 1.2), (-1.2, 0.1)), tones.pale, soft=0.01)
    elif name == "tail":
        coats.spots(layer, cut, part, tones.dark, 0.022, 0.06, rng)


def cheetah(
    layer: Layer, name: str, cut: Stencil, part: Strip, tones: Tones, rng: np.random.Generator
) -> None:
    """Mark: small solid spots everywhere, a tear line, a ringed tail."""
    if name == "torso":
        coats.fade(layer, cut, part, tones.pale, (-1.2, -0.7), 0.03)
        coats.spots(layer, cut, part, tones.dark, 0.018, 0.055, rng, (-0.8, 1.0))
    elif name in ("neck", "leg"):
        coats.spots(layer, cut, part, tones.dark, 0.015, 0.052, rng)
    elif name == "head":
        layer.paint(cut, part.window((0.65, 1.2), (-1.2, 0.1)), tones.pale, soft=0.01)
        tear = part.ribbon((0.46, 0.62, 0.78), (0.15, -0.25, -0.55), 0.011)
        layer.paint(cut, tear, heads.INK)
    elif name == "tail":
        coats.spots(layer, cut, part, tones.dark, 0.018, 0.06, rng)
        coats.stripes(layer, cut, part, tones.dark, 3, rng, 0.55, (0.6, 0.95))


def zebra(
    layer: Layer, name: str, cut: Stencil, part: Strip, tones: Tones, rng: np.random.Generator
) -> None:
    """Mark: stripes across every part; a dark muzzle."""
    bands = {"torso": (11, 0.0), "neck": (6, 0.0), "leg": (9, 0.0), "head": (6, 0.3)}
    if name not in bands:
        return
    count, lean = bands[name]
    u = (0.04, 0.88) if name == "head" else (0.0, 1.0)
    coats.stripes(layer, cut, part, tones.dark, count, rng, 0.52, u, lean)
    if name == "head":
        layer.paint(cut, part.window((0.86, 1.3), (-1.3, 1.3)), tones.dark, soft=0.01)


def giraffe(
    layer: Layer, name: str, cut: Stencil, part: Strip, tones: Tones, rng: np.random.Generator
) -> None:
    """Mark: a net of patches, and pale shins."""
    gaps = {"torso": 0.135, "neck": 0.125, "leg": 0.10}
    if name in gaps:
        coats.patches(layer, cut, part, tones.dark, gaps[name], rng)
    if name == "leg":
        layer.paint(cut, part.window((0.66, 1.2), (-1.3, 1.3)), tones.coat, soft=0.03)
    if name == "head":
        layer.paint(cut, part.window((-0.2, 0.5), (0.2, 1.2)), tones.dark, soft=0.02, alpha=0.7)


def grey(
    layer: Layer, name: str, cut: Stencil, part: Strip, tones: Tones, rng: np.random.Generator
) -> None:
    """Mark: folds of bare skin."""
    if name == "torso":
        folds = [part.ribbon((u, u + 0.02), (-0.9, 0.5), 0.005) for u in rng.uniform(0.2, 0.9, 4)]
        layer.paint(cut, folds, darker(tones.coat, 0.3), alpha=0.5)
        coats.fade(layer, cut, part, darker(tones.coat, 0.2), (-1.2, -0.7), 0.05)


def muzzle(
    layer: Layer, name: str, cut: Stencil, part: Strip, tones: Tones, rng: np.random.Generator
) -> None:
    """Mark: a pale muzzle and darker paws."""
    if name == "head":
        layer.paint(cut, part.window((0.62, 1.3), (-1.3, 1.0)), tones.pale, soft=0.03)
    if name == "leg":
        layer.paint(cut, part.window((0.6, 1.2), (-1.3, 1.3)), tones.dark, soft=0.05, alpha=0.5)


def okapi(
    layer: Layer, name: str, cut: Stencil, part: Strip, tones: Tones, rng: np.random.Generator
) -> None:
    """Mark: white stripes on legs and rump."""
    if name == "leg":
        coats.stripes(layer, cut, part, WHITE, 7, rng, 0.45, (0.05, 0.75))
        layer.paint(cut, part.window((0.74, 1.2), (-1.3, 1.3)), WHITE, soft=0.01)
    if name == "torso":
        coats.stripes(layer, cut, part, WHITE, 3, rng, 0.35, (-0.05, 0.16))
    if name == "head":
        layer.paint(cut, part.window((0.25, 0.75), (-1.2, 0.1)), tones.pale, soft=0.02)


def tapir(
    layer: Layer, name: str, cut: Stencil, part: Strip, tones: Tones, rng: np.random.Generator
) -> None:
    """Mark: a white saddle."""
    if name == "torso":
        layer.paint(cut, part.window((0.0, 0.62), (-0.7, 1.3)), tones.pale, soft=0.015)


def red_panda(
    layer: Layer, name: str, cut: Stencil, part: Strip, tones: Tones, rng: np.random.Generator
) -> None:
    """Mark: dark belly and legs, a ringed tail, a white face."""
    if name == "leg" or name == "torso":
        v = (-1.3, 1.3) if name == "leg" else (-1.3, -0.4)
        layer.paint(cut, part.window((0.0, 1.2), v), tones.dark, soft=0.02)
    if name == "tail":
        coats.stripes(layer, cut, part, tones.pale, 5, rng, 0.4)
    if name == "head":
        layer.paint(cut, part.window((0.55, 1.3), (-1.3, 1.0)), tones.pale, soft=0.015)
