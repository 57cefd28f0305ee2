"""A service with one actor, which other processes reach over a Unix socket.

Run it with the path of a socket that does not exist yet::

    python examples/my_service.py /tmp/my-service.sock

and then `my_client.py` with the same path, or any client of the protocol.
SIGINT or SIGTERM ends it: it answers what it has begun, and leaves no socket.
"""

from __future__ import annotations

import sys

import trio

import acton_trio as acton


@acton.message(ipc=True)
class ValueResponse:
    """How the value stands."""

    value: int


@acton.message(ipc=True)
class GetValue(acton.Request[ValueResponse]):
    """Asks how the value stands."""


@acton.message(ipc=True)
class SetValue:
    """Sets the value."""

    value: int


@acton.actor
class MyService:
    """Keeps one number."""

    value: int = 0

    @acton.act_on
    async def get_value(self, _request: GetValue) -> ValueResponse:
        """Tell it: what a handler returns is the reply."""
        return ValueResponse(self.value)

    @acton.mutate_on
    def set_value(self, command: SetValue) -> None:
        """Change it, while nothing else of this actor runs."""
        self.value = command.value


async def main(path: str) -> None:
    """Serve until a signal comes."""
    async with acton.open_runtime() as runtime:
        service = await runtime.start(MyService, name="my-service", expose=True)
        await service.send(SetValue(41))
        print("asked from inside:", await service.ask(GetValue()))
        async with acton.ipc.open_listener(runtime, path=path) as listener:
            print("listening", flush=True)
            number = await runtime.wait_for_signal()
            print(number.name, "came")
        print("drained:", listener.statistics().messages_received, "requests")


if __name__ == "__main__":
    trio.run(main, sys.argv[1])
