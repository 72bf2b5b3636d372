"""Send images to a running Label Studio, answer them there, and take the labels back.

    PYTHONPATH=. python benchmarks/formats_label_studio.py --peer VENV

Run by hand; VENV is a virtual environment with `label-studio`, whose server is started on loopback,
with an SQLite of its own that is thrown away. All goes the way that a user goes: `curate export`,
the import and the annotations of Label Studio's own API, an export of it in each form, `curate
import`. A library has 40 pictures of 4 classes with awkward names, 30 with a label and 10 that are
only predicted.

There, somebody takes over the prediction of some of the 10, says something else of others, skips
one and leaves one alone; and of the 30 gives two another class. Meanwhile one of the others is
corrected in the library: what comes back must not undo that.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.formats_peers import CLASSES, IMAGES, LABELLED, outgoing
from benchmarks.throw_away import curate
from curate.core.names import REJECTED, UNKNOWN
from curate.store import facts
from curate.store.library import opened

TOKEN = "0123456789abcdef0123456789abcdef01234567"
STARTS = 1800.0
"""Seconds that a server may take to set up its database and answer."""

PENDING = 8
"""So many of the pictures without a label are answered with what was predicted or something else;
then one is skipped, and one left alone."""

FORMS = {"JSON": "json", "JSON_MIN": "json", "CSV": "csv"}
"""Exports of Label Studio that hold answers, and the suffix of each."""


@dataclass(frozen=True)
class Server:
    """A Label Studio that runs."""

    address: str

    def ask(self, path: str, body: object = None, method: str = "") -> bytes:
        """Ask its API: with a body POST, otherwise GET, where not said."""
        asked = urllib.request.Request(
            self.address + path,
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"},
            method=method or ("GET" if body is None else "POST"),
        )
        try:
            with urllib.request.urlopen(asked, timeout=120) as answer:
                content: bytes = answer.read()
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{path}: {error}: {error.read().decode()[:500]}") from error
        return content

    def told(self, path: str, body: object = None, method: str = "") -> Any:
        """Ask, and read the JSON that it answers."""
        return json.loads(self.ask(path, body, method))


def main() -> None:
    """Go there and back, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peer", type=Path, required=True, help="an environment of Label Studio")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        before = made(place)
        with running(asked.peer, place / "server") as server:
            version = server.told("/api/version")["label-studio-os-package"]["version"]
            project = imported(server, place)
            truth = answered(server, project, before)
            for form, suffix in FORMS.items():
                path = f"/api/projects/{project}/export?exportType={form}"
                (place / f"{form}.{suffix}").write_bytes(server.ask(path))
        correction = corrected(place, before)
        print(f"Label Studio {version}")
        for form, suffix in FORMS.items():
            print(f"{form}: {back(place, f'{form}.{suffix}', {**truth, **correction})}")


def made(place: Path) -> dict[str, str]:
    """Make a library of labels and predictions, and export it; give its labels by image id."""
    (place / "photos").mkdir()
    table = outgoing(place / "photos").table
    table = table.assign(label=table["label"].replace("", None))
    manifest = table[["path", "label"]].dropna()
    manifest.to_csv(place / "labels.csv", index=False)
    at = ["--library", str(place)]
    curate("scan", str(place / "photos"), *at)
    named = [word for name in CLASSES for word in ("--new-class", name)]
    curate("label", "import", str(place / "labels.csv"), *named, *at)
    said = table[["path", "predicted", "score"]].set_axis(["filename", "label", "prob"], axis=1)
    said.to_csv(place / "said.csv", index=False)
    curate("import", str(place / "said.csv"), "--format", "timm", *at)
    curate("export", "--format", "label-studio", "--out", str(place / "tasks"), *at)
    return labels(place)


def labels(place: Path) -> dict[str, str]:
    """Give the label of each image of the library, or *rejected*; '' where there is none."""
    with opened(place) as library, library.reading() as connection:
        table = facts.images(connection)
    held = table["label"].fillna("").astype(str).where(table["usable"], REJECTED)
    return dict(zip(table["image_id"], held, strict=True))


