"""What can be set, and how a file or the environment says it.

A configuration is a frozen class of sections, a section a frozen class of
settings; a setting may also stand beside the sections.  And the validator of a setting is its `Kind`: what it is in Python, in
a file and in the environment.  The classes are the table that files are read
by, so that no key can be in one and not in the other.

Nothing is opened here: a file comes as the mapping that its TOML is, the
environment as another.
"""

from __future__ import annotations

import difflib
import math
import sys
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, Generic, TypeGuard, TypeVar, final

import attrs

from .errors import ConfigError
from .teaching import lesson
from .util import shown

__all__ = [
    "FLAG",
    "Kind",
    "Reading",
    "Schema",
    "Setting",
    "check_sections",
    "optional",
    "rate",
    "seconds",
    "whole_number",
    "whole_numbers",
]

ConfigT = TypeVar("ConfigT", bound=attrs.AttrsInstance)


def _same(value: object) -> object:
    return value


@final
@attrs.frozen(kw_only=True)
class Kind:
    """What a setting can be; it is the validator of the setting's field, too."""

    expected: str
    """What it is, for people."""

    admits: Callable[[object], bool]
    """Whether a value of Python is such a one."""

    in_files: str | None = None
    """What it is in files, for people, if that is something else."""

    suffix: str = ""
    """What its key has in files and its field has not: a unit."""

    from_file: Callable[[object], object] = _same
    """Makes a value of Python of one of TOML, or raises `ValueError`."""

    from_text: Callable[[str], object] = _same
    """Makes a value of TOML of a text, or raises `ValueError`."""

    def __call__(
        self, instance: object, field: attrs.Attribute[Any], value: object
    ) -> None:
        """Refuse *value* if it is no such one, as attrs has validators do."""
        if not self.admits(value):
            raise ConfigError(
                type(instance).__name__,
                field.name,
                f"expected {self.expected}, got {shown(value)}",
            )

    def read(self, value: object, *, is_text: bool) -> object:
        """Return what *value* of a file, or a text of the environment, means.

        Raises:
            ValueError: If it is none of this kind; the text says what would be.
        """
        try:
            found = self.from_file(self.from_text(str(value)) if is_text else value)
            if self.admits(found):
                return found
        except (ValueError, OverflowError):
            pass
        msg = f"expected {self.in_files or self.expected}, got {shown(value)}"
        raise ValueError(msg)


def seconds(*, or_zero: bool = False) -> Kind:
    """Return the kind of a duration: seconds in Python, milliseconds in files."""

    def admits(value: object) -> bool:
        # NaN is neither; and a number that no float holds is no time.
        if not _is_number(value) or sys.float_info.max < value < math.inf:
            return False
        return value > 0 or (or_zero and value == 0)

    least = "from 0 on" if or_zero else "above 0"
    return Kind(
        expected=f"a number of seconds {least}",
        admits=admits,
        in_files=f"a number of milliseconds {least}",
        suffix="_ms",
        from_file=_of_milliseconds,
        from_text=float,
    )


def whole_number(*, unit: str = "", most: int | None = None) -> Kind:
    """Return the kind of a whole number from 1 on, *most* at most."""

    def admits(value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int):
            return False
        return value >= 1 and (most is None or value <= most)

    limits = "from 1 on" if most is None else f"from 1 to {most}"
    return Kind(
        expected=f"a whole number {unit}{' ' if unit else ''}{limits}",
        admits=admits,
        from_text=int,
    )


def rate(unit: str) -> Kind:
    """Return the kind of a number of things per second, above 0."""
    return Kind(
        expected=f"a number of {unit} per second above 0",
        admits=lambda value: _is_number(value) and 0 < value < math.inf,
        from_text=float,
    )


def whole_numbers(unit: str) -> Kind:
    """Return the kind of some whole numbers from 0 on: a tuple, in files a list."""
    return Kind(
        expected=f"a tuple of {unit}, whole numbers from 0 on",
        admits=_are_whole,
        in_files=f"a list of {unit}, whole numbers from 0 on",
        from_file=_tuple_of,
        # In the environment with commas between them.
        from_text=lambda text: [int(each) for each in text.split(",")],
    )


