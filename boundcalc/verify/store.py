"""A run's folder: what it is a run of, and the trials it has finished, in a file that survives kill -9.

DIR/trials.sqlite holds a row for every finished trial, keyed by everything that determines it: a hash of the full
configuration, the stage and the trial's number. The same key is never kept twice. The folder belongs to one main
configuration; rows of others (probes, other widths) may stand beside its own. What the finished batches took is kept
too, so that a report made later still knows it.

The file is in SQLite's WAL mode, so that it can be read while a run is writing, with synchronous = FULL: a trial that
is kept survives the loss of power as well, at the price of one flush to the disk for each batch. One process at a time
writes to a folder: it holds a lock on DIR/trials.lock, which the operating system drops with the process. WAL wants the
writer and all readers on one machine; the lock keeps other machines out where the file system has locks at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import numpy as np

from boundcalc.errors import StorageError
from boundcalc.verify.record import Record

STORE, LOCK, CHECKPOINTS = "trials.sqlite", "trials.lock", "checkpoints"

_APPLICATION_ID = 0x62_63_6C_63
"""Marks the file as one of ours: the letters b, c, l, c."""

_LAYOUT = 3
"""Of the tables; kept as SQLite's user_version."""

_TABLES = """
CREATE TABLE run (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, batch INTEGER NOT NULL, config TEXT NOT NULL);
CREATE TABLE trials (
    run INTEGER NOT NULL REFERENCES run (id), stage TEXT NOT NULL, trial INTEGER NOT NULL,
    record TEXT NOT NULL, series BLOB NOT NULL, PRIMARY KEY (run, stage, trial)
);
CREATE TABLE spent (run INTEGER NOT NULL REFERENCES run (id), stage TEXT NOT NULL, seconds REAL NOT NULL);
"""
_MAIN = 1
"""The id of the configuration that the folder belongs to."""

_HEADER, _AT_LAYOUT, _AT_APPLICATION = b"SQLite format 3\0", 60, 68
"""Of SQLite's file format: how a file begins, and where in it user_version and application_id stand."""


def configuration_key(config: Mapping[str, Any]) -> str:
    """A hash of everything that determines the numbers of a run: SHA-256 of the configuration as canonical JSON.

    The batch, i.e. how many inits are trained together, is left out: it changes a trial's numbers by rounding alone.
    """
    return hashlib.sha256(_canonical(config).encode()).hexdigest()


def _canonical(config: Mapping[str, Any]) -> str:
    return json.dumps({name: value for name, value in config.items() if name != "batch"}, sort_keys=True)


@dataclass(frozen=True)
class Tally:
    """How many trials of a stage are kept, how many of them succeeded, and how many could not be decided."""

    trials: int
    successes: int
    undecided: int


