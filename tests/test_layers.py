"""The shape of the package: one direction of imports, and empty doors."""

from __future__ import annotations

import importlib.util
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import acton_trio

# Where it is installed: a tree or a wheel.
PACKAGE = Path(next(iter(acton_trio.__path__)))

# Where pyproject.toml is: the tree's root, or a copy of it.
ROOT = Path(__file__).parents[1]

TOP = {each.name for each in pkgutil.iter_modules(acton_trio.__path__)}
FACADES = {name for name in TOP if not name.startswith("_")}
PURE = {"_base", "_messages", "_policy", "_wire"}


def contracts() -> dict[str, dict[str, Any]]:
    """Return what import-linter is told, by name."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return {each["name"]: each for each in listed}


def names(lines: list[str]) -> set[str]:
    """Return the modules named in *lines*, without packages and brackets."""
    return {name for line in lines for name in re.findall(r"\w+(?!\w|\.)", line)}


@pytest.mark.parametrize("name", sorted(TOP - FACADES))
def test_private_package_has_an_empty_init_file(name: str) -> None:
    """Importing a module of a layer runs nothing but that module's imports."""
    init = PACKAGE / name / "__init__.py"

    assert init.read_bytes() == b"" if init.parent.is_dir() else True


def test_private_packages_are_all_looked_at() -> None:
    """The test above has found the layers, wherever they are installed."""
    folders = {each.parent.name for each in PACKAGE.glob("*/__init__.py")}

    assert {*PURE, "_kernel", "_supervision", "_runtime", "_ipc"} <= folders <= TOP


def test_every_package_has_its_place_in_the_layers() -> None:
    """A new package chooses who may import it, and whom it may import."""
    contract = contracts()["Imports point downward"]
    optional = {
        name for line in contract["layers"] for name in re.findall(r"\((\w+)\)", line)
    }

    assert contract["exhaustive"]
    assert names(contract["layers"]) >= TOP
    assert names(contract["layers"]) - optional <= TOP


def test_layers_below_the_kernel_are_the_pure_ones() -> None:
    """What does no I/O is exactly what everything else is built on."""
    layers: list[str] = contracts()["Imports point downward"]["layers"]
    pure = contracts()["Decisions and protocols do no I/O and read no clock"]

    assert names(layers[layers.index("_kernel") + 1 :]) == PURE
    assert names(pure["source_modules"]) == PURE
    assert {"os", "random", "socket", "time", "trio"} <= names(
        pure["forbidden_modules"]
    )


def test_no_private_package_is_left_out_of_the_ban_on_facades() -> None:
    """Every layer is told not to import from above, and from all of it."""
    contract = contracts()["Nothing inside imports a facade"]

    assert names(contract["source_modules"]) >= TOP - FACADES - {"__main__"}
    assert names(contract["forbidden_modules"]) >= FACADES - {"pytest_plugin"}


def test_pure_layers_run_without_trio() -> None:
    """Decisions and the protocol serve programs of every other I/O library."""
    modules = [
        module.name
        for name in sorted(PURE)
        for module in pkgutil.walk_packages(
            [str(PACKAGE / name)], f"acton_trio.{name}."
        )
        # Two errors are trio's by their base classes.
        if module.name != "acton_trio._base.patience"
    ]
    code = f"import {', '.join(modules)}, sys; sys.exit('trio' in sys.modules)"
    finished = subprocess.run(
        # -P: not the package in the current directory.
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )

    assert len(modules) > len(PURE)
    assert finished.returncode == 0, finished.stderr or "trio was imported"


@pytest.mark.skipif(
    importlib.util.find_spec("importlinter") is None,
    reason="import-linter is a tool of the working tree, not installed beside a wheel",
)
def test_imports_point_downward() -> None:
    """The contracts of pyproject.toml hold."""
    code = "from importlinter.cli import lint_imports_command as c; c()"
    finished = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert f"{len(contracts())} kept, 0 broken" in finished.stdout
