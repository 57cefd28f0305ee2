"""Each command, typed about a service that listens on a Unix socket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import acton_trio as acton

from .shop import Loose, Sleep, Sold, Typed, open_shop, open_shop_in_memory, typed


async def type_while_selling(
    shop: Any, results: list[Typed], *words: str, messages: int
) -> None:
    """Type a command that watches, and broadcast as soon as it does."""
    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            results.append(await shop.type(*words))

        nursery.start_soon(watch)
        await shop.wait_subscribed()
        for cents in range(messages):
            await shop.runtime.broker.broadcast(Sold(cents))


# --- what there is


async def test_discover_tells_actors_and_what_they_accept(tmp_path: Path) -> None:
    """One line for each actor, and no type is left out."""
    async with open_shop(tmp_path) as shop:
        shop.runtime.ipc_registry.register(Loose)
        status, out, err = await shop.type("discover")

    assert (status, err) == (0, "")
    assert out == (
        "acton accepts acton.GetSnapshot\n"
        "till accepts Break, Count, Ignore, Refund, Sell, Sleep, Sold\n"
        "also known: Loose\n"
    )


async def test_discover_tells_schemas_if_they_are_wanted(tmp_path: Path) -> None:
    """They are JSON, below the name of their type."""
    async with open_shop(tmp_path) as shop:
        plain = await shop.type("discover", "--schemas")
        found = await shop.type("discover", "--schemas", "--json")

    body = json.loads(found.out)
    assert '\nSell:\n{\n  "$schema"' in plain.out
    assert body["schemas"]["Sell"]["required"] == ["cents"]
    assert [each["name"] for each in body["actors"]] == ["acton", "till"]
    assert body["capabilities"] == sorted(body["capabilities"])


async def test_ping_tells_how_long_an_answer_took(autojump_clock: MockClock) -> None:
    """As often as is wanted, with a pause in between."""
    async with open_shop_in_memory() as shop:
        plain = await shop.type("ping")
        found = await shop.type("ping", "--count", "3", "--interval", "60", "--json")

    assert plain == (0, "answered in 0.0 ms\n", "")
    assert found.out == '{"seconds": 0.0}\n' * 3
    assert trio.current_time() == 120


# --- what is said to actors


async def test_ask_prints_the_reply(tmp_path: Path) -> None:
    """It is JSON, whichever way the message was given."""
    (tmp_path / "order.json").write_text('{"cents": 300}')
    async with open_shop(tmp_path) as shop:
        typed_ = await shop.type("ask", "till", "Sell", '{"cents": 100}')
        piped = await shop.type("ask", "till", "Sell", "-", stdin=b'{"cents": 200}')
        filed = await shop.type("ask", "till", "Sell", f"@{tmp_path}/order.json")

    assert [typed_, piped, filed] == [
        (0, "100\n", ""),
        (0, "300\n", ""),
        (0, "600\n", ""),
    ]


async def test_reply_is_on_one_line_for_scripts(tmp_path: Path) -> None:
    """And on several for people."""
    async with open_shop(tmp_path) as shop:
        words = ("ask", "acton", "acton.GetSnapshot")
        plain = await shop.type(*words)
        found = await shop.type(*words, "--json")

    assert len(plain.out.splitlines()) > 10
    assert len(found.out.splitlines()) == 1
    assert json.loads(plain.out)["actors"][0]["name"] == "till"


async def test_send_prints_nothing_and_is_done_when_it_has_arrived(
    tmp_path: Path,
) -> None:
    """What is sent is handled before what is asked next."""
    async with open_shop(tmp_path) as shop:
        sent = await shop.type("send", "till", "Sold", '{"cents": 7}')
        asked = await shop.type("ask", "till", "Sell", '{"cents": 0}')

    assert sent == (0, "", "")
    assert asked.out == "7\n"


async def test_stream_prints_a_reply_per_line(tmp_path: Path) -> None:
    """What came before a failure is printed, too."""
    async with open_shop(tmp_path) as shop:
        whole = await shop.type("stream", "till", "Count", '{"up_to": 3}')
        broken = await shop.type("stream", "till", "Count", '{"up_to": 99}')

    assert whole == (0, "0\n1\n2\n", "")
    assert (broken.status, len(broken.out.splitlines())) == (1, 10)
    assert broken.err.startswith("acton-trio: HANDLER_FAILED: till raised")


# --- how an answer ends that is none


@pytest.mark.parametrize(
    ("words", "error"),
    [
        pytest.param(
            ["ask", "till", "Refund", '{"cents": 5}'],
            'REJECTED: TooLittle {"missing": 5}',
            id="rejection",
        ),
        pytest.param(
            ["ask", "nobody", "Sell"],
            "ACTOR_NOT_FOUND: Actor not found: nobody",
            id="?",
        ),
        pytest.param(
            ["ask", "till", "Sel"],
            "UNKNOWN_MESSAGE_TYPE: Unknown message type: Sel",
            id="type",
        ),
        pytest.param(
            ["ask", "till", "Ignore"],
            "NO_REPLY: till handled Ignore without replying to it",
            id="no reply",
        ),
        pytest.param(
            ["ask", "till", "Break"],
            "HANDLER_FAILED: till raised LookupError while handling Break",
            id="failure",
        ),
        pytest.param(
            ["send", "nobody", "Sold", '{"cents": 5}'],
            "ACTOR_NOT_FOUND: Actor not found: nobody",
            id="send",
        ),
        pytest.param(
            ["stream", "nobody", "Count", '{"up_to": 5}'],
            "STREAM_ERROR: Actor not found: nobody",
            id="stream",
        ),
    ],
)
async def test_error_of_the_peer_is_one_line_and_exit_code_1(
    tmp_path: Path, words: list[str], error: str
) -> None:
    """Its code comes first; of a rejection its type and its fields."""
    async with open_shop(tmp_path) as shop:
        status, out, err = await shop.type(*words)

    assert (status, out, err) == (1, "", f"acton-trio: {error}\n")


async def test_error_is_json_for_scripts(tmp_path: Path) -> None:
    """A script can tell a rejection's fields apart."""
    async with open_shop(tmp_path) as shop:
        status, _, err = await shop.type(
            "--json", "ask", "till", "Refund", '{"cents":5}'
        )

    assert status == 1
    assert json.loads(err) == {
        "code": "REJECTED",
        "error": "",
        "type": "TooLittle",
        "fields": {"missing": 5},
    }


