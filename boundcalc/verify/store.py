"""One run's folder: what it is a run of, and the trials it has finished, in a file that survives kill -9."""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from boundcalc.errors import InputError
from boundcalc.verify.record import Record

STORE = "trials.sqlite"

_APPLICATION_ID = 0x62_63_6C_63
"""Marks the file as one of ours: the letters b, c, l, c."""


class Store:
    """The trials of one run in DIR/trials.sqlite.

    `batch` is the number of inits trained together: that of the run's first start, whatever fits into memory now, so
    that a continued run gives the same numbers.

    Raises:
        InputError: the folder holds something else, or another run, or another process is running there.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        path = folder / STORE
        self._path = path
        fresh = not path.exists() or path.stat().st_size == 0
        self.batch = int(config.get("batch", 1))
        if folder.exists() and not folder.is_dir():
            raise InputError(f"--out {str(folder)!r} is a file; give a folder that is new or empty")
        if folder.is_dir() and any(folder.iterdir()) and not path.exists():
            raise InputError(f"--out {str(folder)!r} is not empty and holds no run; give a folder that is new or empty")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=1, isolation_level=None)
            # Held until the connection closes, so that two processes cannot fill one folder.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("BEGIN EXCLUSIVE")
            if fresh:
                self._db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            elif self._db.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
                self._db.close()
                raise InputError(f"{str(path)!r} is not the record of a run of boundcalc; give another --out")
            self._prepare(folder, config, fresh)
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as problem:
            raise InputError(f"cannot use --out {str(folder)!r}: {problem}; is another run using it?") from None
        except (OSError, sqlite3.DatabaseError) as problem:
            raise InputError(f"cannot use --out {str(folder)!r}: {problem}; give another folder") from None

    def _prepare(self, folder: Path, config: Mapping[str, Any], fresh: bool) -> None:
        self._db.execute("CREATE TABLE IF NOT EXISTS run (config TEXT NOT NULL)")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS trials (stage TEXT NOT NULL, trial INTEGER NOT NULL, record TEXT NOT NULL, "
            "series BLOB NOT NULL, PRIMARY KEY (stage, trial))"
        )
        row = self._db.execute("SELECT config FROM run").fetchone()
        if row is None and not fresh:
            raise self._damaged(ValueError("it does not say what it is a run of"))
        if row is None:
            self._db.execute("INSERT INTO run VALUES (?)", (json.dumps(dict(config)),))
            return
        try:
            held = dict(json.loads(row[0]))
        except (ValueError, TypeError) as problem:
            raise self._damaged(problem) from None
        asked = json.loads(json.dumps(dict(config)))
        self.batch = held.get("batch", self.batch)
        different = [key for key in {**held, **asked} if key != "batch" and held.get(key) != asked.get(key)]
        if different:
            self._db.execute("ROLLBACK")
            self._db.close()
            key = different[0]
            raise InputError(
                f"--out {str(folder)!r} holds another run ({key} is {held.get(key)} there, {asked.get(key)} here); "
                "give another folder, or the same options to continue that run"
            )

    def _damaged(self, problem: Exception) -> InputError:
        return InputError(f"{str(self._path)!r} is damaged ({problem}); give another --out")

    def records(self, stage: str) -> dict[int, Record]:
        """All finished trials of a stage, by number."""
        found: dict[int, Record] = {}
        query = "SELECT record, series FROM trials WHERE stage = ? ORDER BY trial"
        try:
            for record, series in self._db.execute(query, (stage,)):
                found_one = _unpacked(record, series)
                found[found_one.trial] = found_one
        except (sqlite3.DatabaseError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as problem:
            raise self._damaged(problem) from None
        return found

    def trial_numbers(self, stage: str) -> set[int]:
        """The numbers of the finished trials of a stage."""
        try:
            rows = self._db.execute("SELECT trial FROM trials WHERE stage = ?", (stage,)).fetchall()
        except sqlite3.DatabaseError as problem:
            raise self._damaged(problem) from None
        return {number for (number,) in rows}

    def add(self, stage: str, records: Iterable[Record]) -> None:
        """Keep a batch of records, all or none."""
        rows = [(stage, record.trial, *_packed(record)) for record in records]
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("INSERT INTO trials VALUES (?, ?, ?, ?)", rows)
        self._db.execute("COMMIT")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()


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
