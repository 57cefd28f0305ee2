"""What files and the environment can say, and that nothing else is taken for it."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings, strategies as st

import acton_trio as acton
from acton_trio._base.settings import FLAG, Schema, Setting
from acton_trio._ipc.config import IPC_FILE
from acton_trio._runtime.config import CONFIG_FILE
from acton_trio._wire.frames import MAX_FRAME_SIZE

SCHEMAS = [
    pytest.param(CONFIG_FILE, id="config.toml"),
    pytest.param(IPC_FILE, id="ipc.toml"),
]
SOURCE = "/etc/xdg/acton/x.toml"

SETTINGS = [
    pytest.param(schema, setting, id=setting.path)
    for schema in (CONFIG_FILE, IPC_FILE)
    for setting in schema.settings()
]

# A value as a file has it, and as Python has it.
Pair: TypeAlias = tuple[object, object]


def same(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Pair]:
    """Return pairs of each value and itself."""
    return values.map(lambda value: (value, value))


def durations(least: float, *, exclude_min: bool = False) -> st.SearchStrategy[Pair]:
    """Return milliseconds, whole or not, and their seconds."""
    numbers = st.floats(least, exclude_min=exclude_min) | st.integers(1, 10**9)
    return numbers.map(lambda number: (number, number / 1000))


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
DIGITS = st.sampled_from("01234567")
STEM = st.from_regex("[A-Za-z0-9_.-]{1,40}", fullmatch=True)
POSITIVE = durations(1e-300, exclude_min=True)
COUNT = same(st.integers(1, 2**70))
MODES = st.integers(0, 0o777)
IDS: st.SearchStrategy[Pair] = st.lists(st.integers(0, 2**32)).map(
    lambda ids: (ids, tuple(ids))
)

# What each setting can be.
VALUES: Mapping[str, st.SearchStrategy[Pair]] = {
    "timeouts.ask": POSITIVE,
    "timeouts.actor_shutdown": POSITIVE,
    "timeouts.system_shutdown": POSITIVE,
    "limits.actor_inbox_capacity": COUNT,
    "limits.concurrent_handlers_high_water_mark": COUNT,
    "defaults.actor_name": same(STEM),
    "behavior.enable_tracing": same(st.booleans()),
    ".introspection": same(st.booleans()),
    "socket.path": TEXT.filter(lambda text: text and "\0" not in text).map(
        lambda text: (text, Path(text))
    ),
    "socket.mode": same(MODES)
    | MODES.map(lambda mode: (f"0{mode:03o}", mode))
    | MODES.map(lambda mode: (f"0o{mode:03o}", mode)),
    "socket.systemd": same(st.booleans()),
    "access.allow_uids": IDS,
    "access.allow_gids": IDS,
    "socket.app_name": same(st.from_regex(r"[a-z][a-z0-9_.-]{0,20}", fullmatch=True)),
    "limits.max_connections": COUNT,
    "limits.max_message_size": same(st.integers(1, MAX_FRAME_SIZE)),
    "limits.max_in_flight": COUNT,
    "timeouts.request_timeout": durations(0),
    "timeouts.read_timeout": durations(0),
    "limits.push_buffer_size": COUNT,
    "limits.max_response_timeout": POSITIVE,
    "rate_limit.enabled": same(st.booleans()),
    "rate_limit.requests_per_second": same(st.floats(1e-300, 1e300)),
    "rate_limit.burst_size": COUNT,
    "timeouts.subscription_read_timeout": durations(0),
    "timeouts.handshake_timeout": durations(0),
    "timeouts.write_timeout": durations(0),
    "shutdown.drain_timeout": durations(0),
    "errors.expose_details": same(st.booleans()),
}

# What nothing can be, and what only some things cannot be.
NONSENSE = st.sampled_from([[], [1], {}, {"a": 1}, -1, -0.5, math.nan, -math.inf])
NO_NUMBER = NONSENSE | TEXT | st.booleans()
NO_WHOLE_NUMBER = NO_NUMBER | st.just(0) | st.floats()
NO_TEXT = NONSENSE | st.booleans() | st.integers() | st.floats()


def wrong_values_of(setting: Setting) -> st.SearchStrategy[Any]:
    """Return what a file cannot have for *setting*."""
    if setting.key.endswith("_ms"):
        return NO_NUMBER
    if setting.field == "mode":
        wrong = ["", "rw", "8888", "0o1777", "-0600", "06000"]
        return (
            NONSENSE | st.booleans() | st.floats() | st.sampled_from([*wrong, 0o1000])
        )
    if setting.kind is FLAG:
        return NONSENSE | TEXT | st.integers()
    if setting.field == "actor_name":
        return NO_TEXT | st.sampled_from(["", "a b", "x" * 41, "é", "a/b", "a\n"])
    if setting.field == "path":
        return NO_TEXT | st.sampled_from(["", "a\0b"])
    if setting.field == "max_message_size":
        return NO_WHOLE_NUMBER | st.integers(MAX_FRAME_SIZE + 1)
    if setting.section == "access":
        return st.sampled_from([{}, [-1], [0.5], ["1"], [True], [[1]], 1, "a", ""])
    if setting.field == "requests_per_second":
        return NO_NUMBER | st.sampled_from([0, 0.0, math.inf])
    return NO_TEXT if setting.field == "app_name" else NO_WHOLE_NUMBER


def toml_of(tables: Mapping[str, Mapping[str, object]]) -> str:
    """Return *tables* as a file has them."""
    lines: list[str] = []
    # Those that stand beside the sections come first.
    for section, table in sorted(tables.items()):
        lines += [f"[{section}]"] * bool(section)
        lines += [f"{key} = {written(value)}" for key, value in table.items()]
    return "\n".join(lines)


def written(value: object) -> str:
    """Return *value* as TOML has it."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case str():
            return '"' + "".join(f"\\U{ord(each):08x}" for each in value) + '"'
        case list():
            return "[" + ", ".join(map(written, value)) + "]"
        case dict():
            return (
                "{" + ", ".join(f"{k} = {written(v)}" for k, v in value.items()) + "}"
            )
        case _:
            raise AssertionError(value)