@contextmanager
def running(peer: Path, folder: Path) -> Iterator[Server]:
    """Start a Label Studio that keeps all in a folder, and end it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": "/",
        **dict.fromkeys(("COLLECT_ANALYTICS", "LATEST_VERSION_CHECK"), "false"),
        **dict.fromkeys(("SENTRY_DSN", "FRONTEND_SENTRY_DSN"), ""),
    }
    command = [
        *(str(peer / "bin/label-studio"), "start", "--no-browser", "--data-dir", str(folder)),
        *("--internal-host", "127.0.0.1", "--port", str(port), "--enable-legacy-api-token"),
        *("--username", "ann@example.org", "--password", "no secret", "--user-token", TOKEN),
    ]
    folder.mkdir()
    with (folder / "log").open("wb") as log:
        started = subprocess.Popen(
            command, env={**os.environ, **settings}, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield answering(f"http://127.0.0.1:{port}", started, folder / "log")
        finally:
            started.terminate()
            started.wait(60)


def answering(address: str, started: subprocess.Popen[bytes], log: Path) -> Server:
    """Wait until a server answers."""
    end = time.monotonic() + STARTS
    while time.monotonic() < end and started.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=10):
                return Server(address)
        except OSError:
            time.sleep(1)
    raise SystemExit(f"Label Studio does not answer:\n{log.read_text()[-2000:]}")


def imported(server: Server, place: Path) -> int:
    """Make a project of what was exported; give its number."""
    config = (place / "tasks/config.xml").read_text()
    project: int = server.told("/api/projects", {"title": "zoo", "label_config": config})["id"]
    storage = {"project": project, "path": str(place / "photos"), "use_blob_urls": True}
    server.told("/api/storages/localfiles", storage)
    tasks = json.loads((place / "tasks/tasks-000.json").read_text())
    counts = server.told(f"/api/projects/{project}/import", tasks)
    said = {name: counts[f"{name}_count"] for name in ("task", "annotation", "prediction")}
    assert said == {"task": IMAGES, "annotation": LABELLED, "prediction": IMAGES}, counts
    return project


def answered(server: Server, project: int, before: Mapping[str, str]) -> dict[str, str]:
    """Answer as the module describes; give what the labels must be then, by image id."""
    listed = server.told(f"/api/tasks?project={project}&page_size={IMAGES}&fields=all")["tasks"]
    assert len(listed) == IMAGES
    truth, pending = dict(before), 0
    changes = iter((REJECTED, CLASSES[0]))
    for task in listed:
        data, image_id = task["data"], task["data"]["image_id"]
        shown = server.ask(data["image"])
        assert shown == Path(path_of(data["image"])).read_bytes(), "another picture is shown"
        if data["label"]:
            [annotation] = server.told(f"/api/tasks/{task['id']}/annotations/")
            new = next(changes, "") if data["label"] == CLASSES[1] else ""
            if new:
                change = {"result": chosen(new)}
                server.told(f"/api/annotations/{annotation['id']}/", change, "PATCH")
                truth[image_id] = new
            continue
        pending += 1
        if pending <= PENDING:
            new = (data["predicted"], UNKNOWN)[pending % 4 == 0]
            truth[image_id] = new
            body: dict[str, Any] = {"result": chosen(new)}
        elif pending == PENDING + 1:
            body = {"result": [], "was_cancelled": True}
        else:
            continue
        server.told(f"/api/tasks/{task['id']}/annotations/", body)
    return truth


def chosen(label: str) -> list[dict[str, Any]]:
    """Give what Label Studio's page sends when somebody chooses a class."""
    value = {"choices": [label]}
    return [{"from_name": "choice", "to_name": "image", "type": "choices", "value": value}]


def path_of(url: str) -> str:
    """Give the path on this machine that a task names."""
    return "/" + urllib.parse.unquote(url.partition("?d=")[2])


def corrected(place: Path, before: Mapping[str, str]) -> dict[str, str]:
    """Correct a label in the library that nobody touched there; give it by image id."""
    image_id = min(name for name, label in before.items() if label == CLASSES[2])
    table = pd.DataFrame({"image_id": [image_id], "label": [CLASSES[3]]})
    table.to_csv(place / "corrected.csv", index=False)
    curate("label", "import", str(place / "corrected.csv"), "--library", str(place))
    return {image_id: CLASSES[3]}


def back(place: Path, file: str, truth: Mapping[str, str]) -> str:
    """Import an export into a copy of the library, and say whether all labels are right then."""
    copy = place / f"library of {file}"
    shutil.copytree(place / ".curate", copy / ".curate")
    curate("import", str(place / file), "--format", "label-studio", "--library", str(copy))
    found = labels(copy)
    right = sum(found[name] == label for name, label in truth.items())
    return f"{right} of {len(truth)} images are labelled as they must be"


if __name__ == "__main__":
    main()
