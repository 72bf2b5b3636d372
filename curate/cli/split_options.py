"""The options of `curate split`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curate.cli.options import in_a_folder

MaxCount = Annotated[
    int | None,
    typer.Option(
        help="Of a larger class only so many images are used.  [default: 400]", show_default=False
    ),
]
SubMinCount = Annotated[
    int | None,
    typer.Option(help="A sub-class with fewer is left out.  [default: 0]", show_default=False),
]
SubMaxCount = Annotated[
    int | None,
    typer.Option(help="Of a larger sub-class only so many images are used.", show_default=False),
]
Count = Annotated[
    str | None,
    typer.Option(
        help="What counts towards a min-count: groups or images.  [default: groups]",
        show_default=False,
    ),
]
Keep = Annotated[
    str | None,
    typer.Option(
        help="What is kept above a max-count: diverse, newest, quality or random.  "
        "[default: diverse]",
        show_default=False,
    ),
]
Val = Annotated[
    float | None,
    typer.Option(
        help="Share for val; or a whole number, so many images of each class.  [default: 0.1]",
        show_default=False,
    ),
]
Test = Annotated[
    float | None, typer.Option(help="The same for test.  [default: 0.1]", show_default=False)
]
Benchmark = Annotated[
    float | None,
    typer.Option(help="The same for the frozen benchmark.  [default: 0]", show_default=False),
]
Seed = Annotated[
    int | None, typer.Option(help="Decides what chance decides.  [default: 0]", show_default=False)
]
Move = Annotated[
    list[str] | None,
    typer.Option(
        metavar="IMAGE=SPLIT",
        help="Move an image (id or path) to a split, or `out` of all; nothing else moves one. "
        "May be given several times.",
        show_default=False,
    ),
]
Explain = Annotated[
    str,
    typer.Option(
        metavar="IMAGE",
        help="Say why one image (id or path) is where it is; changes nothing.",
        show_default=False,
    ),
]
Check = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Check any split: a CSV or Parquet file, or a folder train/class/…; changes nothing, "
        "and the exit status is 1 on a fault.",
        show_default=False,
    ),
]
Folds = Annotated[
    int | None,
    typer.Option(
        metavar="K",
        help="Share images out to K folds by the same rules; the split stays as it is.",
        min=2,
        show_default=False,
    ),
]
LockFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write down what this split is made of, so that it can be made again.",
        callback=in_a_folder,
        show_default=False,
    ),
]
FromLock = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Make the split of a lock file again, or say what differs; with --check, check "
        "against it.",
        show_default=False,
    ),
]
Tree = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Write links to the images as train/class/…; an earlier tree is brought up to date.",
        callback=in_a_folder,
        show_default=False,
    ),
]
ImageFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="The same, with the metadata of Hugging Face's imagefolder.",
        callback=in_a_folder,
        show_default=False,
    ),
]
Copy = Annotated[
    bool, typer.Option("--copy", help="Copies instead of links, in a tree or imagefolder.")
]
