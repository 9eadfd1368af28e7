"""Files that commands write: links are followed, only regular files are replaced, and their permissions are kept."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from shown import run_here

from boundcalc.errors import InputError
from boundcalc.files import check_writable, write_file
from boundcalc.report.document import Document
from boundcalc.report.folders import write_compared

WRITERS = {
    "sweep": (["sweep", "chen2019/thm2.1", "width", "L=2,3"], ".csv"),
    "explore": (["explore"], ".html"),
    "map": (["compare", "zou2019", "zou2020", "--map", "n,L", "n=1:9:lin3", "L=2:4"], ".svg"),
    "report": (["report", "run"], ".md"),
}
"""Every command that writes a file of its user's choice."""


@pytest.fixture(params=WRITERS)
def writer(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Callable[[Path], tuple[int, str]], str]:
    """A command that writes into a path: its exit code and what it says on stderr; and the ending of the name."""
    words, ending = WRITERS[request.param]

    def write(path: Path) -> tuple[int, str]:
        code, _, err = run_here([*words, "-o", str(path)], tmp_path)
        return code, err

    return write, ending


def test_a_link_is_followed_and_permissions_are_kept(
    writer: tuple[Callable[[Path], tuple[int, str]], str], tmp_path: Path
) -> None:
    write, ending = writer
    (tmp_path / "data").mkdir()
    target = tmp_path / "data" / f"target{ending}"
    target.write_text("old")
    target.chmod(0o640)
    link = tmp_path / f"link{ending}"
    link.symlink_to(target)
    if ending == ".md":  # What is in no folder cannot be reported.
        write_compared(Document("title", ("verdict",), "open", ()), [], link)
    else:
        assert write(link) == (0, "")
    assert link.is_symlink()
    assert target.read_text("utf-8") != "old"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert list(target.parent.iterdir()) == [target]


def test_what_is_no_file_or_read_only_stays(
    writer: tuple[Callable[[Path], tuple[int, str]], str], tmp_path: Path
) -> None:
    write, ending = writer
    pipe, kept, folder = (tmp_path / f"{name}{ending}" for name in ("pipe", "kept", "folder"))
    os.mkfifo(pipe)
    kept.write_text("old")
    kept.chmod(0o444)
    folder.mkdir()
    link = tmp_path / f"link{ending}"
    link.symlink_to(pipe)
    for path, why in ((pipe, "a pipe"), (link, "a pipe"), (kept, "read-only; chmod u+w"), (folder, "is a folder")):
        code, err = write(path)
        assert (code, err.count("\n")) == (2, 1)
        assert why in err
        assert repr(str(path)) in err
    assert pipe.is_fifo()
    assert kept.read_text() == "old"
    assert not list(tmp_path.glob(".*"))


def test_a_device_is_no_file() -> None:
    with pytest.raises(InputError, match="it is a device or a pipe; name a file"):
        check_writable(Path(os.devnull))


def test_links_that_lead_nowhere_and_in_circles(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "new")
    assert write_file(link, b"content") == link
    assert (tmp_path / "new").read_bytes() == b"content"
    astray = tmp_path / "astray"
    astray.symlink_to(tmp_path / "none" / "new")
    with pytest.raises(InputError, match=r"astray': there is no folder '.*none'; make it first"):
        write_file(astray, b"")
    round_about = tmp_path / "round"
    round_about.symlink_to(round_about)
    with pytest.raises(InputError, match=r"round': Too many levels of symbolic links; give another name"):
        write_file(round_about, b"")
    with pytest.raises(InputError, match=r"name': Not a directory"):
        write_file(tmp_path / "new" / "name", b"")


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kept"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match="No space left on device"):
        write_file(path, b"new")
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("kept", "old")]
