"""How Sphinx builds these pages: ``./dev docs``."""

from __future__ import annotations

from importlib.metadata import version as version_of

project = "acton_trio"
author = "the acton_trio authors"
copyright = author  # noqa: A001 - Sphinx's word
release = version_of("acton-trio")

extensions = ["myst_parser", "sphinxcontrib_trio"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"acton_trio {release}"
