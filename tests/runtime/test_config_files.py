"""Which file is read, what is read of it, and what happens when it is broken."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

import acton_trio as acton

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Return what writes a file below folders that are the test's own."""
    for variable, folder in {
        "HOME": "home",
        "XDG_CONFIG_HOME": "user",
        "XDG_CONFIG_DIRS": "one:two",
    }.items():
        paths = [str(tmp_path / each) for each in folder.split(":")]
        monkeypatch.setenv(variable, ":".join(paths))
    monkeypatch.setattr("sys.argv", ["/opt/orders.py"])

    def write(path: str, text: str) -> Path:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        return file

    return write


def capacity(number: int) -> str:
    """Return a file that says one thing."""
    return f"[limits]\nactor_inbox_capacity = {number}\n"


def found(app_name: str | None = None) -> int:
    """Return the one thing that the file which is found says."""
    return acton.Config.load(app_name).limits.actor_inbox_capacity


# The places in which a file is looked for, the last one first.
PLACES = [
    "two/acton/config.toml",
    "two/acton/orders/config.toml",
    "one/acton/config.toml",
    "one/acton/orders/config.toml",
    "user/acton/config.toml",
    "user/acton/orders/config.toml",
]


def test_without_a_file_there_are_the_defaults(write: Write) -> None:
    """Nothing is there: that is no error."""
    assert acton.Config.load() == acton.Config()


def test_first_file_in_order_is_the_one(write: Write) -> None:
    """The user's before the system's, and the application's before the shared one."""
    for number, place in enumerate(PLACES, 1):
        write(place, capacity(number))

        assert found() == number
    assert found("orders") == len(PLACES)
    assert found("other") == PLACES.index("user/acton/config.toml") + 1


def test_files_are_not_merged(write: Write) -> None:
    """What the file leaves out has its default, not what another file says."""
    write("user/acton/config.toml", "[timeouts]\nask_ms = 1\n" + capacity(7))
    write("user/acton/orders/config.toml", "[timeouts]\nactor_shutdown_ms = 2\n")

    timeouts = acton.Timeouts(actor_shutdown=0.002)
    assert acton.Config.load() == acton.Config(timeouts=timeouts)


def test_file_of_another_application_is_not_read(write: Write) -> None:
    """Whatever it says."""
    write("user/acton/invoices/config.toml", "nonsense")

    assert acton.Config.load() == acton.Config()
    assert acton.Config.load("acton") == acton.Config()


