"""`IdleActor`: an actor put together at run time, handler by handler."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import lru_cache
from types import CoroutineType
from typing import Any, Generic, Self, TypeVar, final

import attrs

from .._base.teaching import class_line, lesson
from .._base.util import name_of, publish_names, shown
from .._kernel.actor import Behaviour, HookName, behaviour_of, make_hook
from .._kernel.context import Context
from .._kernel.handle import ActorHandle
from .._kernel.handlers import Handler, make_error_handler, make_handler
from .._kernel.recipe import Recipe
from .._kernel.seat import Seat
from .._messages.declare import is_message
from .._policy.delivery import Delivery, Terms
from .._policy.spec import ChildSpec
from .._supervision.supervisor import Supervisor

__all__ = ["IdleActor", "Plan", "declared_by", "not_a_factory", "recipe_for"]

ModelT = TypeVar("ModelT")
MessageT = TypeVar("MessageT")
ErrorT = TypeVar("ErrorT", bound=Exception)


def _from_one(_plan: object, field: attrs.Attribute[int], value: int) -> None:
    if type(value) is not int or value < 1:
        msg = f"{field.name} is a whole number from 1 on, not {value!r}"
        raise ValueError(msg)


def _exposed(_plan: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, (bool, str)):
        msg = f"{field.name} is True, False or a name, not {shown(value)}"
        raise TypeError(msg)


@final
@attrs.frozen
class Plan:
    """How an actor is to be placed, whatever it does; a value."""

    name: str | None
    """What it is called; if nothing, that is made of *stem* and a number."""

    stem: str
    mailbox_capacity: int = attrs.field(validator=_from_one)
    max_concurrency: int = attrs.field(validator=_from_one)
    spec: ChildSpec = attrs.field(factory=ChildSpec)
    exposed_as: bool | str = attrs.field(default=False, validator=_exposed)
    """The name that peers know it by, or whether that is its own."""


@final
@attrs.define(eq=False, repr=False)
class IdleActor(Generic[ModelT]):
    """An actor that is being put together; lives until it is started.

    What the model's class declares with decorators holds too; a handler added here
    takes the place of a declared one.
    """

    _build: Callable[[], ModelT]
    _plan: Plan
    _place: Callable[
        [
            Supervisor | None,
            Plan,
            Recipe,
            Callable[[Seat], ActorHandle],
        ],
        Awaitable[ActorHandle],
    ]
    """Starts what does what it is told, by default as an actor of the runtime."""

    _added: Behaviour = attrs.field(factory=Behaviour, init=False)
    _has_started: bool = attrs.field(default=False, init=False)

    def act_on(
        self,
        message_type: type[MessageT],
        handler: Callable[[ModelT, MessageT], object]
        | Callable[[ModelT, MessageT, Context], object],
        *,
        subscribe: bool = False,
        delivery: Delivery = Delivery.BLOCK,
        capacity: int | None = None,
    ) -> Self:
        """Have *handler* read for messages of *message_type*; see `acton_trio.act_on`.

        Args:
            message_type: Which messages; exactly this type.
            handler: Called with the model and the message, and with a `Context`
                if it takes a third argument.
            subscribe: As of `acton_trio.act_on`.
            delivery: As of ``handle.subscribe``.
            capacity: As of ``handle.subscribe``.

        Raises:
            TypeError: If the type has a handler that was added here, or the
                handler does not fit.
            RuntimeError: If the actor was started already.
        """
        terms = Terms(delivery, capacity) if subscribe else None
        return self._add(message_type, handler, terms, exclusive=False)

    def mutate_on(
        self,
        message_type: type[MessageT],
        handler: Callable[[ModelT, MessageT], object]
        | Callable[[ModelT, MessageT, Context], object],
        *,
        subscribe: bool = False,
        delivery: Delivery = Delivery.BLOCK,
        capacity: int | None = None,
    ) -> Self:
        """Have *handler* alone with messages of *message_type*; see `acton_trio.mutate_on`.

        Args:
            message_type: Which messages; exactly this type.
            handler: Called with the model and the message, and with a `Context`
                if it takes a third argument.
            subscribe: As of `acton_trio.mutate_on`.
            delivery: As of ``handle.subscribe``.
            capacity: As of ``handle.subscribe``.

        Raises:
            TypeError: If the type has a handler that was added here, or the
                handler does not fit.
            RuntimeError: If the actor was started already.
        """
        terms = Terms(delivery, capacity) if subscribe else None
        return self._add(message_type, handler, terms, exclusive=True)

    def _add(
        self,
        message_type: type,
        function: Callable[..., object],
        terms: Terms | None,
        *,
        exclusive: bool,
    ) -> Self:
        self._refuse_started()
        decorator = "mutate_on" if exclusive else "act_on"
        where = f"{decorator}({name_of(message_type)}, {name_of(function)})"
        if message_type in self._added.handlers:
            msg = f"{where}: {name_of(message_type)} has a handler already"
            raise TypeError(msg)
        handler = make_handler(
            message_type, function, exclusive=exclusive, where=where, terms=terms
        )
        return self._with(Behaviour(handlers={message_type: handler}))

    def on_error(
        self,
        message_type: type[MessageT],
        error_type: type[ErrorT],
        handler: Callable[[ModelT, ErrorT, MessageT], object]
        | Callable[[ModelT, ErrorT, MessageT, Context], object],
    ) -> Self:
        """Have *handler* deal with that error of that message; see `acton_trio.on_error`.

        Args:
            message_type: Of which messages; exactly this type.
            error_type: Which exceptions; those that derive from it, too.
            handler: Called with the model, the error and the message, and with
                a `Context` if it takes a fourth argument.

        Raises:
            TypeError: If the handler does not fit.
            RuntimeError: If the actor was started already.
        """
        self._refuse_started()
        where = f"on_error({name_of(message_type)}, {name_of(error_type)})"
        made = make_error_handler(message_type, error_type, handler, where=where)
        table: dict[type, dict[type, Handler]] = {message_type: {error_type: made}}
        return self._with(Behaviour(error_handlers=table))

    def _with(self, more: Behaviour) -> Self:
        self._added = self._added.updated(more)
        return self

    def before_start(self, hook: Callable[..., object]) -> Self:
        """Have *hook* called before the actor starts; see `acton_trio.before_start`."""
        return self._hook("before_start", hook)

    def after_start(self, hook: Callable[..., object]) -> Self:
        """Have *hook* called before the first message; see `acton_trio.after_start`."""
        return self._hook("after_start", hook)

    def before_stop(self, hook: Callable[..., object]) -> Self:
        """Have *hook* called on a graceful stop; see `acton_trio.before_stop`."""
        return self._hook("before_stop", hook)

    def after_stop(self, hook: Callable[..., object]) -> Self:
        """Have *hook* called when all is over; see `acton_trio.after_stop`."""
        return self._hook("after_stop", hook)

    def lifespan(self, hook: Callable[..., AsyncIterator[None]]) -> Self:
        """Have *hook* around each incarnation's life; see `acton_trio.lifespan`."""
        return self._hook("lifespan", hook)

    def _hook(self, name: HookName, function: Callable[..., object]) -> Self:
        self._refuse_started()
        hook = make_hook(name, function, f"{name}({name_of(function)})")
        return self._with(Behaviour(hooks={name: hook}))

    def expose_for_ipc(self, name: str | None = None) -> Self:
        """Let peers reach the actor, under its own name or *name*."""
        self._refuse_started()
        exposed_as = True if name is None else name
        self._plan = attrs.evolve(self._plan, exposed_as=exposed_as)
        return self

    async def start(self) -> ActorHandle:
        """Start the actor as ``runtime.start`` does, and return its handle.

        Raises:
            RuntimeError: If it was started already.
            Exception: What ``runtime.start`` raises.

        Cancellation:
            The half-started actor is down before this leaves.
        """
        return await self.start_under(None)

    async def start_under(self, supervisor: Supervisor | None) -> ActorHandle:
        """Do as `start` does, for *supervisor*; ``handle.supervise(idle)`` calls it.

        Cancellation:
            The half-started actor is down before this leaves.
        """
        self._refuse_started()
        self._has_started = True
        return await self._place(
            supervisor, self._plan, Recipe(self._build, self._behaviour_of), ActorHandle
        )

    def _behaviour_of(self, model: object) -> Behaviour:
        return (behaviour_of(type(model)) or Behaviour()).updated(self._added)

    def _refuse_started(self) -> None:
        if self._has_started:
            msg = "this actor has started: put it together before, or build another"
            raise RuntimeError(msg)


