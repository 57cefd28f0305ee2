"""What the client for code that blocks hears of broadcasts in another process."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest
import trio

import acton_trio as acton

from .answers import answer_frame, failure
from .blocking_servers import (
    PUSH,
    SUBSCRIBE,
    UNSUBSCRIBE,
    Talk,
    agree,
    push,
    read_one,
    read_to_the_end,
    say,
    serving,
)
from .peers import UNLIMITED, Done, GetValue, Private, Service, SetValue, Value

Client = acton.ipc.BlockingClient
Delivery = acton.Delivery


def with_client(tmp_path: Path, talk: Talk, use: Any) -> Any:
    """Return what *use* returns of a client of the server that does *talk*."""
    with serving(tmp_path / "s", talk), Client(tmp_path / "s") as client:
        return use(client)


def settle(client: Client) -> None:
    """Have all read that the server has said."""
    assert client.actor("a").ask(GetValue()) == Value(3)


def answer_value(connection: socket.socket) -> None:
    """Answer the question of `settle`."""
    question = read_one(connection)
    good = {"success": True, "payload": {"value": 3}}
    connection.sendall(answer_frame(question["correlation_id"], good))


async def test_broadcasts_of_a_real_server(tmp_path: Path) -> None:
    """Typed and by name, from several threads, each with all of its own."""
    path = tmp_path / "s"
    heard: dict[str, list[Any]] = {}
    subscribed = threading.Barrier(3)

    def listen(client: Client, name: str, *types: Any) -> None:
        with client.subscribe(*types) as events:
            subscribed.wait()
            heard[name] = [next(events) for _ in range(20)]
            assert events.missed == 0
            assert events.statistics().delivered == 20

    def talk() -> None:
        with Client(path) as client:
            jobs = [("typed", SetValue), ("named", "SetValue")]
            threads = [
                threading.Thread(target=listen, args=(client, *each)) for each in jobs
            ]
            for each in threads:
                each.start()
            subscribed.wait()
            # From one that is subscribed before both have begun to read.
            trio.from_thread.run(broadcast)
            for each in threads:
                each.join()

    async with acton.open_runtime() as runtime:

        async def broadcast() -> None:
            for number in range(20):
                await runtime.broker.broadcast(SetValue(number))

        await runtime.start(Service, name="service", expose=True)
        config = acton.ipc.IpcConfig(rate_limit=UNLIMITED)
        async with acton.ipc.open_listener(runtime, config, path=path):
            await trio.to_thread.run_sync(talk)

    assert heard["typed"] == [SetValue(number) for number in range(20)]
    assert [each.payload for each in heard["named"]] == [
        {"value": number} for number in range(20)
    ]


def test_pushes_are_read_as_what_they_are(tmp_path: Path) -> None:
    """Also those that come before the peer has agreed; others are nobody's."""

    def talk(connection: socket.socket) -> None:
        wish = read_one(connection, SUBSCRIBE)
        assert wish["message_types"] == ["Done", "Other", "SetValue"]
        push(connection, "SetValue", {"value": 1})
        good = {"success": True, "subscribed_types": wish["message_types"]}
        connection.sendall(answer_frame(wish["correlation_id"], good))
        push(connection, "Unwanted", 5)
        push(connection, "Done", {})
        push(connection, "Other", [1], source_actor="prices")
        assert read_one(connection, UNSUBSCRIBE)["message_types"] == [
            "Done",
            "Other",
            "SetValue",
        ]
        read_to_the_end(connection)

    def use(client: Client) -> list[Any]:
        with client.subscribe(SetValue, "Other", Done, "Done") as events:
            return [next(events), events.receive(20), next(events)]

    assert with_client(tmp_path, talk, use) == [
        SetValue(1),
        Done(),
        acton.ipc.Notification("Other", [1], "p1", 1.5, "prices"),
    ]