class Rows:
    """The rows of one configuration.

    `key` is its hash. `batch` is the number of inits trained together: that of the configuration's first start, or less
    where memory ran out, so that a continued run gives the same numbers.
    """

    def __init__(self, db: sqlite3.Connection, path: Path, run: int) -> None:
        self._db, self._path, self._run = db, path, run
        with self._reading():
            row = db.execute("SELECT key, batch FROM run WHERE id = ?", (run,)).fetchone()
            self.key, self.batch = str(row[0]), int(row[1])

    def records(self, stage: str) -> dict[int, Record]:
        """All finished trials of a stage, by number."""
        query = "SELECT record, series FROM trials WHERE run = ? AND stage = ? ORDER BY trial"
        with self._reading():
            found = [_unpacked(*row) for row in self._db.execute(query, (self._run, stage))]
        return {record.trial: record for record in found}

    def trial_numbers(self, stage: str) -> set[int]:
        """The numbers of the finished trials of a stage."""
        query = "SELECT trial FROM trials WHERE run = ? AND stage = ?"
        with self._reading():
            return {number for (number,) in self._db.execute(query, (self._run, stage))}

    def tally(self, stage: str) -> Tally:
        """The finished trials of a stage, counted."""
        query = "SELECT json_extract(record, '$.success') FROM trials WHERE run = ? AND stage = ?"
        with self._reading():
            found = [success for (success,) in self._db.execute(query, (self._run, stage))]
        return Tally(len(found), found.count(1), found.count(None))

    def seconds(self) -> float:
        """What all finished batches took."""
        with self._reading():
            (total,) = self._db.execute("SELECT total(seconds) FROM spent WHERE run = ?", (self._run,)).fetchone()
        return float(total)

    def add(self, stage: str, records: Iterable[Record], seconds: float = 0.0) -> None:
        """Keep a batch of records and the time it took, all or none; a trial that is there already is left as it is.

        Raises:
            StorageError: they cannot be written; what was kept before still is.
        """
        rows = [(self._run, stage, record.trial, *_packed(record)) for record in records]
        with self._writing():
            self._db.executemany("INSERT OR IGNORE INTO trials VALUES (?, ?, ?, ?, ?)", rows)
            if seconds > 0:
                self._db.execute("INSERT INTO spent VALUES (?, ?, ?)", (self._run, stage, seconds))

    def shrink_batch(self, batch: int) -> None:
        """From now on, and when the run is continued, train so many inits together."""
        with self._writing():
            self._db.execute("UPDATE run SET batch = ? WHERE id = ?", (batch, self._run))
        self.batch = batch

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as problem:
            raise StorageError(
                f"cannot read {str(self._path)!r}: {problem}; mend that and run the same command again"
            ) from None
        except (sqlite3.DatabaseError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as problem:
            raise StorageError(f"{str(self._path)!r} is damaged ({problem}); give another --out") from None

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except (sqlite3.Error, OverflowError) as problem:
            if self._db.in_transaction:  # SQLite itself takes it back where the disk is full
                self._db.execute("ROLLBACK")
            raise StorageError(
                f"cannot write to {str(self._path)!r}: {problem}; the finished inits are kept: mend that and run the "
                "same command again"
            ) from None


class Store(Rows):
    """A run's folder, open for writing: the rows of its main configuration, and by `run` those of others.

    Raises:
        StorageError: the folder holds something else, or another run, or another process is running there.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        path = folder / STORE
        self.folder = folder
        _check_folder(folder)
        self._lock: sqlite3.Connection | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(folder)
            if not path.exists() or path.stat().st_size == 0:
                _create(path, config)
            self._connection = _connected(path)
            super().__init__(self._connection, path, _MAIN)
            self._check_main(config)
        except (OSError, sqlite3.DatabaseError) as problem:
            self.close()
            raise StorageError(f"cannot use --out {str(folder)!r}: {problem}; give another folder") from None
        except StorageError:
            self.close()
            raise

    def run(self, config: Mapping[str, Any]) -> Rows:
        """The rows of a configuration, the main or another, whose batch is that of its first start."""
        key = configuration_key(config)
        with self._writing():
            values = (key, int(config.get("batch", 1)), json.dumps(dict(config)))
            self._db.execute("INSERT OR IGNORE INTO run (key, batch, config) VALUES (?, ?, ?)", values)
        with self._reading():
            (run,) = self._db.execute("SELECT id FROM run WHERE key = ?", (key,)).fetchone()
        return Rows(self._db, self._path, run)

    def close(self) -> None:
        """Let go of the file and of the folder."""
        for connection in (getattr(self, "_connection", None), self._lock):
            if connection is not None:
                connection.close()

    def _check_main(self, config: Mapping[str, Any]) -> None:
        if self.key == configuration_key(config):
            return
        with self._reading():
            (text,) = self._db.execute("SELECT config FROM run WHERE id = ?", (_MAIN,)).fetchone()
            held = dict(json.loads(text))
        name, there, here = _first_difference(held, json.loads(json.dumps(dict(config))))
        raise StorageError(
            f"--out {str(self.folder)!r} holds another run ({name} is {there} there, {here} here); "
            "give another folder, or the same options to continue that run"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _first_difference(held: Mapping[str, Any], asked: Mapping[str, Any]) -> tuple[str, Any, Any]:
    """The first entry in which two configurations differ, in the order in which they list them, with both its values.

    What the user gave comes before what follows from it.
    """
    for name in {**held, **asked}:
        there, here = held.get(name), asked.get(name)
        if name == "batch" or (there == here and (name in held) == (name in asked)):
            continue
        if isinstance(there, dict) and isinstance(here, dict):
            return _first_difference(there, here)
        return name, there, here
    return "the key", None, None


@contextlib.contextmanager
def reading(folder: Path) -> Iterator[Rows]:
    """The rows of a folder's main configuration, to look at, also while a run is adding to them.

    Raises:
        StorageError: the folder holds no run.
    """
    path = folder / STORE
    if not path.exists():
        raise StorageError(f"{str(folder)!r} holds no run")
    _check_store(path)
    # Not mode=ro: such a connection would leave files behind that it had to make in order to read.
    with contextlib.closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=rw", uri=True)) as db:
        db.execute("PRAGMA query_only = ON")
        yield Rows(db, path, _MAIN)


def refuse_other(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse a folder that holds something else, or another run, before anything is said of this one.

    Raises:
        StorageError: as `Store` has it.
    """
    _check_folder(folder)
    if (folder / STORE).exists():
        Store(folder, config).close()


def _check_folder(folder: Path) -> None:
    """Refuse what is no folder of ours, before anything in it is touched."""
    if folder.exists() and not folder.is_dir():
        raise StorageError(f"--out {str(folder)!r} is a file; give a folder that is new or empty")
    if not folder.is_dir():
        return
    path = folder / STORE
    if path.exists() and path.stat().st_size > 0:
        _check_store(path)
    # A run that was cut off before its first row may have left a lock, or a store half made.
    elif any(not file.name.startswith((STORE, LOCK)) for file in folder.iterdir()):
        raise StorageError(f"--out {str(folder)!r} is not empty and holds no run; give a folder that is new or empty")


def _check_store(path: Path) -> None:
    """Refuse what is no file of ours, by its first bytes alone."""
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError as problem:
        raise StorageError(f"cannot read {str(path)!r}: {problem.strerror}; give another --out") from None
    found = int.from_bytes(header[_AT_APPLICATION : _AT_APPLICATION + 4], "big")
    if not header.startswith(_HEADER) or found != _APPLICATION_ID:
        raise StorageError(f"{str(path)!r} is not the record of a run of boundcalc; give another --out")
    layout = int.from_bytes(header[_AT_LAYOUT : _AT_LAYOUT + 4], "big")
    if layout != _LAYOUT:
        raise StorageError(
            f"{str(path)!r} is of another version of boundcalc (layout {layout}, here {_LAYOUT}); give another --out"
        )


def _locked(folder: Path) -> sqlite3.Connection:
    """Keep other processes out of the folder until the connection is closed, or this process dies.

    The lock is SQLite's own, on a file that stays empty: it works wherever the store does.
    """
    lock = sqlite3.connect(folder / LOCK, timeout=0, isolation_level=None)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as problem:
        lock.close()
        if problem.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        raise StorageError(f"cannot use --out {str(folder)!r}: {problem}; is another run using it?") from None
    return lock


def _create(path: Path, config: Mapping[str, Any]) -> None:
    """Make a store, elsewhere first, so that it is there as a whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    for left_over in path.parent.glob(f"{partial.name}*"):
        left_over.unlink()
    with contextlib.closing(_connected(partial)) as db:
        db.executescript(f"PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {_LAYOUT}; {_TABLES}")
        values = (_MAIN, configuration_key(config), int(config.get("batch", 1)), json.dumps(dict(config)))
        db.execute("INSERT INTO run VALUES (?, ?, ?, ?)", values)
    os.replace(partial, path)


def _connected(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db


def _packed(record: Record) -> tuple[str, bytes]:
    """A record as JSON and a compressed archive of its series."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {name: np.asarray(values) for name, values in record.series.items()}
    np.savez_compressed(buffer, **arrays)
    facts = {"trial": record.trial, "success": record.success, "facts": dict(record.facts)}
    return json.dumps(facts, allow_nan=False), buffer.getvalue()


def _unpacked(text: str, archive: bytes) -> Record:
    facts = json.loads(text)
    with np.load(io.BytesIO(archive), allow_pickle=False) as series:
        return Record(facts["trial"], facts["success"], facts["facts"], {name: series[name] for name in series.files})
