"""`RuntimeCore`: what actors are started in."""

from __future__ import annotations

import itertools
import re
import secrets
import signal
import time
import typing
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, Protocol, TypeVar, Unpack

import attrs
import trio

from .._base.errors import ActorStoppedError, AskCycleError
from .._base.ids import check_name, ern_of, type_id
from .._base.teaching import lesson
from .._base.util import name_of, show_methods_as
from .._kernel.activity import current_activity, waiting_activity
from .._kernel.cell import Cell
from .._kernel.handle import ActorHandle
from .._kernel.mailbox import Mailbox
from .._kernel.options import StartOptions
from .._kernel.recipe import Recipe
from .._kernel.seat import Seat
from .._kernel.spawner import Idle
from .._kernel.statistics import RuntimeSnapshot
from .._kernel.surroundings import Surroundings
from .._messages.registry import MessageRegistry
from .._policy.limits import RestartLimit
from .._policy.policies import RestartPolicy
from .._policy.spec import ChildSpec
from .._policy.strategies import Escalation, SupervisionStrategy
from .._services.broker import Broker
from .._supervision.supervisor import Supervisor
from .builder import IdleActor, Plan, declared_by, not_a_factory, recipe_for
from .config import Config
from .exposure import Exposure
from .shutdown import Overseer, ShutdownReport
from .signals import SignalWatch

__all__ = ["Door", "RuntimeCore", "place"]

ModelT = TypeVar("ModelT")
HandleT = TypeVar("HandleT", bound=ActorHandle)

_DEFAULT_LIMIT: Final = RestartLimit()


_USUAL_SPEC: Final = ChildSpec(restart_limit=_DEFAULT_LIMIT)

_ALREADY_BUILT: Final = (
    "what runtime.new_actor returned has its arguments and options already.\n"
    "  correct: await idle.start()\n"
    "  correct: await handle.supervise(idle)"
)


def _spec_of(**supervision: Any) -> ChildSpec:
    usual = all(
        value is getattr(_USUAL_SPEC, name) for name, value in supervision.items()
    )
    return _USUAL_SPEC if usual else ChildSpec(**supervision)


class Door(Protocol):
    """What lets messages in from outside."""

    async def shutdown_gracefully(self) -> object:
        """Let nothing more in, and answer what is in."""
        ...

    def cancel(self, reason: str) -> None:
        """Shut now, without waiting for it."""
        ...