@pytest.mark.parametrize(
    ("delivery", "capacity", "values", "missed"),
    [
        (Delivery.DROP_OLDEST, 2, [3, 4], [3, 3]),
        (Delivery.DROP_NEWEST, 2, [0, 1], [0, 3]),
        (Delivery.LATEST, None, [4], [4]),
        (Delivery.DROP_OLDEST, None, [0, 1, 2, 3, 4], [0, 0, 0, 0, 0]),
    ],
)
def test_what_is_beyond_the_capacity_is_dropped_and_counted(
    tmp_path: Path,
    delivery: acton.Delivery,
    capacity: int | None,
    values: list[int],
    missed: list[int],
) -> None:
    """Where it was lost, between those that are read."""

    def talk(connection: socket.socket) -> None:
        agree(connection, SUBSCRIBE, "SetValue")
        for number in range(5):
            push(connection, "SetValue", {"value": number})
        answer_value(connection)
        read_to_the_end(connection)

    def use(client: Client) -> None:
        with client.subscribe(SetValue, delivery=delivery, capacity=capacity) as events:
            settle(client)
            found = [(next(events), events.missed) for _ in values]
        dropped = 5 - len(values)
        assert found == [
            (SetValue(value), lost) for value, lost in zip(values, missed, strict=True)
        ]
        assert events.statistics().dropped_here == dropped
        assert events.statistics().dropped == dropped

    with_client(tmp_path, talk, use)


def test_what_the_peer_dropped_is_told_where_it_was(tmp_path: Path) -> None:
    """To all subscriptions: it does not say which type it was of."""

    def talk(connection: socket.socket) -> None:
        agree(connection, SUBSCRIBE, "SetValue")
        agree(connection, SUBSCRIBE, "Done")
        push(connection, "SetValue", {"value": 1})
        push(connection, "SetValue", {"value": 2}, dropped=3)
        answer_value(connection)
        read_to_the_end(connection)

    def use(client: Client) -> None:
        with client.subscribe(SetValue) as values, client.subscribe(Done) as others:
            settle(client)
            seen = []
            for value in (1, 2):
                assert next(values) == SetValue(value)
                seen.append(values.missed)
            assert seen == [0, 3]
            assert others.missed == 3
            assert others.statistics() == acton.ipc.RemoteSubscriptionStatistics(
                0, 0, 3, 0, 0
            )

    with_client(tmp_path, talk, use)


def test_peer_hears_of_what_nobody_wants_any_more(tmp_path: Path) -> None:
    """And of nothing else; never of no names, which would mean all."""

    def talk(connection: socket.socket) -> None:
        agree(connection, SUBSCRIBE, "A", "B")
        agree(connection, SUBSCRIBE, "B", "C")
        agree(connection, SUBSCRIBE, "B")
        agree(connection, UNSUBSCRIBE, "A")
        agree(connection, UNSUBSCRIBE, "B", "C")
        answer_value(connection)
        read_to_the_end(connection)

    def use(client: Client) -> None:
        outer = client.subscribe("B", "C")
        with client.subscribe("A", "B"):
            outer.__enter__()
            with client.subscribe("B"):
                pass
        outer.__exit__(None, None, None)
        settle(client)

    with_client(tmp_path, talk, use)


def test_refused_subscription_leaves_nothing(tmp_path: Path) -> None:
    """Its error is raised on entering; the client is as good as before."""

    def talk(connection: socket.socket) -> None:
        wish = read_one(connection, SUBSCRIBE)
        body = failure("PROTOCOL_ERROR", subscribed_types=[])
        connection.sendall(answer_frame(wish["correlation_id"], body))
        agree(connection, UNSUBSCRIBE, "A")
        answer_value(connection)
        read_to_the_end(connection)

    def use(client: Client) -> None:
        with pytest.raises(acton.PeerRejectedError), client.subscribe("A"):
            pass
        settle(client)

    with_client(tmp_path, talk, use)


