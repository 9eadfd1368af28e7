"""One run's folder: what it is a run of, and the trials it has finished, in a file that survives kill -9."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from boundcalc.errors import InputError

STORE = "trials.sqlite"

_APPLICATION_ID = 0x62_63_6C_63
"""Marks the file as one of ours: the letters b, c, l, c."""


@dataclass(frozen=True)
class Certificate:
    """What the search for good weights found for one init: R, or None where it found none."""

    trial: int
    radius: float | None
    worst_loss: float | None
    layer_distances: tuple[float, ...]
    steps: int


@dataclass(frozen=True)
class Trial:
    """One init, trained. `loss` is the training loss at every step; distances are Frobenius norms, layer by layer."""

    trial: int
    loss: NDArray[np.float64]
    first_reached: int | None
    distance_steps: tuple[int, ...]
    distances: tuple[tuple[float, ...], ...]
    train_error: float
    test_error: float

    @property
    def furthest(self) -> tuple[float, ...]:
        """For each layer, the largest of its distances at the steps where they were taken."""
        return tuple(max(layer) for layer in zip(*self.distances, strict=True))


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
        self._db.execute("CREATE TABLE IF NOT EXISTS certificates (trial INTEGER PRIMARY KEY, record TEXT NOT NULL)")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS trials (trial INTEGER PRIMARY KEY, record TEXT NOT NULL, loss BLOB NOT NULL)"
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

    def certificates(self) -> dict[int, Certificate]:
        """The certificates of all inits searched so far."""
        try:
            rows = self._db.execute("SELECT record FROM certificates ORDER BY trial").fetchall()
            found = [Certificate(**json.loads(record)) for (record,) in rows]
        except (sqlite3.DatabaseError, ValueError, TypeError) as problem:
            raise self._damaged(problem) from None
        return {certificate.trial: certificate for certificate in found}

    def add_certificates(self, certificates: Iterable[Certificate]) -> None:
        """Keep a batch of certificates, all or none."""
        rows = [(certificate.trial, json.dumps(asdict(certificate))) for certificate in certificates]
        self._transact("INSERT INTO certificates VALUES (?, ?)", rows)

    def trials(self) -> dict[int, Trial]:
        """All finished trials."""
        found: dict[int, Trial] = {}
        try:
            for record, loss in self._db.execute("SELECT record, loss FROM trials ORDER BY trial"):
                facts = json.loads(record)
                facts["distances"] = tuple(map(tuple, facts["distances"]))
                facts["distance_steps"] = tuple(facts["distance_steps"])
                found[facts["trial"]] = Trial(loss=np.frombuffer(zlib.decompress(loss)), **facts)
        except (sqlite3.DatabaseError, ValueError, TypeError, KeyError, zlib.error) as problem:
            raise self._damaged(problem) from None
        return found

    def trial_numbers(self) -> set[int]:
        """The numbers of the finished trials."""
        try:
            return {number for (number,) in self._db.execute("SELECT trial FROM trials").fetchall()}
        except sqlite3.DatabaseError as problem:
            raise self._damaged(problem) from None

    def add_trials(self, trials: Iterable[Trial]) -> None:
        """Keep a batch of trials, all or none."""
        rows = []
        for trial in trials:
            facts = {key: value for key, value in vars(trial).items() if key != "loss"}
            rows.append((trial.trial, json.dumps(facts), zlib.compress(trial.loss.astype(np.float64).tobytes())))
        self._transact("INSERT INTO trials VALUES (?, ?, ?)", rows)

    def _transact(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(statement, rows)
        self._db.execute("COMMIT")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()
