"""The certificates that `docs/howto/tls.md` has one make are good for a service."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Final

import pytest

from .pages import ROOT, Page
from .terminals import Printed, Terminal, commands_of

PAGE: Final = Page(ROOT / "docs" / "howto" / "tls.md")


def openssl_version() -> int:
    """Return which OpenSSL there is: 3, for example; 0 if there is none."""
    program = shutil.which("openssl")
    if program is None:
        return 0
    told = subprocess.run(
        [program, "version"], capture_output=True, text=True, check=False, timeout=60
    )
    version = re.match(r"OpenSSL (\d+)", told.stdout)
    return 0 if version is None else int(version[1])


@pytest.mark.skipif(
    openssl_version() < 3, reason="needs the program openssl, 3 or newer"
)
def test_certificates_of_the_page_are_good_for_its_service(tmp_path: Path) -> None:
    """Its commands are typed, once more for a client; then both are tried with them."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    typed = [*commands_of(PAGE.fences("console"))]
    authority, *leaf, serve, call = (each.text for each in typed)
    server = [each.replace("orders.example.org", "localhost") for each in leaf]
    client = [each.replace("orders", "client") for each in leaf]
    with Terminal(tmp_path) as terminal:
        made = [terminal.type(each) for each in (authority, *server, *client)]
        # Not 7443, which may be taken: the service says which one it has got.
        terminal.type(serve.replace("7443", "0"))
        port = terminal.wait_for_news("listening at port").split()[-1]
        answer = terminal.type(call.replace("7443", port))
        stranger = terminal.type(call.replace("7443", port).replace("client.pem", ""))
        code = terminal.end_service()

    assert [each for each in made if each.code] == []
    assert stat.S_IMODE((tmp_path / "orders.pem").stat().st_mode) == 0o600
    assert answer == Printed(typed[-1].shown, 0)
    assert stranger.code == 1
    assert code == 0
