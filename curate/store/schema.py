"""The tables of the library's database.

Rows that a person could miss live here; what a machine can make again in bulk lives in Parquet
shards, which this database references. `decisions` is an append-only log: nothing in it is ever
changed or taken out, and the current state is what the last decision of a kind says.

Texts and paths are ordered by their bytes in every database, whatever language it is set to.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

metadata = MetaData()

# SQLite compares bytes of itself; PostgreSQL would sort texts as the language of the server does.
_Text = Text().with_variant(Text(collation="C"), "postgresql")

migrations = Table(
    "migrations",
    metadata,
    Column("name", _Text, primary_key=True),
    Column("applied_at", _Text, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", Integer, primary_key=True, autoincrement=True),
    Column("stage", _Text, nullable=False),
    # What the run computes, whatever its inputs: a run with the same key resumes this one.
    Column("key", _Text, nullable=False),
    Column("parameters", _Text, nullable=False),
    Column("versions", _Text, nullable=False),
    Column("status", _Text, nullable=False),
    Column("started_at", _Text, nullable=False),
    Column("ended_at", _Text),
    Column("summary", _Text, nullable=False, server_default="{}"),
    CheckConstraint("status IN ('running', 'done', 'failed', 'interrupted')", name="run_status"),
    sqlite_autoincrement=True,
)

images = Table(
    "images",
    metadata,
    Column("image_id", _Text, primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("format", _Text, nullable=False),
    Column("taken", _Text),
    Column("run_id", Integer, ForeignKey("runs.run_id"), nullable=False),
)

files = Table(
    "files",
    metadata,
    Column("path", LargeBinary, primary_key=True),
    # Missing where the file could not be opened.
    Column("image_id", _Text, index=True),
    Column("bytes", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("inode", BigInteger, nullable=False),
    Column("status", _Text, nullable=False),
    Column("reason", _Text, nullable=False, server_default=""),
    Column("run_id", Integer, ForeignKey("runs.run_id"), nullable=False),
    CheckConstraint("status IN ('ok', 'failed', 'gone')", name="file_status"),
)

roots = Table(
    "roots",
    metadata,
    Column("path", LargeBinary, primary_key=True),
    Column("labels", _Text, nullable=False),
    Column("origin", _Text, nullable=False),
    Column("run_id", Integer, ForeignKey("runs.run_id"), nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    # Order comes from this number, never from a clock.
    Column("seq", Integer, primary_key=True, autoincrement=True),
    # The same decision sent twice (a retry, a second import of one file) has the same key.
    Column("key", _Text, nullable=False, unique=True),
    Column("kind", _Text, nullable=False),
    Column("image_id", _Text, nullable=False),
    # Tells decisions of one kind on one image apart: the name of a group column, another image.
    Column("field", _Text, nullable=False, server_default=""),
    Column("value", _Text, nullable=False),
    Column("detail", _Text, nullable=False, server_default="{}"),
    Column("actor", _Text, nullable=False),
    Column("run_id", Integer, ForeignKey("runs.run_id"), nullable=False),
    Column("made_at", _Text, nullable=False),
    Index("decisions_current", "kind", "image_id", "field", "seq"),
    sqlite_autoincrement=True,
)

duplicates = Table(
    "duplicates",
    metadata,
    Column("image_id", _Text, primary_key=True),
    # Near-duplicates, none of which looks unlike another; named by the lowest id among them.
    Column("group", _Text, nullable=False),
    # All images that hang together by near-duplicate pairs; named in the same way.
    Column("tie", _Text, nullable=False),
    Column("keeper", _Text, nullable=False),
    Column("similarity", Float, nullable=False),
    Column("reason", _Text, nullable=False),
    Column("run_id", Integer, ForeignKey("runs.run_id"), nullable=False),
)

shards = Table(
    "shards",
    metadata,
    Column("shard_id", Integer, primary_key=True, autoincrement=True),
    Column("table", _Text, nullable=False),
    Column("run_id", Integer, ForeignKey("runs.run_id"), nullable=False, index=True),
    # Relative to the folder of the library, so that the library can be moved.
    Column("path", _Text, nullable=False, unique=True),
    Column("rows", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", _Text, nullable=False),
    sqlite_autoincrement=True,
)

queues = Table(
    "queues",
    metadata,
    Column("name", _Text, primary_key=True),
    # What was asked, as JSON: so the same can be asked anew.
    Column("question", _Text, nullable=False),
    Column("run_id", Integer, ForeignKey("runs.run_id"), nullable=False),
    Column("saved_at", _Text, nullable=False),
)

queued = Table(
    "queued",
    metadata,
    Column("name", _Text, ForeignKey("queues.name"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("image_id", _Text, nullable=False, index=True),
    # As the model said it then: its predictions may be gone when the queue is opened again.
    Column("predicted", _Text),
    Column("score", Float),
    Column("second", _Text),
    Column("second_score", Float),
    Column("reason", _Text, nullable=False),
    Column("topic", _Text, nullable=False),
    Column("expected", Float),
    # The recipe that brought the image; of a plan, each image has its own.
    Column("recipe", _Text, nullable=False),
)

# What cleanup did to files: appended, never changed. A file's stay in quarantine is an *item*, and
# the state of an item is what its last row says.
journal = Table(
    "journal",
    metadata,
    # Order comes from this number, never from a clock. Rows are numbered by `store.journal`.
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    # The `seq` of the item's first row.
    Column("item", BigInteger, nullable=False),
    Column("event", _Text, nullable=False),
    Column("reason", _Text, nullable=False),
    Column("run_id", Integer, ForeignKey("runs.run_id"), nullable=False),
    Column("made_at", _Text, nullable=False),
    # What stays the same is said once, in the item's first row.
    Column("path", LargeBinary),
    # Where it lies, or will lie, in quarantine: below the library's root, absolute, or a URL.
    Column("place", LargeBinary),
    Column("image_id", _Text),
    Column("bytes", BigInteger),
    Column("rule", _Text),
    Column("why", _Text),
    Column("predicted", _Text),
    Index("journal_items", "item", "seq", "event"),
)

library = Table(
    "library",
    metadata,
    # One row, and only in a database that lies apart from its folder: which folder it belongs to.
    Column("library_id", _Text, primary_key=True),
    Column("made_in", _Text, nullable=False),
    Column("made_at", _Text, nullable=False),
)