def read(schema: Schema[Any], text: str) -> Any:
    """Return what a file says that reads *text*."""
    return schema.read(tomllib.loads(text), SOURCE, {}).config


def refused(schema: Schema[Any], text: str) -> acton.ConfigError:
    """Return the error that a file ends in that reads *text*."""
    with pytest.raises(acton.ConfigError) as caught:
        read(schema, text)
    return caught.value


@pytest.mark.parametrize("schema", SCHEMAS)
@settings(deadline=None)
@given(data=st.data())
def test_configuration_in_a_file_is_read_back_equal(
    schema: Schema[Any], data: st.DataObject
) -> None:
    """Whatever can be set, in full or in part, means the same in either place."""
    tables: dict[str, dict[str, object]] = {}
    fields: dict[str, dict[str, object]] = {}
    for setting in schema.settings():
        if not data.draw(st.booleans()):
            continue
        key = data.draw(st.sampled_from(sorted(setting.keys)))
        pair = data.draw(VALUES[f"{setting.section}.{setting.field}"])
        tables.setdefault(setting.section, {})[key] = pair[0]
        fields.setdefault(setting.section, {})[setting.field] = pair[1]
    alone = fields.pop("", {})
    sections = {
        name: section(**fields.get(name, {}))
        for name, section in schema.sections().items()
    }

    assert read(schema, toml_of(tables)) == schema.config(**sections, **alone)