@attrs.define(eq=False, repr=False)
class RuntimeCore:
    """What actors are started in; lives as long as the scope around it.

    The outside world is not in it: `Runtime` adds that.
    """

    config: Config
    """What it was opened with."""

    broker: Broker
    """Where messages go that are for whoever has subscribed to them."""

    surroundings: Surroundings
    """What all its actors share."""

    root: Supervisor
    """Who supervises the actors that no other does."""

    services: trio.Nursery
    """Where runs what the actors need, until the last of them is down."""

    signals: SignalWatch
    """Who waits for SIGINT and SIGTERM."""

    overseer: Overseer
    """Who takes note of how it ends."""

    exposure: Exposure = attrs.field(factory=Exposure, init=False)
    """What peers may reach, and what they may say."""

    doors: list[Door] = attrs.field(factory=list["Door"], init=False)
    """What lets messages in from outside; each is drained before any actor."""

    _is_shutting_down: bool = attrs.field(default=False, init=False)
    _has_shut_down: trio.Event = attrs.field(factory=trio.Event, init=False)
    _numbers: Iterator[int] = attrs.field(factory=itertools.count, init=False)

    @property
    def ipc_registry(self) -> MessageRegistry:
        """Which message types peers may send, and under which names.

        ``register(cls, name)`` adds one by hand, under *name* or else the one it
        was declared with; exposing an actor does it for those that it handles.
        """
        return self.exposure.registry

    async def start(
        self,
        factory: Callable[..., object],
        *args: object,
        name: str | None = None,
        mailbox_capacity: int | None = None,
        max_concurrency: int | None = None,
        restart_policy: RestartPolicy = RestartPolicy.PERMANENT,
        restart_limit: RestartLimit = _DEFAULT_LIMIT,
        strategy: SupervisionStrategy = SupervisionStrategy.ONE_FOR_ONE,
        escalation: Escalation = Escalation.STOP_SUPERVISOR,
        expose: bool | str = False,
    ) -> ActorHandle:
        """Start an actor, and return its handle once `after_start` is done.

        Args:
            factory: Called with *args* for every incarnation; returns the
                object that holds its state, of a class decorated with `actor`.
            *args: What it is called with.
            name: 1 to 63 letters, digits, ``-``, ``_`` or ``.``; by default
                the factory's name and a number, or for a factory without a
                name ``config.defaults.actor_name``, "actor".
            mailbox_capacity: How many messages may be queued; by default
                ``config.limits.actor_inbox_capacity``, 512.
            max_concurrency: How many `act_on` handlers may overlap; by default
                ``config.limits.concurrent_handlers_high_water_mark``, 100.
            restart_policy: After which ends it is started again, in the same
                seat: handle, name and mailbox stay.
            restart_limit: How often, and how long each restart waits.  One
                failure too many leaves `open_runtime`.
            strategy: Who of the children that it supervises is restarted along
                with one of them.
            escalation: What it does about a child of its own that failed more
                often than its limit allows.
            expose: Whether peers may reach it, under its name or the one
                given here.  Its ``ipc`` message types are registered with it.

        Raises:
            DuplicateNameError: If a running actor has the name.
            ActorStoppedError: While the runtime stops.
            TypeError: If what the factory makes is no actor.
            Exception: Whatever the factory or a start hook raised.

        Cancellation:
            The half-started actor is down before this leaves.
        """
        if isinstance(factory, IdleActor):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not be checked
            raise TypeError(_ALREADY_BUILT)
        options = StartOptions(
            name=name,
            mailbox_capacity=mailbox_capacity,
            max_concurrency=max_concurrency,
            restart_policy=restart_policy,
            restart_limit=restart_limit,
            strategy=strategy,
            escalation=escalation,
            expose=expose,
        )
        return await self.start_under(self.root, factory, args, options)

    async def start_under(
        self,
        supervisor: Supervisor,
        factory: Callable[..., object] | Idle,
        args: tuple[object, ...],
        options: StartOptions,
    ) -> ActorHandle:
        """Start an actor of *supervisor*; `start` does it for the runtime itself.

        Args:
            supervisor: Whose child it is.
            factory: As of `start`, or an actor that was put together.
            args: As of `start`.
            options: As of `start`.

        Cancellation:
            The half-started actor is down before this leaves.
        """
        if self.overseer.is_ending and supervisor is self.root:
            name = options.get("name") or "an actor"
            raise ActorStoppedError(name, "cannot start: the runtime is stopping")
        if isinstance(factory, IdleActor):
            if args or options:
                raise TypeError(_ALREADY_BUILT)
            return await factory.start_under(supervisor)
        plan = self._plan(factory, **options)
        build = typing.cast("Callable[..., object]", factory)
        if isinstance(factory, type) and not args:
            recipe = recipe_for(factory)
        else:
            recipe = Recipe(partial(build, *args), declared_by)
        return await place(self, supervisor, plan, recipe, ActorHandle)

    def new_actor(
        self,
        model: Callable[..., ModelT],
        *args: object,
        **options: Unpack[StartOptions],
    ) -> IdleActor[ModelT]:
        """Return an actor to be put together, handler by handler, and started.

        Args:
            model: Called with *args* for every incarnation; returns the object
                that holds its state, of any class.
            *args: What it is called with.
            **options: As for `start`: ``name``, ``restart_policy`` and so on.
        """
        plan = self._plan(model, **options)
        return IdleActor(partial(model, *args), plan, partial(place, self))

    def _plan(
        self,
        factory: object,
        *,
        name: str | None = None,
        mailbox_capacity: int | None = None,
        max_concurrency: int | None = None,
        expose: bool | str = False,
        **supervision: Any,
    ) -> Plan:
        unknown = supervision.keys() - {each.name for each in attrs.fields(ChildSpec)}
        if unknown:
            known = ", ".join(sorted(StartOptions.__annotations__))
            name = min(unknown)
            fault = f"{name!r} is no option of an actor; there are {known}."
            model = name_of(factory)
            msg = lesson(
                fault,
                f"supervise({model}, {name}=...)",
                f"supervise(partial({model}, {name}=...))",
            )
            raise TypeError(msg)
        if not callable(factory):
            raise TypeError(not_a_factory(factory))
        limits = self.config.limits
        if mailbox_capacity is None:
            mailbox_capacity = limits.actor_inbox_capacity
        if max_concurrency is None:
            max_concurrency = limits.concurrent_handlers_high_water_mark
        return Plan(
            None if name is None else check_name(name),
            getattr(factory, "__name__", ""),
            mailbox_capacity,
            max_concurrency,
            _spec_of(**supervision),
            exposed_as=expose,
        )

    def made_up_name(self, stem: str, supervisor: Supervisor) -> str:
        """Return a name that no child of *supervisor* has, beginning with *stem*."""
        stem = re.sub("[^A-Za-z0-9_.-]", "", stem)[:40]
        stem = stem or self.config.defaults.actor_name
        # Somebody may have chosen the very name that would be made up next.
        names = (f"{stem}-{number}" for number in self._numbers)
        return next(name for name in names if not supervisor.has(name))

    def ipc_expose(self, name: str, handle: ActorHandle) -> None:
        """Let peers reach *handle* as *name*, until it is down or hidden.

        Its ``ipc`` message types, and what they are answered with, are
        registered under the names they were declared with.

        Raises:
            DuplicateNameError: If another actor has the name.
            TypeError: If one of its messages cannot travel.
        """
        self.exposure.expose(name, handle)

    def ipc_hide(self, name: str) -> ActorHandle | None:
        """Free *name*; return the actor that had it, if one did."""
        return self.exposure.hide(name)

    def actors(self) -> tuple[ActorHandle, ...]:
        """Return the actors that run and that no other supervises, in order of start."""
        return self.root.handles()

    def find(self, name: str) -> ActorHandle | None:
        """Return the running actor called *name*, or at that path: ``prices/alpha``."""
        return self.root.find(name)

    def snapshot(self) -> RuntimeSnapshot:
        """Return how all actors are at this moment: plain data, for people and tools.

        What a handler is at work on is seen if it waits; a plain function does
        not.  Nothing changes, and nobody is asked.
        """
        return RuntimeSnapshot(
            trio.current_time(), self.overseer.is_ending, self.root.snapshots()
        )

    @property
    def instruments(self) -> tuple[object, ...]:
        """Who looks in, in the order in which they are told."""
        return self.surroundings.panel.instruments

    def add_instrument(self, instrument: object) -> None:
        """Have *instrument* told what happens from now on; once is enough.

        Args:
            instrument: An `Instrument`, or any object with some of its methods.

        Raises:
            TypeError: If it has none of them, or one is asynchronous.
        """
        self.surroundings.panel.add(instrument)
        self._stir()

    def remove_instrument(self, instrument: object) -> None:
        """Tell *instrument* nothing more, but the end of what it saw begin.

        Raises:
            KeyError: If it is not told anything, perhaps because it has raised.
        """
        self.surroundings.panel.remove(instrument)

    def _stir(self) -> None:
        """Have actors that are amid many messages tell of the next one."""
        for seat in self.root.seats():
            seat.mailbox.ring()

    async def shutdown_all(self) -> None:
        """Stop all actors, the last started first, and start no more.

        Listeners drain before that, and are shut.  The actors handle what they
        have queued, within ``timeouts.actor_shutdown`` each and
        ``timeouts.system_shutdown`` together; then they are cancelled.

        Raises:
            AskCycleError: In a handler or hook, which would wait for its own
                end; ``ctx.start_soon(ctx.runtime.shutdown_all)`` is meant.

        Cancellation:
            The actors stop all the same; only the waiting ends.
        """
        await trio.lowlevel.checkpoint()
        activity = waiting_activity()
        if activity is not None and activity in self.root.blockers():
            raise AskCycleError((self.root.name, activity.name, self.root.name))
        self.begin_end()
        if self.services.cancel_scope.cancel_called:
            # All are down already.
            return
        if not self._is_shutting_down:
            self._is_shutting_down = True
            self.services.start_soon(self._shut_down, name="shutdown")
        await self._has_shut_down.wait()

    async def _shut_down(self) -> None:
        """Stop all actors; a task of its own, as who orders it may be one of them."""
        current_activity.set(None)
        try:
            for door in reversed(self.doors.copy()):
                await door.shutdown_gracefully()
            await self._stop_all()
        finally:
            # Whatever has happened, nobody waits for it any more.
            self._has_shut_down.set()

    async def _stop_all(self) -> None:
        with trio.move_on_after(self.config.timeouts.system_shutdown) as budget:
            if not self.root.is_closing:
                # What is broadcast is where it is handled before anybody stops,
                # if that is not for somebody who takes nothing any more.
                with trio.move_on_after(self.config.timeouts.actor_shutdown):
                    await self.broker.flush_actors()
            await self.root.stop_all()
        if budget.cancelled_caught:
            self.root.cancel_all("timeouts.system_shutdown has passed")
            await self.root.stop_all()

    def begin_end(self) -> None:
        """Refuse new actors, and take note of how those that there are end."""
        self.overseer.begin(self.services, self._cells())

    def _cells(self) -> Iterator[Cell]:
        for seat in self.root.seats():
            if isinstance(seat.occupant, Cell):
                yield seat.occupant

    @property
    def shutdown_report(self) -> ShutdownReport | None:
        """How the runtime has ended; ``None`` until it begins to.

        It is complete when the block of `open_runtime` was left.
        """
        return self.overseer.report() if self.overseer.is_ending else None

    async def wait_for_signal(self) -> signal.Signals:
        """Wait for SIGINT or SIGTERM, and return which one came first.

        The first call takes both over until the runtime ends, and any number
        of tasks may wait.  A second signal cancels the runtime, the block
        around it included; that is left normally.

        Raises:
            RuntimeError: Outside the main thread, where there are no signals.

        Cancellation:
            Only the waiting ends.
        """
        return await self.signals.wait(self.services)