def optional(kind: Kind) -> Kind:
    """Return *kind* for a setting that may be ``None``; files then leave it out."""

    def admits(value: object) -> bool:
        return value is None or kind.admits(value)

    return attrs.evolve(
        kind,
        expected=f"{kind.expected}, or None",
        admits=admits,
        in_files=kind.in_files or kind.expected,
    )


def check_sections(config: object) -> None:
    """Refuse a config one of whose sections is something else.

    Raises:
        ConfigError: If one is; it says what was expected.
    """
    for name, section in typing.get_type_hints(type(config)).items():
        found = getattr(config, name)
        if not isinstance(found, section):
            kind, cls = section.__name__, type(config).__name__
            expected = lesson(
                f"expected {kind}(...), got {shown(found)}",
                f"{cls}({name}={shown(found, 60)})",
                f"{cls}({name}={kind}({_as_arguments(found)}))",
            )
            raise ConfigError(cls, name, expected)


def _as_arguments(found: object) -> str:
    if not isinstance(found, dict):
        return "..."
    values = typing.cast("dict[object, object]", found).items()
    return ", ".join(f"{key}={shown(value, 20)}" for key, value in values)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _are_whole(value: object) -> bool:
    if not isinstance(value, tuple):
        return False
    members = typing.cast("tuple[object, ...]", value)
    return all(type(each) is int and each >= 0 for each in members)


def _tuple_of(value: object) -> object:
    # Anything else than a list stays what it is, which `admits` refuses.
    if isinstance(value, list):
        return tuple(typing.cast("list[object]", value))
    return value


def _of_milliseconds(value: object) -> float:
    if not _is_number(value):
        raise ValueError  # `Kind.read` says what would be one.
    return value / 1000


_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}

FLAG: Final = Kind(
    expected="true or false",
    admits=lambda value: isinstance(value, bool),
    from_text=lambda text: _FLAGS.get(text.lower()),
)


@final
@attrs.frozen
class Setting:
    """One thing that can be set: where it is, of which kind, and its default."""

    section: str
    """The name of its section; empty if it stands beside them."""

    field: str
    kind: Kind
    default: object

    @property
    def key(self) -> str:
        """What it is called in its section of a file."""
        return self.field + self.kind.suffix

    @property
    def path(self) -> str:
        """What it is called in a file: ``limits.this``."""
        return f"{self.section}.{self.key}".removeprefix(".")

    @property
    def keys(self) -> set[str]:
        """All that it is called there, which is without its unit, too."""
        return {self.key, self.field}


@final
@attrs.frozen
class Reading(Generic[ConfigT]):
    """What was read: the configuration, and what was said in vain."""

    config: ConfigT
    without_effect: tuple[str, ...]
    """The keys of the file that are known, and mean nothing here."""


@final
@attrs.frozen
class Schema(Generic[ConfigT]):
    """What a file and the environment can say, of one class of configuration."""

    config: type[ConfigT]
    prefix: str
    """What the variables of the environment begin with."""

    without_effect: frozenset[str] = frozenset()
    """Keys that are accepted, whatever they say: ``limits.this``, ``paths.*``."""

    def sections(self) -> dict[str, type[attrs.AttrsInstance]]:
        """Return the classes of the sections, by name."""
        # A section is made by its class, and so its default is a factory.
        made = {
            field.name: getattr(field.default, "factory", None)
            for field in attrs.fields(self.config)
        }
        return {name: section for name, section in made.items() if section is not None}

    def settings(self) -> Iterator[Setting]:
        """Yield all that can be set, in the order of the classes."""
        sections = self.sections()
        for each in attrs.fields(self.config):
            if each.name not in sections:
                yield Setting("", each.name, each.validator, each.default)
                continue
            for field in attrs.fields(sections[each.name]):
                yield Setting(each.name, field.name, field.validator, field.default)

    def read(
        self, tables: Mapping[str, object], source: str, environ: Mapping[str, str]
    ) -> Reading[ConfigT]:
        """Return what *tables* say, and on top of them *environ*.

        Args:
            tables: What a file holds; empty if there is none.
            source: Where that file is.
            environ: The environment's variables.

        Raises:
            ConfigError: If anything is unknown, said twice or no value.
        """
        reader = _Reader(self)
        reader.read_file(tables, source)
        reader.read_environment(environ)
        sections = {
            name: section(**reader.values[name])
            for name, section in self.sections().items()
        }
        config = self.config(**sections, **reader.values[""])
        return Reading(config, tuple(reader.without_effect))