def test_application_is_the_running_script(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file without the ending, or the package that runs."""
    write("user/acton/tool/config.toml", capacity(5))
    for script in ("/opt/tool.py", "tool", "/opt/tool/__main__.py"):
        monkeypatch.setattr("sys.argv", [script])

        assert found() == 5


def test_folder_of_that_name_is_no_file(write: Write, tmp_path: Path) -> None:
    """The search goes on behind it."""
    (tmp_path / "user/acton/orders/config.toml").mkdir(parents=True)
    assert acton.Config.load() == acton.Config()

    write("user/acton/config.toml", capacity(3))
    assert found() == 3


def test_file_in_place_of_a_folder_is_no_obstacle(write: Write) -> None:
    """The search goes on behind that, too."""
    write("user/acton/orders", "")
    write("user/acton/config.toml", capacity(3))

    assert found() == 3


def test_link_to_a_file_is_one(write: Write, tmp_path: Path) -> None:
    """As containers have them; a link to nothing is nothing."""
    write("elsewhere.toml", capacity(4))
    write("user/acton/config.toml", capacity(3))
    link = tmp_path / "user/acton/orders/config.toml"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "elsewhere.toml")
    assert found() == 4

    (tmp_path / "elsewhere.toml").unlink()
    assert found() == 3


@pytest.mark.parametrize("unusable", ["", "user", "./user", None])
def test_unusable_folder_of_the_user_means_the_usual_one(
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    unusable: str | None,
) -> None:
    """Missing, empty and relative are the same, wherever the program was started."""
    monkeypatch.chdir(tmp_path)
    write("user/acton/config.toml", capacity(1))
    write("home/.config/acton/config.toml", capacity(2))
    if unusable is None:
        monkeypatch.delenv("XDG_CONFIG_HOME")
    else:
        monkeypatch.setenv("XDG_CONFIG_HOME", unusable)

    assert found() == 2


def test_unusable_folder_of_the_system_is_left_out(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The others of the list are looked at."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_DIRS", f"one::./one:{tmp_path}/two")
    write("one/acton/config.toml", capacity(1))
    write("acton/config.toml", capacity(2))
    write("two/acton/config.toml", capacity(3))

    assert found() == 3


def test_without_a_home_nothing_is_taken_for_it(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The root and the current folder are nobody's home."""
    write(".config/acton/config.toml", capacity(1))
    write("two/acton/config.toml", capacity(2))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CONFIG_HOME")
    for home in ("", "."):
        monkeypatch.setenv("HOME", home)
        assert found() == 2
    monkeypatch.delenv("HOME")
    assert found() == 2


def test_environment_can_be_given(write: Write, tmp_path: Path) -> None:
    """Then that of the process is not looked at, not even for the folders."""
    write("user/acton/config.toml", capacity(1))
    write("given/acton/config.toml", capacity(2))
    environ = {"XDG_CONFIG_DIRS": str(tmp_path / "given")}
    config = acton.Config.load(environ=environ)
    assert config.limits.actor_inbox_capacity == 2

    environ["ACTON_LIMITS_ACTOR_INBOX_CAPACITY"] = "9"
    config = acton.Config.load(environ=environ)
    assert config.limits.actor_inbox_capacity == 9


def test_variable_is_on_top_of_the_file(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the process's environment, key by key."""
    text = "[timeouts]\nask_ms = 1500\nsystem_shutdown = 2500.5\n" + capacity(7)
    write("user/acton/config.toml", text)
    monkeypatch.setenv("ACTON_TIMEOUTS_ASK_MS", "5000")

    assert acton.Config.load() == acton.Config(
        timeouts=acton.Timeouts(ask=5, system_shutdown=2.5005),
        limits=acton.Limits(actor_inbox_capacity=7),
    )


def test_variable_does_not_hide_what_is_wrong_in_the_file(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a mistake, whether it would matter today or not."""
    file = write("user/acton/config.toml", capacity(0))
    monkeypatch.setenv("ACTON_LIMITS_ACTOR_INBOX_CAPACITY", "64")
    with pytest.raises(acton.ConfigError) as caught:
        acton.Config.load()

    assert caught.value.source == str(file)


def test_wrong_variable_is_named(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the file, which is innocent."""
    write("user/acton/config.toml", capacity(1))
    monkeypatch.setenv("ACTON_LIMITS_ACTOR_INBOX_CAPACITY", "many")
    with pytest.raises(acton.ConfigError, match="whole number from 1 on") as caught:
        acton.Config.load()

    assert caught.value.source == "ACTON_LIMITS_ACTOR_INBOX_CAPACITY"
    assert caught.value.key == "limits.actor_inbox_capacity"


def test_mistyped_key_is_an_error_that_teaches(write: Write) -> None:
    """The text has the file, the key, and the one that was meant."""
    file = write("user/acton/orders/config.toml", "[timeouts]\nactor_shutdwon_ms = 1")
    with pytest.raises(acton.ConfigError) as caught:
        acton.Config.load()

    assert str(caught.value) == (
        f"{file}: timeouts.actor_shutdwon_ms: expected one of actor_shutdown_ms, "
        "ask_ms, system_shutdown_ms; did you mean actor_shutdown_ms?"
    )


def test_value_out_of_range_is_shown_as_the_file_has_it(write: Write) -> None:
    """In milliseconds, not in the seconds of Python."""
    file = write("user/acton/config.toml", "[timeouts]\nask = -5000")
    with pytest.raises(acton.ConfigError) as caught:
        acton.Config.load()

    assert str(caught.value) == (
        f"{file}: timeouts.ask: expected a number of milliseconds above 0, got -5000"
    )


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"[timeouts\nask_ms = 1", id="a bracket"),
        pytest.param(b"[limits]\n[limits]", id="a section twice"),
        pytest.param(b"[defaults]\nactor_name = '\xff'", id="no UTF-8"),
        pytest.param(b"[timeouts]\nask = " + b"1" * 5000, id="endless digits"),
        pytest.param(b"a = " + b"[" * 100_000, id="endless brackets"),
    ],
)
def test_file_that_is_no_toml_is_refused(write: Write, content: bytes) -> None:
    """Not read in part, and not taken for no file."""
    file = write("user/acton/orders/config.toml", "")
    file.write_bytes(content)
    write("user/acton/config.toml", capacity(1))
    with pytest.raises(acton.ConfigError) as caught:
        acton.Config.load()

    assert caught.value.source == str(file)
    assert str(caught.value).startswith(f"{file}: expected TOML: ")
    assert caught.value.__cause__ is not None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_that_may_not_be_read_is_refused(write: Write) -> None:
    """It is there: whoever wrote it wants it heard."""
    file = write("user/acton/config.toml", capacity(1))
    file.chmod(0)
    with pytest.raises(acton.ConfigError, match="expected a file to read") as caught:
        acton.Config.load()

    assert caught.value.source == str(file)