def declared_by(model: object) -> Behaviour:
    """Return what the class of *model* declares.

    Raises:
        TypeError: If it declares nothing.
    """
    behaviour = behaviour_of(type(model))
    if behaviour is None:
        raise TypeError(_not_an_actor(model))
    return behaviour


def _not_an_actor(model: object) -> str:
    """Return what is wrong with what a factory has made, and what was meant."""
    cls = type(model)
    if isinstance(model, CoroutineType):
        # It is taken care of by this, and nobody else has to be told.
        model.close()
        name = model.__qualname__.rpartition(".")[2]
        return lesson(
            f"the factory {name} is asynchronous, so what it makes is not an actor; "
            "what has to wait belongs in a hook.",
            f"async def {name}(...): ...",
            f"def {name}(...): ...",
            "@before_start\nasync def prepare(self): ...",
        )
    if model is None:
        return lesson(
            "the factory has returned None, which is not an actor.",
            "def make():\n    MyService()",
            "def make():\n    return MyService()",
        )
    if is_message(cls):
        name = name_of(cls)
        return lesson(
            f"{name} is a message, not an actor: an actor is started, and sent it.",
            f"await runtime.start({name}, ...)",
            f"await handle.send({name}(...))",
        )
    line = class_line(cls)
    return lesson(
        f"{name_of(cls)} is not an actor: decorate the class with @actor.",
        line,
        f"@actor\n{line}",
        f"runtime.new_actor({name_of(cls)})",
    )


def not_a_factory(thing: object) -> str:
    """Return what is wrong with *thing*, which makes no actor, and what was meant."""
    if isinstance(thing, ActorHandle):
        fault = f"{thing.name} runs already: an actor is started by its class."
        return lesson(
            fault, "await runtime.start(handle)", "await runtime.start(MyService)"
        )
    fault = (
        f"{shown(thing)} cannot be called: an actor is built anew for each of its "
        "incarnations, so give its class, and what to call it with."
    )
    if type(thing).__module__ == "builtins":
        is_name = isinstance(thing, str) and thing.isidentifier()
        name = thing if is_name else "MyService"
        incorrect = f"await runtime.start({shown(thing, 40)})"
        return lesson(fault, incorrect, f"await runtime.start({name})")
    kind = name_of(type(thing))
    incorrect = f"await runtime.start({kind}(...))"
    return lesson(fault, incorrect, f"await runtime.start({kind}, ...)")


@lru_cache(maxsize=256)
def recipe_for(model_class: type) -> Recipe:
    """Return how to make actors of *model_class*, which is called with nothing.

    One for all of them: it would be a twentieth of what an idle actor takes.
    """
    return Recipe(model_class, declared_by)


publish_names(globals(), ["IdleActor"])
