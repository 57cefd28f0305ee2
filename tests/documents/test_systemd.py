"""What `docs/howto/systemd.md` shows for trying it by hand works."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

import pytest

from .pages import ROOT, Page
from .terminals import Printed, Terminal, commands_of

PAGE: Final = Page(ROOT / "docs" / "howto" / "systemd.md")


@pytest.mark.skipif(
    shutil.which("systemd-socket-activate") is None,
    reason="needs systemd-socket-activate, of systemd",
)
def test_service_is_started_by_who_connects(tmp_path: Path) -> None:
    """It has the socket that it is passed, answers, logs, and ends in order."""
    (tmp_path / "orders.py").write_text(PAGE.fences("python")[0].text, "utf-8")
    listen, ask = commands_of(PAGE.fences("console"))
    command = listen.text.replace("/tmp/", f"{tmp_path}/")
    if "PYTHONPATH" in os.environ:
        # Nothing is passed on by itself, and the tests may be for another tree.
        command = command.replace(" -l ", " -E PYTHONPATH -l ")
    with Terminal(tmp_path) as terminal:
        terminal.type(command)
        terminal.wait_for_news("Listening on")
        answer = terminal.type(ask.text.replace("/tmp/", f"{tmp_path}/"))
        assert answer == Printed(ask.shown, 0)
        logged = terminal.wait_for_news("order 1")
        code = terminal.end_service()
        said = terminal.wait_for_news("stopping")

    assert logged == "<6>orders: order 1: tea\n"
    assert said == "<6>-: stopping: SIGTERM came\n"
    assert code == 0
