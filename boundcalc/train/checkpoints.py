"""What a long training keeps on the way, so that it goes on after kill -9 from where it was, bit by bit.

One file for each training of a batch, replaced as a whole every minute or so. A checkpoint is a comfort and never a
result: one that is missing, cut off or of another training is as good as none, and the training begins anew.
"""

from __future__ import annotations

import json
import os
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boundcalc.errors import StorageError

CHECKPOINT_SECONDS = 60.0
"""Between two checkpoints, at least."""

_SHARE = 0.02
"""The most of the running time that writing checkpoints may take: a costly one is written less often."""

_BYTES_PER_SECOND = 2e8
"""What a slow disk writes: until the first checkpoint has been timed, its cost is guessed from its size."""

_FACTS = "facts.json"

Arrays = Mapping[str, NDArray[Any]]


class Checkpoints:
    """The checkpoints of one batch of inits: files folder/name.0, folder/name.1, …, in the order of its trainings.

    The order tells the trainings of a batch apart, so it has to be the same when the batch is done again. seconds: the
    least time between two checkpoints of a training.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        seconds: float = CHECKPOINT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._name, self._seconds, self._clock = folder, name, seconds, clock
        self._made: list[Checkpoint] = []

    @property
    def resumed(self) -> bool:
        """Whether any training went on from what was kept."""
        return any(checkpoint.resumed for checkpoint in self._made)

    def begin(self, facts: Mapping[str, Any], size: int) -> Checkpoint:
        """The checkpoint of the next training.

        facts: JSON values that tell this training from every other; size: about how many bytes will be kept.
        """
        path = self._folder / f"{self._name}.{len(self._made)}"
        self._made.append(Checkpoint(path, facts, self._seconds, size / _BYTES_PER_SECOND, self._clock))
        return self._made[-1]

    def remove(self) -> None:
        """Remove them all, and what was left of any that was being written."""
        for path in self._folder.glob(f"{self._name}.*"):
            path.unlink(missing_ok=True)


class Checkpoint:
    """What is kept of one training."""

    def __init__(
        self, path: Path, facts: Mapping[str, Any], seconds: float, cost: float, clock: Callable[[], float]
    ) -> None:
        self._path, self._facts, self._seconds, self._clock = path, json.dumps(dict(facts)), seconds, clock
        self._next = clock() + max(seconds, cost / _SHARE)
        self._kept = False
        self.resumed = False

    def read(self) -> Arrays | None:
        """What was kept last, or None."""
        try:
            with zipfile.ZipFile(self._path) as archive:
                if archive.read(_FACTS).decode() != self._facts:
                    return None
                found = {}
                for name in archive.namelist():
                    if name != _FACTS:
                        with archive.open(name) as member:
                            found[name] = np.lib.format.read_array(member, allow_pickle=False)
        # Missing; not ours; cut off by a power failure (its checksums tell): the training can do without.
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        self._kept = self.resumed = True
        return found

    def due(self) -> bool:
        """Whether it is time to keep another."""
        return self._clock() >= self._next

    def keep(self, arrays: Iterable[tuple[str, NDArray[Any]]]) -> None:
        """Put these in the place of what was kept before, all or nothing; they are taken and written one by one.

        Raises:
            StorageError: it cannot be written.
        """
        begun = self._clock()
        # The number of the process: on a cluster, two may have been given the same batch.
        partial = self._path.with_name(f"{self._path.name}.{os.getpid()}.partial")
        try:
            partial.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                with zipfile.ZipFile(file, "w") as archive:
                    archive.writestr(_FACTS, self._facts)
                    for name, array in arrays:
                        with archive.open(name, "w", force_zip64=True) as member:
                            np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, self._path)
        except OSError as problem:
            if partial.exists():
                partial.unlink()
            raise StorageError(
                f"cannot keep a checkpoint in {str(self._path.parent)!r}: {problem.strerror}; the finished inits are "
                "kept: mend that and run the same command again, or go on without with --checkpoint-every 0"
            ) from None
        now = self._clock()
        self._next = now + max(self._seconds, (now - begun) / _SHARE)
        self._kept = True

    def finish(self, arrays: Iterable[tuple[str, NDArray[Any]]]) -> None:
        """Keep the end of a training that was long enough to be kept before: what follows it may be long as well."""
        if self._kept:
            self.keep(arrays)


@dataclass(frozen=True)
class Checkpointed:
    """An `on_step` that knows where trainings keep their checkpoints.

    A training that is given one keeps them by itself. One that is given any other function does not: it could not know
    what that function has gathered from the steps that would not be taken again.
    """

    on_step: Callable[[int], None]
    checkpoints: Checkpoints

    def __call__(self, step: int) -> None:
        """Pass it on."""
        self.on_step(step)