@pytest.mark.parametrize(("schema", "setting"), SETTINGS)
@settings(deadline=None)
@given(data=st.data())
def test_wrong_value_is_refused_by_file_and_key(
    schema: Schema[Any], setting: Setting, data: st.DataObject
) -> None:
    """Of a wrong type, or out of range: the error says where, and what would do."""
    wrong = data.draw(wrong_values_of(setting))
    key = data.draw(st.sampled_from(sorted(setting.keys)))
    error = refused(schema, toml_of({setting.section: {key: wrong}}))

    assert error.source == SOURCE
    assert error.key == f"{setting.section}.{key}".removeprefix(".")
    assert error.expected.startswith("expected ")
    assert all(part in str(error) for part in (SOURCE, error.key, error.expected))


@pytest.mark.parametrize("schema", SCHEMAS)
@settings(deadline=None)
@given(data=st.data())
def test_unknown_key_is_refused_by_file_and_key(
    schema: Schema[Any], data: st.DataObject
) -> None:
    """A key that nobody reads is a mistake, in every section."""
    known = {each for setting in schema.settings() for each in setting.keys}
    idle = {each.partition(".")[2] for each in schema.without_effect}
    section = data.draw(st.sampled_from(sorted(schema.sections())))
    key = data.draw(st.from_regex("[A-Za-z0-9_-]+", fullmatch=True))
    if key in known | idle:
        key += "s"
    error = refused(schema, toml_of({section: {key: 1}}))

    assert (error.source, error.key) == (SOURCE, f"{section}.{key}")


@pytest.mark.parametrize(("schema", "setting"), SETTINGS)
def test_mistyped_key_is_told_the_nearest_one(
    schema: Schema[Any], setting: Setting
) -> None:
    """A letter is missing, in a file or in the name of a variable."""
    typo = setting.key[0] + setting.key[2:]
    error = refused(schema, toml_of({setting.section: {typo: 1}}))

    assert error.expected.endswith(f"did you mean {setting.key}?")

    if not setting.section:
        # It might be somebody else's.
        return
    prefix = f"{schema.prefix}{setting.section.upper()}_"
    with pytest.raises(acton.ConfigError) as caught:
        schema.read({}, "", {prefix + typo.upper(): "1"})

    assert caught.value.source == prefix + typo.upper()
    assert caught.value.expected.endswith(f"mean {prefix}{setting.key.upper()}?")


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize(
    ("text", "key"),
    [
        pytest.param("[timeout]\nask_ms = 1", "timeout", id="a section"),
        pytest.param("ask_ms = 1", "ask_ms", id="a key outside of sections"),
        pytest.param("limits = 1", "limits", id="a section that is a number"),
        pytest.param("[[limits]]", "limits", id="a section that is a list"),
    ],
)
def test_what_is_no_section_is_refused(
    schema: Schema[Any], text: str, key: str
) -> None:
    """The key is the name that it has, and what is expected are sections."""
    error = refused(schema, text)

    assert (error.source, error.key) == (SOURCE, key)
    assert "limits" in error.expected
    assert ("did you mean timeouts?" in error.expected) is (key == "timeout")


@pytest.mark.parametrize(("schema", "setting"), SETTINGS)
def test_variable_is_on_top_of_the_file(schema: Schema[Any], setting: Setting) -> None:
    """Every key has a variable, and it wins."""
    texts = {"mode": "0640", "path": "/s", "app_name": "app", "actor_name": "worker"}
    text = texts.get(setting.field, "7")
    value: object = texts.get(setting.field, 7)
    below: dict[str, dict[str, object]] = {setting.section: {setting.key: 3}}
    if setting.section == "access":
        text, value = "7,0", [7, 0]
        below[setting.section][setting.key] = [3]
    if setting.kind is FLAG:
        value = not setting.default
        text = str(value).lower()
        below[setting.section][setting.key] = setting.default
    if setting.field in texts:
        below[setting.section][setting.key] = "600"
    variable = schema.prefix + setting.path.replace(".", "_").upper()
    tables = tomllib.loads(toml_of(below))
    reading = schema.read(tables, SOURCE, {variable: text})
    below[setting.section][setting.key] = value

    assert reading.config == read(schema, toml_of(below))
    assert reading.config != schema.config()