@final
@attrs.frozen
class _Word:
    """One thing that is said: by a line of a file, or a variable."""

    key: str
    """What it is about, as a file would have it."""

    spelling: str
    """What it is about, as it is spelled."""

    value: object
    source: str
    is_text: bool = False


@final
class _Reader:
    """What has been read so far."""

    def __init__(self, schema: Schema[Any]) -> None:
        self.schema = schema
        self.sections: dict[str, list[Setting]] = {"": []}
        for setting in schema.settings():
            self.sections.setdefault(setting.section, []).append(setting)
        self.values: dict[str, dict[str, object]] = {name: {} for name in self.sections}
        self.without_effect: list[str] = []

    def read_file(self, tables: Mapping[str, object], source: str) -> None:
        """Take what a file says."""
        ignored = {each.partition(".")[0] for each in self.schema.without_effect}
        alone = {key for setting in self.sections[""] for key in setting.keys}
        known = {*self.sections, *alone} - {""}
        words = [
            _Word(key, key, value, source)
            for key, value in tables.items()
            if key in alone
        ]
        self._take("", words, str)
        for section, table in tables.items():
            if section in alone:
                continue
            if section not in ignored | known:
                raise ConfigError(source, section, _unknown(section, known))
            if not isinstance(table, Mapping):
                expected = f"expected a table, [{section}], got {shown(table)}"
                raise ConfigError(source, section, expected)
            entries = typing.cast("Mapping[str, object]", table)
            words = list[_Word]()
            for key, value in entries.items():
                if self._is_idle(section, key):
                    self.without_effect.append(f"{section}.{key}")
                else:
                    words.append(_Word(key, key, value, source))
            self._take(section, words, str)

    def read_environment(self, environ: Mapping[str, str]) -> None:
        """Take what the environment says, on top of what a file said.

        An empty variable says nothing, nor does one of no section.
        """
        for setting in self.sections[""]:
            name = f"{self.schema.prefix}{setting.key.upper()}"
            value = environ.get(name)
            if value:
                word = _Word(setting.key, name, value, name, is_text=True)
                self._take("", [word], partial(_variable, self.schema.prefix))
        for section in self.sections.keys() - {""}:
            prefix = f"{self.schema.prefix}{section.upper()}_"
            words = [
                _Word(
                    name.removeprefix(prefix).lower(), name, value, name, is_text=True
                )
                for name, value in sorted(environ.items())
                if name.startswith(prefix) and value
            ]
            self._take(section, words, partial(_variable, prefix))

    def _is_idle(self, section: str, key: str) -> bool:
        names = {f"{section}.{key}", f"{section}.*"}
        return not self.schema.without_effect.isdisjoint(names)

    def _take(
        self, section: str, words: Iterable[_Word], spell: Callable[[str], str]
    ) -> None:
        spoken: dict[str, str] = {}
        for word in words:
            name = f"{section}.{word.key}".removeprefix(".")
            setting = self._find(section, word, spell)
            if setting is None:
                known = [spell(each.key) for each in self.sections[section]]
                raise ConfigError(word.source, name, _unknown(word.spelling, known))
            if setting.field in spoken:
                expected = f"expected this or {spoken[setting.field]}, got both"
                raise ConfigError(word.source, name, expected)
            spoken[setting.field] = word.spelling
            try:
                value = setting.kind.read(word.value, is_text=word.is_text)
            except ValueError as error:
                raise ConfigError(word.source, name, str(error)) from None
            self.values[section][setting.field] = value

    def _find(
        self, section: str, word: _Word, spell: Callable[[str], str]
    ) -> Setting | None:
        for setting in self.sections[section]:
            if word.spelling in map(spell, setting.keys):
                return setting
        return None


def _variable(prefix: str, key: str) -> str:
    return prefix + key.upper()


def _unknown(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"expected one of {', '.join(names)}{hint}"