async def place(
    runtime: RuntimeCore,
    supervisor: Supervisor | None,
    plan: Plan,
    recipe: Recipe,
    make_handle: Callable[[Seat], HandleT],
) -> HandleT:
    """Start what is made by *recipe*, in a new seat of *runtime*.

    Args:
        runtime: Where it lives.
        supervisor: Whose child it is; by default the runtime's.
        plan: How it is placed.
        recipe: Makes its incarnations.
        make_handle: Makes the handle of its seat.

    Raises:
        Exception: See `RuntimeCore.start`.

    Cancellation:
        The half-started actor is down before this leaves.
    """
    supervisor = supervisor or runtime.root
    if supervisor.household is not runtime.root.household:
        msg = "an actor of one runtime cannot be supervised in another"
        raise ValueError(msg)
    name = plan.name or runtime.made_up_name(plan.stem, supervisor)
    path = supervisor.path_of(name)
    if supervisor.seat is None:
        ern: str | Callable[[str], str] = _new_ern
    else:
        ern = f"{supervisor.seat.id}/{name}"
    panel = runtime.surroundings.panel
    mailbox = Mailbox(path, plan.mailbox_capacity, plan.max_concurrency, panel)
    handle = make_handle(Seat(path, ern, mailbox, runtime.surroundings))
    await supervisor.start(handle, recipe, plan.spec)
    if plan.exposed_as is not False:
        exposed_as = path if plan.exposed_as is True else plan.exposed_as
        await _expose_or_stop(runtime, exposed_as, handle)
    return handle


def _new_ern(name: str) -> str:
    milliseconds = time.time_ns() // 1_000_000
    return ern_of(name, type_id("", milliseconds, secrets.randbits(74)))


async def _expose_or_stop(runtime: RuntimeCore, name: str, handle: ActorHandle) -> None:
    try:
        runtime.ipc_expose(name, handle)
    except BaseException:
        with trio.CancelScope(shield=True):
            await handle.stop()
        raise


show_methods_as(RuntimeCore, "Runtime")
