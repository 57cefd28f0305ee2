"""`Config`: what can be set for a runtime; frozen, validated, in seconds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import attrs

from .._base.settings import (
    FLAG,
    Kind,
    Schema,
    check_sections,
    seconds,
    whole_number,
)
from .._base.util import publish_names
from .config_files import load

__all__ = ["CONFIG_FILE", "Behavior", "Config", "Defaults", "Limits", "Timeouts"]

# Room is left for what makes it a name of one actor: 63 characters at most.
_STEM: Final = re.compile("[A-Za-z0-9_.-]{1,40}")

_NAME_STEM: Final = Kind(
    expected="1 to 40 letters, digits, '-', '_' or '.'",
    admits=lambda value: isinstance(value, str) and _STEM.fullmatch(value) is not None,
)


@attrs.frozen(kw_only=True)
class Timeouts:
    """How long things may take, in seconds; the reference's defaults."""

    ask: float = attrs.field(default=30.0, validator=seconds())
    """An ask whose caller has no deadline."""

    actor_shutdown: float = attrs.field(default=10.0, validator=seconds())
    """One actor, to stop."""

    system_shutdown: float = attrs.field(default=30.0, validator=seconds())
    """All actors together, to stop."""


@attrs.frozen(kw_only=True)
class Limits:
    """How much there may be of things; the reference's defaults."""

    actor_inbox_capacity: int = attrs.field(default=512, validator=whole_number())
    """Messages in the mailbox of an actor that names no capacity."""

    concurrent_handlers_high_water_mark: int = attrs.field(
        default=100, validator=whole_number()
    )
    """Overlapping `act_on` handlers of an actor that names no number."""


@attrs.frozen(kw_only=True)
class Defaults:
    """What takes the place of what nobody has said."""

    actor_name: str = attrs.field(default="actor", validator=_NAME_STEM)
    """What names are made up of for actors whose factory has none."""


@attrs.frozen(kw_only=True)
class Behavior:
    """What a runtime does unasked."""

    enable_tracing: bool = attrs.field(default=True, validator=FLAG)
    """Whether it writes into the log what its actors do and suffer."""


@attrs.frozen(kw_only=True)
class Config:
    """What can be set for a runtime; lives as long as anybody keeps it."""

    timeouts: Timeouts = attrs.field(factory=Timeouts)
    """How long things may take."""

    limits: Limits = attrs.field(factory=Limits)
    """How much there may be of things."""

    defaults: Defaults = attrs.field(factory=Defaults)
    """What takes the place of what nobody has said."""

    behavior: Behavior = attrs.field(factory=Behavior)
    """What it does unasked."""

    introspection: bool = attrs.field(default=False, validator=FLAG)
    """Whether peers may ask how the actors are: those who can reach a listener."""

    def __attrs_post_init__(self) -> None:
        check_sections(self)

    @classmethod
    def load(
        cls, app_name: str | None = None, *, environ: Mapping[str, str] | None = None
    ) -> Config:
        """Return what the file ``config.toml`` says, and the environment on top.

        The file is that of the application or else the one that applications
        share, of the user or else of the system; the first one that there is.
        Without any, there are the defaults.

        Args:
            app_name: Whose file it is; by default the running script's.
            environ: The environment; by default that of the process.

        Raises:
            ConfigError: If anything there is unknown, or cannot be what it is.
            ValueError: If *app_name* cannot be the name of a folder.
        """
        return load(CONFIG_FILE, "config.toml", app_name, environ)


CONFIG_FILE: Final = Schema(
    Config,
    "ACTON_",
    # Of the reference's, these mean nothing here.
    frozenset(
        {
            "timeouts.read_only_handler_flush",
            "limits.dummy_channel_size",
            "defaults.root_ern",
            "behavior.enable_metrics",
            "tracing.*",
            "paths.*",
        }
    ),
)

publish_names(globals(), __all__)