def test_mute_peer_keeps_no_subscriber(tmp_path: Path) -> None:
    """Neither on entering, nor where it is said how long to wait."""

    def talk(connection: socket.socket) -> None:
        read_one(connection, SUBSCRIBE)
        read_one(connection, UNSUBSCRIBE)
        agree(connection, SUBSCRIBE, "A", "B")
        read_to_the_end(connection)

    def use(client: Client) -> None:
        with (
            pytest.raises(acton.AskTimeoutError, match="Subscribe"),
            client.subscribe("A", timeout=0),
        ):
            pass
        with (
            client.subscribe("A", "B") as events,
            pytest.raises(acton.AskTimeoutError, match="A or B within 0 s"),
        ):
            events.receive(0)

    with_client(tmp_path, talk, use)


def test_what_makes_no_sense_is_counted(tmp_path: Path) -> None:
    """One that is not what its type declares is told to the reader."""

    def talk(connection: socket.socket) -> None:
        agree(connection, SUBSCRIBE, "SetValue")
        say(connection, PUSH, {"message_type": "SetValue"})
        push(connection, "SetValue", {"value": "x"})
        push(connection, "SetValue", {"value": 2})
        read_to_the_end(connection)

    def use(client: Client) -> None:
        with client.subscribe(SetValue) as events:
            with pytest.raises(acton.SerializationError):
                next(events)
            assert events.missed == 1
            assert next(events) == SetValue(2)
            assert events.statistics().unreadable == 2

    with_client(tmp_path, talk, use)


def test_end_of_the_connection_comes_after_what_was_pushed(tmp_path: Path) -> None:
    """Every time that the reader looks."""

    def talk(connection: socket.socket) -> None:
        agree(connection, SUBSCRIBE, "SetValue")
        push(connection, "SetValue", {"value": 1})

    def use(client: Client) -> None:
        with client.subscribe(SetValue) as events:
            assert next(events) == SetValue(1)
            for _ in range(2):
                with pytest.raises(acton.PeerLostError, match="closed"):
                    next(events)

    with_client(tmp_path, talk, use)


@pytest.mark.parametrize("attempt", range(5))
def test_leaving_the_block_wakes_who_waits(tmp_path: Path, attempt: int) -> None:
    """In whichever thread, and wherever it has come to.

    Whether the other thread waits already is a matter of luck: hence the attempts.
    """
    errors: list[BaseException] = []
    has_read = threading.Event()

    def talk(connection: socket.socket) -> None:
        agree(connection, SUBSCRIBE, "SetValue")
        push(connection, "SetValue", {"value": 1})
        read_one(connection, UNSUBSCRIBE)
        read_to_the_end(connection)

    def use(client: Client) -> None:
        def read() -> None:
            try:
                for _ in events:
                    has_read.set()
            except ValueError as error:
                errors.append(error)

        with client.subscribe(SetValue) as events:
            thread = threading.Thread(target=read)
            thread.start()
            assert has_read.wait(20)
        thread.join()

    with_client(tmp_path, talk, use)
    assert [str(each) for each in errors] == [
        "a subscription is read in its block: with client.subscribe(...) as events: ..."
    ]


@pytest.mark.parametrize(
    ("types", "options", "error", "words"),
    [
        ([Private], {}, TypeError, "ipc=True"),
        ([3], {}, TypeError, "not a message class"),
        ([SetValue], {"delivery": Delivery.BLOCK}, ValueError, "nobody"),
        ([SetValue], {"delivery": "latest"}, TypeError, "is a Delivery"),
        ([SetValue], {"capacity": 0}, ValueError, "from 1 on"),
        ([SetValue], {"capacity": 1.5}, ValueError, "from 1 on"),
    ],
)
def test_what_cannot_be_subscribed_to_is_named_at_once(
    tmp_path: Path,
    types: list[Any],
    options: dict[str, Any],
    error: type[Exception],
    words: str,
) -> None:
    """Where the mistake is made; nothing is sent."""

    def talk(connection: socket.socket) -> None:
        assert connection.recv(1) == b""

    def use(client: Client) -> None:
        with pytest.raises(error, match=words):
            client.subscribe(*types, **options)

    with_client(tmp_path, talk, use)