async def test_debug_shows_a_traceback_before_that_line(tmp_path: Path) -> None:
    """Nobody else sees one."""
    async with open_shop(tmp_path) as shop:
        status, _, err = await shop.type("--debug", "ask", "nobody", "Sell")

    assert status == 1
    assert err.startswith("Traceback ")
    assert err.splitlines()[-1].startswith("acton-trio: ACTOR_NOT_FOUND")


async def test_nobody_there_is_exit_code_3(tmp_path: Path) -> None:
    """The line says where nobody is."""
    path = tmp_path / "none.sock"

    status, _, err = await typed(path, "ask", "till", "Sell")

    assert status == 3
    assert err == f"acton-trio: cannot connect to {path}: No such file or directory\n"


async def test_place_where_no_socket_can_be_is_exit_code_2() -> None:
    """It was typed wrong."""
    status, _, err = await typed("@" + "x" * 200, "ping")

    assert status == 2
    assert "CONFIG_ERROR" in err


# --- time


async def test_ask_is_given_up_after_30_seconds(autojump_clock: MockClock) -> None:
    """Unless another time is typed."""
    async with open_shop_in_memory() as shop:
        usual = await shop.type("ask", "till", "Sleep")
        after = trio.current_time()
        short = await shop.type("--timeout", "2.5", "ask", "till", "Sleep")
        soon = trio.current_time() - after

    assert (usual.status, short.status) == (4, 4)
    assert (after, soon) == (30, 2.5)
    assert short.err.startswith("acton-trio: TIMEOUT: ")


async def test_watch_and_top_end_when_the_time_is_up(
    autojump_clock: MockClock,
) -> None:
    """They have none by default, and have shown what there was."""
    async with open_shop_in_memory() as shop:
        watched = await shop.type("watch", "Sold", "--timeout", "100")
        seen = await shop.type("top", "--interval", "10", "--timeout", "35", "--json")

    assert (watched.status, watched.out) == (4, "")
    assert (seen.status, len(seen.out.splitlines())) == (4, 4)


# --- what is broadcast


async def test_watch_prints_what_is_broadcast(tmp_path: Path) -> None:
    """A line each, until there are enough."""
    results = list[Typed]()
    async with open_shop(tmp_path) as shop:
        await type_while_selling(
            shop, results, "watch", "Sold", "--count=2", messages=2
        )

    assert results == [(0, 'Sold {"cents": 0}\nSold {"cents": 1}\n', "")]


