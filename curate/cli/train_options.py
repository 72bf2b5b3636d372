"""The options of `curate train`, most of which other commands that train take too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from curate.core.errors import InputError

Out = Annotated[
    Path, typer.Option("-o", "--out", metavar="CKPT", help="Where the best checkpoint goes.")
]
ThrowAway = Annotated[
    bool,
    typer.Option(
        "--throw-away",
        help="A model only to find more images: --min-count may be lower than the permanent "
        "split's, which stays as it is.",
    ),
]
Arch = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Any timm architecture, e.g. resnet18.  [default: resnet18, or that of --from]",
        show_default=False,
    ),
]
From = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="CKPT",
        help="Keep the body of this model: a checkpoint, or timm weights (.pth, .safetensors).",
        show_default=False,
    ),
]
Pretrained = Annotated[
    bool, typer.Option("--pretrained", help="Fetch timm's pretrained weights from the hub.")
]
Head = Annotated[
    str | None,
    typer.Option(
        help="With --from: fresh, random rows for all classes; or map, classes that it had keep "
        "theirs.  [default: fresh]",
        show_default=False,
    ),
]
Rename = Annotated[
    list[str] | None,
    typer.Option(
        metavar="OLD=NEW",
        help="With --from: a class that is called otherwise now. May be given several times.",
        show_default=False,
    ),
]
Resume = Annotated[
    str | None,
    typer.Option(
        metavar="last|best",
        help="Go on with the training of this --out after its last or its best epoch.",
        show_default=False,
    ),
]
Epochs = Annotated[int | None, typer.Option(help="[default: 20]", min=1, show_default=False)]
Steps = Annotated[
    int | None,
    typer.Option(
        help="Stop after so many steps of the optimiser.  [default: no limit]",
        min=1,
        show_default=False,
    ),
]
Patience = Annotated[
    int | None,
    typer.Option(
        help="Stop after so many epochs without a better one on val.  [default: never]",
        min=1,
        show_default=False,
    ),
]
Accumulate = Annotated[
    int | None, typer.Option(help="Batches a step.  [default: 1]", min=1, show_default=False)
]
Size = Annotated[
    int | None,
    typer.Option(help="Side of the model's input in pixels.", min=16, show_default=False),
]
Lr = Annotated[
    float | None,
    typer.Option(
        help="Largest learning rate; `curate lr-find` suggests one.  [default: 0.001, or 0.0005 "
        "where a body is kept]",
        show_default=False,
    ),
]
WeightDecay = Annotated[
    float | None, typer.Option(help="[default: 0.05]", min=0, show_default=False)
]
Optimizer = Annotated[
    str | None,
    typer.Option(
        metavar="RECIPE",
        help="Any of timm's: adamw, 'sgd(momentum=0.9)', nadam, rmsprop, lamb …  [default: adamw]",
        show_default=False,
    ),
]
Schedule = Annotated[
    str | None,
    typer.Option(
        metavar="RECIPE",
        help="Of the learning rate: cosine, one-cycle, cyclic, step, plateau, constant.  "
        "[default: cosine]",
        show_default=False,
    ),
]
WarmUp = Annotated[
    float | None,
    typer.Option(
        help="Epochs in which the learning rate rises.  [default: 1]", min=0, show_default=False
    ),
]
Freeze = Annotated[
    int | None,
    typer.Option(
        help="First epochs in which only the head learns.  [default: 0]", min=0, show_default=False
    ),
]
Balance = Annotated[
    str | None,
    typer.Option(
        help="Against classes of unlike size: none, sampling, effective or logits.  "
        "[default: none]",
        show_default=False,
    ),
]
Smoothing = Annotated[
    float | None,
    typer.Option(help="Of the labels, below 1.  [default: 0.1]", min=0, show_default=False),
]
Mix = Annotated[
    str | None,
    typer.Option(
        metavar="RECIPE",
        help="'mixup(alpha=0.2)' or 'cutmix(alpha=1.0)'.  [default: neither]",
        show_default=False,
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(help="auto, fp32, bf16 or fp16.  [default: auto]", show_default=False),
]
Compile = Annotated[
    bool | None,
    typer.Option(
        "--compile/--no-compile",
        help="Compile the network first: for long trainings on a GPU.",
        show_default=False,
    ),
]
Ema = Annotated[
    float | None,
    typer.Option(
        help="Keep a moving average of the weights, of this decay a step, e.g. 0.999.  "
        "[default: none]",
        min=0,
        show_default=False,
    ),
]
Augment = Annotated[
    str | None,
    typer.Option(
        metavar="RECIPE",
        help="E.g. 'flip(p=0.5) rotate(limit=10)', or a .toml file with recipes by class, as "
        "`curate augment check` proposes one.  [default: a safe one]",
        show_default=False,
    ),
]
Track = Annotated[
    list[str] | None,
    typer.Option(
        help="Write the run to tensorboard or mlflow as well. May be given several times.",
        show_default=False,
    ),
]


def renamed(texts: list[str] | None) -> tuple[tuple[str, str], ...]:
    """Read ``OLD=NEW``; a class name may hold the sign too, and the first one parts them."""
    pairs = []
    for text in texts or ():
        old, sign, new = text.partition("=")
        if not (old and sign and new):
            raise InputError(f"--rename {text!r}", "it is OLD=NEW", "Write: antelope=gazelle")
        pairs.append((old, new))
    return tuple(pairs)


def augmented(text: str | None) -> Mapping[str, Any]:
    """Read ``--augment``: a recipe, or a file of recipes by class, as settings of a training."""
    import tomllib

    if text is None:
        return {}
    if not text.endswith(".toml"):
        return {"augment": text}
    remedy = 'Write augment = "…", and under [augment_classes] lines like: arrow = "…"'
    try:
        content = tomllib.loads(Path(text).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(text, f"it cannot be read ({error.strerror})", remedy) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(text, f"it is not TOML ({error})", remedy) from error
    # `curate augment check` proposes it as it can stand in curate.toml, under [train].
    inner = content.pop("train", {})
    content |= inner if isinstance(inner, dict) else {"augment": inner}
    classes = content.get("augment_classes", {})
    recipes = [content.get("augment", ""), *(classes.values() if isinstance(classes, dict) else [])]
    surplus = sorted(content.keys() - {"augment", "augment_classes"})
    if surplus or not isinstance(classes, dict) or not all(isinstance(one, str) for one in recipes):
        said = f"unknown key {surplus[0]!r}" if surplus else "recipes are texts"
        raise InputError(text, said, remedy)
    return content
