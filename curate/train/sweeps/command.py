"""The `curate train` command that trains with given settings."""

from __future__ import annotations

import shlex
from dataclasses import fields

from curate.train.settings import TrainSettings

_WITHOUT_OPTION = ("workers", "augment_classes")
"""Fields that are set in `curate.toml` only; the first changes nothing of what is trained."""


def command_of(
    settings: TrainSettings,
    arch: str | None,
    initial: str | None = None,
    *,
    out: str = "ckpt.pt",
    usual: TrainSettings | None = None,
) -> str:
    """Write the command that trains with these settings.

    Parameters
    ----------
    settings : TrainSettings
        Which.
    arch : str or None
        Recipe of the architecture; None is that of `initial`.
    initial : str, optional
        Path of the model whose body is kept.
    out : str
        Where the checkpoint shall go.
    usual : TrainSettings, optional
        What `curate train` takes when no option is given: what is the same is left out.

    Returns
    -------
    str
        As it can be typed into a shell.
    """
    usual = usual or TrainSettings()
    words = ["curate", "train"]
    if initial is not None:
        words += ["--from", initial]
    if arch is not None:
        words += ["--arch", arch]
    for name in (one.name for one in fields(TrainSettings) if one.name not in _WITHOUT_OPTION):
        value = getattr(settings, name)
        # A cutoff is for throw-away models: the permanent split has its own.
        if value == getattr(usual, name) or (name == "min_count" and not settings.throw_away):
            continue
        option = f"--{name.replace('_', '-')}"
        if name == "rename":
            words += [word for pair in value for word in (option, "=".join(pair))]
        elif isinstance(value, bool):
            words += [option] if value else []
        else:
            words += [option, str(value)]
    return shlex.join([*words, "-o", out])