async def test_watch_tells_scripts_all_there_is_to_tell(tmp_path: Path) -> None:
    """That includes when it was broadcast, by the service's clock."""
    results = list[Typed]()
    async with open_shop(tmp_path) as shop:
        words = ("watch", "Sold", "--count", "1", "--json")
        await type_while_selling(shop, results, *words, messages=1)

    body = json.loads(results[0].out)
    assert (body["message_type"], body["payload"]) == ("Sold", {"cents": 0})
    assert body["timestamp"] > 1e9


async def test_watch_tells_where_messages_were_dropped(
    autojump_clock: MockClock,
) -> None:
    """The line stands where they would have stood."""
    results = dict[str, str]()
    limits = acton.ipc.IpcLimits(push_buffer_size=1)
    async with open_shop_in_memory(limits) as shop, trio.open_nursery() as nursery:

        async def watch(who: str, *more: str) -> None:
            _, out, _ = await shop.type("watch", "Sold", "--count", "2", *more)
            results[who] = out

        nursery.start_soon(watch, "people")
        nursery.start_soon(watch, "scripts", "--json")
        await wait_all_tasks_blocked()
        for cents in range(3):
            await shop.runtime.broker.broadcast(Sold(cents))
        await wait_all_tasks_blocked()
        await shop.runtime.broker.broadcast(Sold(9))

    assert results["people"] == 'Sold {"cents": 0}\n(2 dropped)\nSold {"cents": 9}\n'
    assert results["scripts"].splitlines()[1] == '{"dropped": 2}'


async def test_watch_says_if_a_type_is_not_known(tmp_path: Path) -> None:
    """It may become known, so that is no error."""
    results = list[Typed]()
    async with open_shop(tmp_path) as shop:
        words = ("watch", "Sold", "Typo", "--count", "1")
        await type_while_selling(shop, results, *words, messages=1)

    assert results[0].status == 0
    assert results[0].err == (
        "acton-trio: the service knows no message type Typo, so far\n"
    )


# --- how actors are


async def test_tree_shows_who_supervises_whom(tmp_path: Path) -> None:
    """Each actor with its state and mailbox, below its supervisor."""
    async with open_shop(tmp_path) as shop:
        status, out, _ = await shop.type("tree")
        found = await shop.type("tree", "--json")

    assert status == 0
    assert out == (
        "ACTOR    STATE    GEN  MAILBOX  AT WORK ON\n"
        "till     running    0    0/512\n"
        "store    running    0    0/512\n"
        "└─ till  running    0    0/512\n"
    )
    assert json.loads(found.out)["actors"][1]["children"][0]["name"] == "store/till"


async def test_top_shows_rates_ages_and_who_is_busiest(
    autojump_clock: MockClock,
) -> None:
    """The rate is that between two looks."""
    async with open_shop_in_memory() as shop, trio.open_nursery() as nursery:

        async def keep_busy() -> None:
            await trio.sleep(1)
            for _ in range(20):
                await shop.till.send(Sold(1))
            nursery.start_soon(shop.till.ask, Sleep())
            await wait_all_tasks_blocked()
            await shop.till.send(Sold(1))

        nursery.start_soon(keep_busy)
        status, out, _ = await shop.type("top", "--count", "2", "--interval", "10")
        nursery.cancel_scope.cancel()

    first, second = out.strip().split("\n\n")
    assert status == 0
    assert first.startswith("1 actors, 0 at work, 0 queued\n")
    assert second == (
        "1 actors, 1 at work, 1 queued, 2.0 messages/s\n"
        "ACTOR  STATE    MAILBOX  RATE/S   AGE  RESTARTS  HANDLED  AT WORK ON\n"
        "till   running    1/512     2.0  9.0s         0       20  Sleep"
    )


async def test_top_looks_once_if_it_is_told_to(tmp_path: Path) -> None:
    """There is no rate then, for there is nothing to compare with."""
    async with open_shop(tmp_path) as shop:
        status, out, _ = await shop.type("top", "--once", "--json")

    (line,) = out.splitlines()
    actors = json.loads(line)["actors"]
    assert status == 0
    assert [each["name"] for each in actors] == ["store", "store/till", "till"]
    assert [each["rate"] for each in actors] == [None] * 3


@pytest.mark.parametrize("command", ["tree", "top"])
async def test_service_that_does_not_introspect_is_a_clear_error(
    tmp_path: Path, command: str
) -> None:
    """The line says what to change."""
    async with open_shop(tmp_path, acton.Config()) as shop:
        status, out, err = await shop.type(command)

    assert (status, out) == (1, "")
    assert "introspection = true in config.toml" in err
