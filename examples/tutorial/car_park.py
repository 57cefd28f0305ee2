"""A car park."""

import attrs
import trio

import acton_trio as acton

STAY = 30 * 60.0  # seconds
SOCKET = "car-park.sock"


@acton.message(ipc=True)
class Enter(acton.Request[int]):
    """A car comes; the answer is the number of its ticket."""

    plate: str


@acton.message(ipc=True)
class Full(acton.Rejection):
    """There is no place for one more."""

    places: int


@acton.message(ipc=True)
class Leave:
    """A car goes, or its time is up."""

    ticket: int


@acton.message(ipc=True)
class CountFree(acton.Request[int]):
    """How many places are free?"""


@acton.message(ipc=True)
class GetTicket(acton.Request[str]):
    """What does the ticket look like, on paper?"""

    ticket: int


@acton.message(ipc=True)
class PaperJam(acton.Rejection):
    """There is no ticket now; ask again."""


@acton.message(ipc=True)
class FreePlaces:
    """Is broadcast whenever a car has come or gone."""

    count: int


@acton.message
class Print(acton.Request[str]):
    """Prints a line."""

    line: str


@acton.actor
class Printer:
    """Prints two sheets, and jams at the third."""

    sheets: int = 0

    @acton.mutate_on
    def print_line(self, request: Print) -> str:
        """Print, or fail."""
        self.sheets += 1
        if self.sheets == 3:
            raise OSError("paper jam")
        return f"[ {request.line} ]"


@acton.actor
class Board:
    """Shows how many places are free."""

    @acton.mutate_on(subscribe=True)
    def show(self, news: FreePlaces) -> None:
        """Show it."""
        print("board:", news.count, "free")


@acton.actor
class CarPark:
    """Knows which cars are in, by the numbers of their tickets."""

    places: int = 2
    last_ticket: int = 0
    cars: dict[int, str] = attrs.field(factory=dict[int, str])

    @acton.before_start
    async def set_up(self, ctx: acton.Context) -> None:
        """Have a printer."""
        await ctx.supervise(Printer, name="printer")

    @acton.act_on
    def count_free(self, _request: CountFree) -> int:
        """Count."""
        return self.places - len(self.cars)

    @acton.mutate_on
    async def enter(self, request: Enter, ctx: acton.Context) -> int:
        """Let a car in, for half an hour, if there is a place."""
        if len(self.cars) == self.places:
            raise Full(self.places)
        self.last_ticket += 1
        self.cars[self.last_ticket] = request.plate
        ctx.handle.send_after(STAY, Leave(self.last_ticket))
        await ctx.broker.broadcast(FreePlaces(self.places - len(self.cars)))
        return self.last_ticket

    @acton.mutate_on
    async def leave(self, car: Leave, ctx: acton.Context) -> None:
        """Make room, unless the car has gone before."""
        if self.cars.pop(car.ticket, None) is not None:
            await ctx.broker.broadcast(FreePlaces(self.places - len(self.cars)))

    @acton.act_on
    async def get_ticket(self, request: GetTicket, ctx: acton.Context) -> str:
        """Have the ticket printed."""
        [printer] = ctx.children
        plate = self.cars[request.ticket]
        try:
            return await printer.ask(Print(f"ticket {request.ticket} for {plate}"))
        except acton.HandlerFailedError as error:
            raise PaperJam from error


async def main() -> None:
    """Run the car park until a signal comes."""
    async with acton.open_runtime(acton.Config(introspection=True)) as runtime:
        await runtime.start(Board, name="board")
        await runtime.start(CarPark, name="car-park", expose=True)
        runtime.ipc_registry.register(FreePlaces)
        async with acton.ipc.open_listener(runtime, path=SOCKET):
            print("open")
            await runtime.wait_for_signal()
            print("closing")
    print("closed")


if __name__ == "__main__":
    trio.run(main)
