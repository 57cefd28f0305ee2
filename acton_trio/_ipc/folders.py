"""Folders for sockets: ours alone where we make them, refused where others rule.

Who may rename things in a folder on the way to a socket can put a socket of
their own there, and have its clients.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from .addresses import unusable

__all__ = ["make_folder"]

_log = logging.getLogger("acton_trio.ipc")

_GROUP_OR_WORLD: Final = stat.S_IWGRP | stat.S_IWOTH


def make_folder(folder: Path) -> None:
    """Make *folder*, and those above that are missing, for us alone (0700).

    Raises:
        ConfigError: If somebody else could replace what is put there.
        OSError: If the system does not let us.
    """
    # One by one: `parents=True` would give only the last of them the mode, and
    # nothing is made in a folder before that was looked at.
    for each in reversed((folder, *folder.parents)):
        if not each.exists():
            each.mkdir(mode=0o700, exist_ok=True)
        for place in _on_the_way(each):
            _check_writers(place, _GROUP_OR_WORLD if place == folder else stat.S_IWOTH)
            _check_owner(place)
    # Ours, or it would have been refused.
    if _may_be_changed(folder.stat(), stat.S_IWOTH):
        _log.warning("everybody may replace the socket in %s", folder)


def _on_the_way(folder: Path) -> Iterator[Path]:
    """Yield the folders that must stay what they are, those behind links too."""
    ways = [folder, folder.resolve()]
    yield from dict.fromkeys(each for way in ways for each in (way, *way.parents))


def _check_writers(folder: Path, bits: int) -> None:
    """Refuse a folder of somebody else in which third parties may replace things.

    Whoever chooses a folder trusts its owner.
    """
    status = folder.stat()
    if status.st_uid != os.geteuid() and _may_be_changed(status, bits):
        raise unusable(
            folder,
            "a folder in which only its owner can replace files, but it belongs "
            "to somebody else and others may write to it",
        )


def _may_be_changed(status: os.stat_result, bits: int) -> bool:
    """Return whether others than the owner may replace what is not theirs."""
    return bool(status.st_mode & bits) and not status.st_mode & stat.S_ISVTX


def _check_owner(folder: Path) -> None:
    """Refuse what somebody has put where everybody may: nobody chose that one.

    It is the rule that Linux has for files and links in ``/tmp``.
    """
    place = folder.parent.stat()
    is_for_all = place.st_mode & stat.S_ISVTX and place.st_mode & stat.S_IWOTH
    if is_for_all and folder.lstat().st_uid not in (os.geteuid(), place.st_uid):
        raise unusable(
            folder,
            f"a folder of our own, but it belongs to somebody else, who may have "
            f"made it for the purpose: everybody can, in {folder.parent}",
        )