@pytest.mark.parametrize(
    ("schema", "variable", "text"),
    [
        (CONFIG_FILE, "ACTON_TIMEOUTS_ASK_MS", "5s"),
        (CONFIG_FILE, "ACTON_TIMEOUTS_ASK", "nan"),
        (CONFIG_FILE, "ACTON_LIMITS_ACTOR_INBOX_CAPACITY", "6.5"),
        (CONFIG_FILE, "ACTON_BEHAVIOR_ENABLE_TRACING", "maybe"),
        (IPC_FILE, "ACTON_IPC_SOCKET_MODE", "9"),
        (IPC_FILE, "ACTON_IPC_LIMITS_MAX_CONNECTIONS", "0"),
    ],
)
def test_wrong_variable_is_refused_by_its_name(
    schema: Schema[Any], variable: str, text: str
) -> None:
    """The source is the variable, the text says what it was."""
    with pytest.raises(acton.ConfigError) as caught:
        schema.read({}, SOURCE, {variable: text})

    section, _, key = variable.removeprefix(schema.prefix).lower().partition("_")
    assert (caught.value.source, caught.value.key) == (variable, f"{section}.{key}")
    assert repr(text) in caught.value.expected


@pytest.mark.parametrize("schema", SCHEMAS)
def test_variable_of_somebody_else_is_left_alone(schema: Schema[Any]) -> None:
    """Others may begin with the same letters; empty ones say nothing."""
    environ = {
        "ACTON_TREE_RUNS": "5",
        "ACTON_SEEDS": "x",
        "ACTON_LIMITS": "",
        "ACTON_IPC": "yes",
        "ACTON_TRACING_DEBUG": "x",
        "ACTON_IPC_ADDRESS": "here",
        "ACTON_TIMEOUTS_ASK_MS": "",
        "ACTON_IPC_LIMITS_NONSENSE": "",
        "limits_actor_inbox_capacity": "x",
        "TIMEOUTS_ASK_MS": "x",
    }

    assert schema.read({}, SOURCE, environ).config == schema.config()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("ask_ms = 1\nask = 1", "timeouts.ask"),
        ("actor_shutdown = 1\nactor_shutdown_ms = 2", "timeouts.actor_shutdown_ms"),
    ],
)
def test_one_duration_said_twice_is_refused(text: str, key: str) -> None:
    """With and without its unit: nobody guesses which one is meant."""
    error = refused(CONFIG_FILE, f"[timeouts]\n{text}")

    assert error.key == key
    assert "got both" in error.expected

    both = {"ACTON_TIMEOUTS_ASK": "1", "ACTON_TIMEOUTS_ASK_MS": "1"}
    with pytest.raises(acton.ConfigError, match="ACTON_TIMEOUTS_ASK, got both"):
        CONFIG_FILE.read({}, SOURCE, both)


def test_number_beyond_all_floats_is_refused() -> None:
    """Arithmetic that overflows is a wrong value like others."""
    error = refused(CONFIG_FILE, f"[timeouts]\nask = 1{'0' * 400}")

    assert error.key == "timeouts.ask"


@pytest.mark.parametrize("schema", SCHEMAS)
def test_key_without_effect_is_accepted_whatever_it_says(schema: Schema[Any]) -> None:
    """It is told of, and changes nothing."""
    names = sorted(each.replace("*", "anything") for each in schema.without_effect)
    tables: dict[str, dict[str, object]] = {}
    for name in names:
        section, _, key = name.partition(".")
        tables.setdefault(section, {})[key] = [-1]
    reading = schema.read(tables, SOURCE, {})

    assert reading.config == schema.config()
    assert sorted(reading.without_effect) == names
