"""The scope that actors live in, and how it ends.

Actors run in a task that is shielded, so that a cancellation from outside
reaches them through us: first the handlers, then, shielded and bounded, what
has to clean up.  A second task stands unshielded beside it, only to notice::

    the caller's task      the body of the block; then it waits for the end
    the watch              sleeps; is cancelled from outside, and says so
    [shield] the house     services [ actors [ ... ] ]
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Generic, TypeAlias, TypeVar

import attrs
import trio

from .._base.errors import ActorStoppedError
from .._base.util import shown
from .._kernel.advice import advise
from .._kernel.instruments import Panel
from .._kernel.patience import Patience
from .._kernel.seat import Seat
from .._kernel.surroundings import DeadLetter, Surroundings
from .._kernel.timetable import Timetable
from .._policy.ownership import judge
from .._services.broker import Broker
from .._supervision.events import SupervisionEvent
from .._supervision.household import Household
from .._supervision.instruments import announce_to
from .._supervision.supervisor import Supervisor
from .config import Config
from .logs import make_panel
from .runtime import RuntimeCore
from .shutdown import Overseer
from .signals import SignalWatch

__all__ = ["open_scope"]

RuntimeT = TypeVar("RuntimeT", bound=RuntimeCore)

Maker: TypeAlias = Callable[
    [Config, Broker, Surroundings, Supervisor, trio.Nursery, SignalWatch, Overseer],
    RuntimeT,
]
"""Makes a runtime of all that it needs."""


@attrs.define(eq=False)
class _House(Generic[RuntimeT]):
    """The task that all actors are descendants of, and what went wrong in it."""

    make: Maker[RuntimeT]
    config: Config
    panel: Panel
    body: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    """Around the body of the block: a failure that nobody handles ends it."""

    failures: list[BaseException] = attrs.field(factory=list[BaseException], init=False)
    runtime: RuntimeT | None = attrs.field(default=None, init=False)
    is_ready: trio.Event = attrs.field(factory=trio.Event, init=False)
    _is_empty: trio.Event = attrs.field(factory=trio.Event, init=False)
    _clearing: trio.CancelScope = attrs.field(
        factory=lambda: trio.CancelScope(shield=True), init=False
    )

    async def stand(self) -> None:
        """Hold services and actors until `clear` is done."""
        try:
            await self._hold()
        finally:
            # Whatever has happened here, nobody waits for it any more.
            self.is_ready.set()
            self._clearing.cancel(reason="there is nothing left to clear")

    async def _hold(self) -> None:
        patience = Patience(self.config.timeouts.ask)
        timetable = Timetable()
        with trio.CancelScope(shield=True):
            try:
                async with trio.open_nursery() as services:
                    services.start_soon(self._stand_by, name="services watch")
                    services.start_soon(patience.run, name="ask timeouts")
                    services.start_soon(timetable.run, name="timers")
                    # Not cancelled along with what they need, if that fails.
                    with trio.CancelScope(shield=True):
                        await self._hold_actors(services, patience, timetable)
                    services.cancel_scope.cancel(reason="the last actor is down")
            except BaseExceptionGroup as group:
                self.failures.extend(group.exceptions)
        # An address that somebody keeps may outlive all; its asker may not.
        patience.close(ActorStoppedError)

    async def _stand_by(self) -> None:
        """Notice that a service has failed, which cancels the others, and end it all."""
        try:
            await trio.sleep_forever()
        finally:
            if not self._is_empty.is_set():
                self.end("what the actors need has failed")

    async def _hold_actors(
        self, services: trio.Nursery, patience: Patience, timetable: Timetable
    ) -> None:
        broker, overseer = Broker(), Overseer()
        async with trio.open_nursery() as actors:
            surroundings = Surroundings(
                self.config.timeouts.actor_shutdown,
                patience,
                timetable,
                partial(_announce_dead_letter, broker, self.panel),
                broker,
                overseer,
                self.panel,
            )
            if surroundings.commons is not None:
                services.start_soon(surroundings.commons.run, name="plain functions")
            household = Household(actors, partial(_announce, broker, self.panel))
            root = Supervisor("runtime", household, self._give_up)
            household.adopt = root.adopt
            watch = SignalWatch(self._force)
            self.runtime = self.make(
                self.config, broker, surroundings, root, services, watch, overseer
            )
            surroundings.runtime = self.runtime
            household.place = self.runtime.start_under
            household.went_down = self.runtime.exposure.forget
            self.is_ready.set()
            await self._is_empty.wait()

    def end(self, reason: str) -> None:
        """Cancel the body of the block, and all actors."""
        self.body.cancel(reason=reason)
        self.cancel(reason)

    def _force(self, reason: str) -> None:
        assert self.runtime is not None
        self.runtime.overseer.is_forced = True
        self.end(reason)

    def _give_up(self, failure: BaseException) -> None:
        self.failures.append(failure)
        self.end(f"an actor failed: {shown(failure)}")

    def cancel(self, reason: str) -> None:
        """Have all actors end now: handlers are cancelled, clean-up runs."""
        if self.runtime is None:
            return
        self.runtime.begin_end()
        for door in self.runtime.doors:
            door.cancel(reason)
        self.runtime.root.cancel_all(reason)

    async def clear(self) -> None:
        """Drain what lets messages in, then the actors; return when all is down."""
        assert self.runtime is not None
        self.runtime.begin_end()
        with self._clearing:
            await self.runtime.shutdown_all()

    @contextmanager
    def never_left_alone(self) -> Generator[None, None, None]:
        """Have the house stand no longer than the block, however that is left.

        Whoever is in it then has been told to end, and is waited for.
        """
        try:
            yield
        finally:
            self._is_empty.set()

    async def watch(self) -> None:
        """Notice a cancellation from outside, and pass it on."""
        try:
            await trio.sleep_forever()
        except trio.Cancelled:  # noqa: ASYNC103 - see below
            # Not passed up: the body of the block is cancelled by the same
            # scope, or that scope ends this task because all is over.
            self.cancel("the block around the actors was cancelled")


@asynccontextmanager
async def open_scope(
    make: Maker[RuntimeT],
    config: Config,
    instruments: Iterable[object] = (),
) -> AsyncGenerator[RuntimeT, None]:
    """Open the scope that actors live in, around the runtime that *make* makes.

    What it promises is written at `open_runtime`.
    """
    house = _House(make, config, make_panel(config, instruments))
    errors: list[BaseException] = []
    async with trio.open_nursery() as outer:
        # Not with `start`, which delivers nothing into a cancelled scope: below
        # it is waited for.
        outer.start_soon(house.stand, name="runtime")  # noqa: ASYNC113
        outer.start_soon(house.watch, name="cancellation watch")
        with house.never_left_alone():
            with trio.CancelScope(shield=True):
                await house.is_ready.wait()
            if house.runtime is not None:
                try:
                    with house.body:
                        await trio.lowlevel.checkpoint()
                        yield house.runtime
                except BaseException as error:  # noqa: BLE001, ASYNC103 - raised below
                    advise(error)
                    errors.append(error)
                    house.cancel(f"the block was left by {shown(error)}")
                try:
                    await house.clear()
                except BaseException as error:  # noqa: BLE001, ASYNC103 - raised below
                    # KeyboardInterrupt comes wherever this task is.
                    errors.append(error)
                    house.cancel(f"leaving the block was ended by {shown(error)}")
        outer.cancel_scope.cancel(reason="the runtime has closed")
    if house.runtime is None:
        # It has not stood up.  If it was cancelled, so is this.
        await trio.lowlevel.checkpoint_if_cancelled()
        raise judge(house.failures[0])
    _raise_together(house.failures, errors)
    await trio.lowlevel.checkpoint_if_cancelled()


def _raise_together(failures: list[BaseException], errors: list[BaseException]) -> None:
    """Raise what went wrong in actors, and in the block around them."""
    if errors and all(isinstance(each, KeyboardInterrupt) for each in errors):
        # However often somebody has asked for it.
        del errors[1:]
    if not failures and len(errors) == 1:
        raise errors[0]
    if failures or errors:
        msg = "actors failed, and nobody handled it"
        raise BaseExceptionGroup(msg, [*failures, *errors]) from None


def _announce_dead_letter(broker: Broker, panel: Panel, letter: DeadLetter) -> None:
    # One about one could go on for ever: whoever looks in still sees it.
    if not isinstance(letter.message, DeadLetter):
        broker.announce(letter)
    if panel.dead_letter:
        panel.tell(panel.dead_letter, letter)


def _announce(
    broker: Broker, panel: Panel, event: SupervisionEvent, told: Seat | None
) -> None:
    broker.announce(event, told)
    announce_to(panel, event)
