"""Directives that draw: ``{state-machine} NAME`` and ``{layers}``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import drawings
import machines
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

PROJECT: Final = Path(__file__).parents[2] / "pyproject.toml"


class StateMachine(SphinxDirective):
    """A drawing of one of `machines.MACHINES`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Draw it."""
        name = self.arguments[0]
        if name not in machines.MACHINES:
            msg = f"there is no machine {name!r}, but {', '.join(machines.MACHINES)}"
            raise self.error(msg)
        svg = drawings.draw_machine(machines.MACHINES[name])
        return [nodes.raw("", svg, format="html")]


class Layers(SphinxDirective):
    """A drawing of the layers, from the contracts on imports."""

    def run(self) -> list[nodes.Node]:
        """Draw them."""
        project = PROJECT.read_text(encoding="utf-8")
        layers = machines.layers_of(project)
        pure = machines.pure_packages(project)
        svg = drawings.draw_layers("The layers", layers, pure)
        return [nodes.raw("", svg, format="html")]


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx."""
    app.add_directive("state-machine", StateMachine)
    app.add_directive("layers", Layers)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
