"""Files written whole: links are followed, only regular files are replaced, and who may read them stays as it was."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from uuid import uuid4

from boundcalc.errors import InputError


def check_writable(path: Path) -> None:
    """Refuse a file that could not be written, before anything is computed for it.

    Raises:
        InputError: there is no folder for it, or it is a folder, a device, a pipe or read-only.
    """
    _destination(path)


def write_file(path: Path, content: bytes) -> Path:
    """Write a file; it appears whole or not at all.

    A link stays one: what it leads to is replaced. A file that was there keeps its permissions.

    Raises:
        InputError: as for `check_writable`; or writing fails.
    """
    target, permissions = _destination(path)
    partial = target.with_name(f".{uuid4().hex}.partial")
    try:
        try:
            with partial.open("xb") as file:
                if permissions is not None:
                    partial.chmod(permissions)
                file.write(content)
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as problem:
        raise _refused(path, f"{problem.strerror}; give another name, or mend that") from None
    return path


def _destination(path: Path) -> tuple[Path, int | None]:
    """Where a path leads to, and the permissions of the file that is there, if there is one."""
    target = Path(os.path.realpath(path))
    try:
        there = path.stat()
    except FileNotFoundError:
        if not target.parent.is_dir():
            raise _refused(path, f"there is no folder {str(target.parent)!r}; make it first") from None
        there = None
    except OSError as problem:
        raise _refused(path, f"{problem.strerror}; give another name") from None
    if there is not None:
        if stat.S_ISDIR(there.st_mode):
            raise _refused(path, "it is a folder; name a file in it")
        if not stat.S_ISREG(there.st_mode):
            raise _refused(path, "it is a device or a pipe; name a file")
        # Who may do everything is told so too: a file is made read-only so that it stays.
        if not there.st_mode & 0o222 or not os.access(target, os.W_OK):
            raise _refused(path, "it is read-only; chmod u+w lets it be replaced")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise _refused(path, f"nothing may be written into {str(target.parent)!r}; mend its permissions")
    return target, None if there is None else stat.S_IMODE(there.st_mode)


def _refused(path: Path, why: str) -> InputError:
    shown = str(path) if len(str(path)) <= 100 else f"{str(path)[:60]}…{path.suffix}"
    return InputError(f"cannot write {shown!r}: {why}")
