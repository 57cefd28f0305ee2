"""Folders for sockets: nobody else may put another socket there."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

import pytest

import acton_trio as acton
from acton_trio._ipc.paths import bind_socket

STRANGER = 12345

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")


def folder_of(owner: int, mode: int, path: Path) -> Path:
    """Make the folder *path* somebody's."""
    path.mkdir()
    os.chown(path, owner, owner)
    path.chmod(mode)
    return path


def check_that_it_is_refused(path: Path, words: str) -> None:
    """No socket is at *path*, and nothing was made on the way."""
    before = sorted(path.parent.parent.rglob("*"))
    with (
        pytest.raises(acton.ConfigError, match=words) as caught,
        bind_socket(path, 0o600, 5),
    ):
        pass

    assert caught.value.key == "socket.path"
    assert sorted(path.parent.parent.rglob("*")) == before


@only_root
@pytest.mark.parametrize("mode", [0o777, 0o772, 0o770])
def test_folder_that_others_may_change_is_refused(tmp_path: Path, mode: int) -> None:
    """A socket in somebody else's open folder could be replaced by a third."""
    theirs = folder_of(STRANGER, mode, tmp_path / "theirs")
    check_that_it_is_refused(theirs / "s", "others may write")


@only_root
def test_folder_above_that_others_may_change_is_refused(tmp_path: Path) -> None:
    """Whoever can rename our folder can put another one in its place."""
    theirs = folder_of(STRANGER, 0o777, tmp_path / "theirs")
    check_that_it_is_refused(theirs / "ours" / "s", "theirs: .* others may write")


@only_root
def test_folder_above_may_be_that_of_a_group(tmp_path: Path) -> None:
    """As ``/srv`` is in some systems; the one with the socket may not."""
    theirs = folder_of(STRANGER, 0o775, tmp_path / "theirs")
    with bind_socket(theirs / "ours" / "s", 0o600, 5):
        pass


@only_root
def test_folder_behind_a_link_is_looked_at(tmp_path: Path) -> None:
    """Where a link leads to counts as much as where it is."""
    theirs = folder_of(STRANGER, 0o777, tmp_path / "theirs")
    (theirs / "deep").mkdir()
    (tmp_path / "link").symlink_to(theirs / "deep")
    check_that_it_is_refused(tmp_path / "link" / "ours" / "s", "others may write")


@only_root
def test_folder_that_somebody_put_where_all_may_is_refused(tmp_path: Path) -> None:
    """Nobody need have chosen it: in ``/tmp`` anybody can be first with a name."""
    shared = folder_of(0, 0o1777, tmp_path / "tmp")
    theirs = folder_of(STRANGER, 0o755, shared / "acton")
    check_that_it_is_refused(theirs / "s", "everybody can")
    check_that_it_is_refused(theirs / "app" / "s", "everybody can")


@only_root
def test_link_that_somebody_put_where_all_may_is_refused(tmp_path: Path) -> None:
    """It would lead wherever they like, even to a folder of ours."""
    shared = folder_of(0, 0o1777, tmp_path / "tmp")
    (tmp_path / "home").mkdir()
    (shared / "acton").symlink_to(tmp_path / "home")
    os.chown(shared / "acton", STRANGER, STRANGER, follow_symlinks=False)
    check_that_it_is_refused(shared / "acton" / "s", "everybody can")

    assert list((tmp_path / "home").iterdir()) == []


@only_root
def test_shared_folder_itself_is_fine(tmp_path: Path) -> None:
    """In ``/tmp`` nobody can replace what is ours."""
    shared = folder_of(STRANGER, 0o1777, tmp_path / "tmp")
    with bind_socket(shared / "s", 0o600, 5):
        pass


def test_folder_of_ours_in_a_shared_one_is_fine(tmp_path: Path) -> None:
    """It is made for us alone, and nobody can rename it."""
    shared = tmp_path / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    with bind_socket(shared / "acton" / "app" / "s", 0o600, 5):
        assert stat.S_IMODE((shared / "acton").stat().st_mode) == 0o700
        assert stat.S_IMODE((shared / "acton" / "app").stat().st_mode) == 0o700


def test_open_folder_of_our_own_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is ours to open; but the socket is as safe as the folder."""
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with bind_socket(folder / "s", 0o600, 5):
        pass

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"everybody may replace the socket in {folder}"


def test_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    """What we have not made is not ours to change."""
    folder = tmp_path / "there"
    folder.mkdir()
    folder.chmod(0o750)
    with bind_socket(folder / "s", 0o600, 5):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert folder.exists()


@pytest.mark.parametrize("what", ["a file", "a dangling link"])
def test_what_is_no_folder_is_a_clear_error(tmp_path: Path, what: str) -> None:
    """It says which path, and what the system says."""
    place = tmp_path / "place"
    if what == "a file":
        place.write_text("precious")
    else:
        place.symlink_to(tmp_path / "nowhere")
    check_that_it_is_refused(place / "s", "a place where a socket can be")
