"""The tables of the library's database.

Rows that a person could miss live here; what a machine can make again in bulk lives in Parquet
shards, which this database references. `decisions` is an append-only log: nothing in it is ever
changed or taken out, and the current state is what the last decision of a kind says.
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

migrations = Table(
    "migrations",
    metadata,
    Column("name", Text, primary_key=True),
    Column("applied_at", Text, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", Integer, primary_key=True, autoincrement=True),
    Column("stage", Text, nullable=False),
    # What the run computes, whatever its inputs: a run with the same key resumes this one.
    Column("key", Text, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("versions", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("ended_at", Text),
    Column("summary", Text, nullable=False, server_default="{}"),
    CheckConstraint("status IN ('running', 'done', 'failed', 'interrupted')", name="run_status"),
    sqlite_autoincrement=True,
)

images = Table(
    "images",
    metadata,
    Column("image_id", Text, primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("format", Text, nullable=False),
    Column("taken", Text),
    Column("run_id", Integer, ForeignKey("runs.run_id"), nullable=False),
)

files = Table(
    "files",
    metadata,
    Column("path", LargeBinary, primary_key=True),
    # Missing where the file could not be opened.
    Column("image_id", Text, index=True),
    Column("bytes", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("inode", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("run_id", Integer, ForeignKey("runs.run_id"), nullable=False),
    CheckConstraint("status IN ('ok', 'failed', 'gone')", name="file_status"),
)

roots = Table(
    "roots",
    metadata,
    Column("path", LargeBinary, primary_key=True),
    Column("labels", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("run_id", Integer, ForeignKey("runs.run_id"), nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    # Order comes from this number, never from a clock.
    Column("seq", Integer, primary_key=True, autoincrement=True),
    # The same decision sent twice (a retry, a second import of one file) has the same key.
    Column("key", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("image_id", Text, nullable=False),
    # Tells decisions of one kind on one image apart: the name of a group column, another image.
    Column("field", Text, nullable=False, server_default=""),
    Column("value", Text, nullable=False),
    Column("detail", Text, nullable=False, server_default="{}"),
    Column("actor", Text, nullable=False),
    Column("run_id", Integer, ForeignKey("runs.run_id"), nullable=False),
    Column("made_at", Text, nullable=False),
    Index("decisions_current", "kind", "image_id", "field", "seq"),
    sqlite_autoincrement=True,
)

duplicates = Table(
    "duplicates",
    metadata,
    Column("image_id", Text, primary_key=True),
    # Near-duplicates, none of which looks unlike another; named by the lowest id among them.
    Column("group", Text, nullable=False),
    # All images that hang together by near-duplicate pairs; named in the same way.
    Column("tie", Text, nullable=False),
    Column("keeper", Text, nullable=False),
    Column("similarity", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Column("run_id", Integer, ForeignKey("runs.run_id"), nullable=False),
)

shards = Table(
    "shards",
    metadata,
    Column("shard_id", Integer, primary_key=True, autoincrement=True),
    Column("table", Text, nullable=False),
    Column("run_id", Integer, ForeignKey("runs.run_id"), nullable=False, index=True),
    # Relative to the folder of the library, so that the library can be moved.
    Column("path", Text, nullable=False, unique=True),
    Column("rows", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    sqlite_autoincrement=True,
)
