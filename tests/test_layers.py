"""The shape of the package: one direction of imports, and empty doors."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import acton_trio

PACKAGE = Path(next(iter(acton_trio.__path__)))
ROOT = Path(__file__).parents[1]


def test_private_packages_have_empty_init_files() -> None:
    """Importing a module of a layer runs nothing but that module's imports."""
    inits = sorted(PACKAGE.glob("_*/__init__.py"))

    assert len(inits) >= 9
    assert [
        each.parent.name for each in inits if each.read_text(encoding="utf-8")
    ] == []


@pytest.mark.skipif(
    importlib.util.find_spec("importlinter") is None,
    reason="import-linter is a tool of the working tree, not installed beside a wheel",
)
def test_imports_point_downward() -> None:
    """The contracts of pyproject.toml hold."""
    code = "from importlinter.cli import lint_imports_command as c; c()"
    finished = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode == 0, finished.stdout
