"""How Sphinx builds these pages: ``./dev docs``."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).with_name("_extensions")))

project = "acton_trio"
author = "the acton_trio authors"
copyright = author  # noqa: A001 - Sphinx's word
release = version_of("acton-trio")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinxcontrib_trio",
    "diagrams",
    "facades",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"acton_trio {release}"

# Single backticks in docstrings name things.
default_role = "py:obj"
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints_format = "short"
# What sphinxcontrib_trio builds on.
autodoc_use_legacy_class_based = True
# A page is meant by [](page.md#heading), and not a method of that name.
myst_ref_domains = ["std"]

nitpick_ignore = [
    # The kernel's own: who writes a mailbox or a codec imports them from there.
    ("py:class", "acton_trio._kernel.envelope.Envelope"),
    ("py:class", "acton_trio._base.formats.Format"),
    # What `Runtime.ipc_registry` is; it is never named by users.
    ("py:class", "acton_trio._messages.registry.MessageRegistry"),
    # Of a package that need not be installed.
    ("py:class", "TracerProvider"),
    ("py:obj", "opentelemetry.propagate"),
]
nitpick_ignore_regex = [
    # Type variables: a name, and no place.
    ("py:class", r"[A-Z]|[A-Z]\w*T|Ts|T_co"),
]