def test_link_that_leads_nowhere_else_is_refused(write: Write) -> None:
    """Nobody can tell what it was to be: the error of the system is in the text."""
    link = write("user/acton/config.toml", "")
    link.unlink()
    link.symlink_to(link)
    with pytest.raises(acton.ConfigError, match="expected a file to read") as caught:
        acton.Config.load()

    assert caught.value.source == str(link)
    assert isinstance(caught.value.__cause__, OSError)


def test_file_that_fails_while_it_is_read_is_refused(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails is no reason to start with other values."""
    write("user/acton/config.toml", capacity(1))

    def fail(*_: object) -> object:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("tomllib.load", fail)
    with pytest.raises(acton.ConfigError, match="read: Input/output error"):
        acton.Config.load()


def test_keys_without_effect_are_told_once(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that Rust reads, too, is no error; one record says what is in vain."""
    text = """
        [timeouts]
        actor_shutdown = 5000
        system_shutdown = 20000
        read_only_handler_flush = 10
        [limits]
        concurrent_handlers_high_water_mark = 10
        actor_inbox_capacity = 100
        dummy_channel_size = 1
        [defaults]
        actor_name = "worker"
        root_ern = "default"
        [tracing]
        debug = "debug"
        [paths]
        logs = "~/.local/share/acton/logs"
        [behavior]
        enable_tracing = false
        enable_metrics = true
    """
    file = write("user/acton/config.toml", text)
    caplog.set_level(logging.INFO, "acton_trio")

    assert acton.Config.load() == acton.Config(
        timeouts=acton.Timeouts(actor_shutdown=5, system_shutdown=20),
        limits=acton.Limits(
            concurrent_handlers_high_water_mark=10, actor_inbox_capacity=100
        ),
        defaults=acton.Defaults(actor_name="worker"),
        behavior=acton.Behavior(enable_tracing=False),
    )
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("acton_trio", logging.INFO)
    assert record.getMessage() == (
        f"{file}: without effect: timeouts.read_only_handler_flush, "
        "limits.dummy_channel_size, defaults.root_ern, tracing.debug, paths.logs, "
        "behavior.enable_metrics"
    )


def test_file_without_such_keys_is_not_worth_a_word(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    """What works is not told."""
    write("user/acton/config.toml", capacity(1))
    caplog.set_level(logging.DEBUG, "acton_trio")
    acton.Config.load()

    assert caplog.records == []


@pytest.mark.parametrize("name", ["a/b", "/etc", "..", ".", "a\0"])
def test_application_that_is_no_folder_is_refused(write: Write, name: str) -> None:
    """A name leads nowhere else than to its own folder."""
    with pytest.raises(ValueError, match="name of a folder"):
        acton.Config.load(name)


async def test_runtime_reads_no_file_by_itself(write: Write) -> None:
    """Whoever wants what is there, says so; tests do not depend on who runs them."""
    write("user/acton/config.toml", "nonsense")
    async with acton.open_runtime() as runtime:
        assert runtime.config == acton.Config()


async def test_loaded_configuration_is_that_of_the_runtime(write: Write) -> None:
    """It is a value like any other, and can be changed into another."""
    write("user/acton/config.toml", capacity(6))
    config = acton.Config.load()
    async with acton.open_runtime(config) as runtime:
        assert runtime.config is config
    changed = attrs.evolve(config, timeouts=acton.Timeouts(ask=1))

    assert changed.limits.actor_inbox_capacity == 6
