"""Programs at random, and what runs them against the package."""

from __future__ import annotations

import logging
import random
import typing
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final, final

import attrs
import trio
import trio.testing
from hypothesis import strategies as st
from trio.testing import MockClock

import acton_trio as acton
from acton_trio._kernel.seat import Seat
from acton_trio._supervision.events import SupervisionEvent
from acton_trio._testing.scheduling import TaskOrder, ordered

from .model import (
    End,
    Ending,
    How,
    Job,
    Kind,
    Leave,
    Log,
    Op,
    Policy,
    Program,
    Run,
    Setup,
)

__all__ = ["Record", "Step", "programs", "run"]

# --- the actor


@acton.message
class Task(acton.Request[int]):
    """Does as its job says; which handler that takes is its class."""

    op: int
    job: Job


@acton.message
class Read(Task): ...


@acton.message
class ReadWithContext(Task): ...


@acton.message
class Peek(Task): ...


@acton.message
class PeekWithContext(Task): ...


@acton.message
class Write(Task): ...


@acton.message
class WriteWithContext(Task): ...


@acton.message
class Poke(Task): ...


@acton.message
class PokeWithContext(Task): ...


@acton.message
class Unknown(Task): ...


# By: is exclusive, takes time, wants a context.
_CLASSES: Final[dict[tuple[bool, bool, bool], type[Task]]] = {
    (False, True, False): Read,
    (False, True, True): ReadWithContext,
    (False, False, False): Peek,
    (False, False, True): PeekWithContext,
    (True, True, False): Write,
    (True, True, True): WriteWithContext,
    (True, False, False): Poke,
    (True, False, True): PokeWithContext,
}


def message_of(number: int, job: Job) -> Task:
    """Return the message that has *job* done."""
    if not job.is_known:
        return Unknown(number, job)
    kind = (job.exclusive, job.seconds > 0, job.wants_context)
    return _CLASSES[kind](number, job)


@acton.message
class Refused(acton.Rejection):
    """An expected failure."""

    why: str


class BodyError(Exception):
    """Ends the body of the block."""


@attrs.frozen
class Step:
    """The begin or the end of a run, in the order in which they happened."""

    op: int
    part: str
    actor: int
    is_begin: bool


@attrs.define(eq=False)
class Record:
    """What a run of a program has shown: its log, and the order of steps."""

    program: Program
    log: Log = attrs.field(factory=Log)
    steps: list[Step] = attrs.field(factory=list[Step])
    left_over: list[str] = attrs.field(factory=list[str])
    """Tasks that have outlived the block."""

    unnoted: list[str] = attrs.field(factory=list[str])
    """Failures that left the block without a note on where they are from."""

    @contextmanager
    def running(
        self, op: int, part: str, generation: int
    ) -> Generator[None, None, None]:
        """Write down one run of a handler."""
        actor = self.program.ops[op].actor
        start, how = trio.current_time(), How.RETURNED
        self.steps.append(Step(op, part, actor, is_begin=True))
        try:
            yield
        except trio.Cancelled:
            how = How.CANCELLED
            raise
        except BaseException:
            how = How.RAISED
            raise
        finally:
            end = trio.current_time()
            self.steps.append(Step(op, part, actor, is_begin=False))
            self.log.runs.add(Run(op, part, generation, start, end, how))


def finish(request: Task, end: End, mark: str, ctx: acton.Context | None) -> int:
    """End a handler in the way that was planned."""
    if end is End.STOP:
        assert ctx is not None
        ctx.stop()
    answers = {
        End.VALUE: request.op,
        End.STOP: request.op,
        End.NONE: None,
        End.WRONG: "wrong",
    }
    if end in answers:
        return typing.cast("int", answers[end])
    raise _error_of(end, f"{request.op}{mark}")


def _error_of(end: End, name: str) -> Exception:
    errors: dict[End, list[Exception]] = {
        End.REJECT: [Refused(name)],
        End.REJECT_TWICE: [Refused(name), Refused(f"second {name}")],
        End.VALUE_ERROR: [ValueError(name)],
        End.LONE: [ValueError(name)],
        End.KEY_ERROR: [KeyError(name)],
        End.GROUP: [ValueError(name), KeyError(name)],
    }
    if end in {End.REJECT_TWICE, End.LONE, End.GROUP}:
        return ExceptionGroup("of a handler", errors[end])
    return errors[end][0]


@acton.actor
class Desk:
    """Does what messages make it do, and has it written down."""

    record: Record
    generation: int

    async def slowly(self, request: Task, ctx: acton.Context | None = None) -> int:
        """Handle a message that takes time."""
        job = request.job
        with self.record.running(request.op, "handler", self.generation):
            if ctx is not None and job.replies_early:
                ctx.reply(request.op)
            try:
                await trio.sleep(job.seconds)
            except trio.Cancelled:
                with trio.CancelScope(shield=True):
                    if job.clean_up:
                        await trio.sleep(job.clean_up)
                if job.clean_up_fails:
                    error = _error_of(End.KEY_ERROR, f"{request.op}~")
                    raise error from None  # noqa: ASYNC104 - as clean-up may
                raise
            return finish(request, job.end, "", ctx)

    def at_once(self, request: Task, ctx: acton.Context | None = None) -> int:
        """Handle a message that takes no time."""
        with self.record.running(request.op, "handler", self.generation):
            if ctx is not None and request.job.replies_early:
                ctx.reply(request.op)
            return finish(request, request.job.end, "", ctx)

    @acton.act_on
    async def read(self, request: Read) -> int:
        return await self.slowly(request)

    @acton.act_on
    async def read_with_context(
        self, request: ReadWithContext, ctx: acton.Context
    ) -> int:
        return await self.slowly(request, ctx)

    @acton.act_on
    def peek(self, request: Peek) -> int:
        return self.at_once(request)

    @acton.act_on
    def peek_with_context(self, request: PeekWithContext, ctx: acton.Context) -> int:
        return self.at_once(request, ctx)

    @acton.mutate_on
    async def write(self, request: Write) -> int:
        return await self.slowly(request)

    @acton.mutate_on
    async def write_with_context(
        self, request: WriteWithContext, ctx: acton.Context
    ) -> int:
        return await self.slowly(request, ctx)

    @acton.mutate_on
    def poke(self, request: Poke) -> int:
        return self.at_once(request)

    @acton.mutate_on
    def poke_with_context(self, request: PokeWithContext, ctx: acton.Context) -> int:
        return self.at_once(request, ctx)


@acton.actor
class CarefulDesk(Desk):
    """The same, with an `on_error` for some of what goes wrong."""

    @acton.on_error
    async def rescue(
        self,
        error: ValueError,
        request: Read
        | ReadWithContext
        | Peek
        | PeekWithContext
        | Write
        | WriteWithContext
        | Poke
        | PokeWithContext,
    ) -> int:
        with self.record.running(request.op, "on_error", self.generation):
            assert error.args == (str(request.op),)
            if request.job.rescue_seconds:
                await trio.sleep(request.job.rescue_seconds)
            return finish(request, request.job.rescue, "!", None)


# --- words for what was seen

_REASONS: Final = {
    "rejected": "rejected",
    "its handler failed": "failed",
    "no handler for its type": "unhandled",
    "the actor has stopped": "stopped",
}


def write(error: BaseException | None) -> str | None:
    """Write an exception as the model does."""
    match error:
        case None:
            return None
        case Refused():
            return f"Refused({error.why})"
        case acton.UnhandledMessageError():
            return "Unhandled"
        case acton.RestartLimitError():
            return f"RestartLimit({write(error.__cause__)})"
        case BaseExceptionGroup():
            members = [f"{write(each)}" for each in error.exceptions]
            return f"Group[{', '.join(members)}]"
        case BodyError():
            return "BodyError"
        case _:
            return f"{type(error).__name__}({', '.join(map(str, error.args))})"


def write_outcome(error: Exception) -> str:
    """Write what an operation raised as the model does."""
    match error:
        case acton.HandlerFailedError():
            owner = ", supervisor's" if error.owned_by_supervisor else ""
            return f"failed {write(error.__cause__)}{owner}"
        case acton.UnhandledMessageError():
            return "unhandled"
        case acton.ActorStoppedError():
            cause = write(error.__cause__)
            return f"stopped because {cause}" if cause else "stopped"
        case acton.NoReplyError():
            return "no reply"
        case acton.UnexpectedReplyError():
            return "unexpected"
        case acton.AskTimeoutError():
            return "timed out"
        case acton.MailboxFullError():
            return "full"
        case _:
            return f"{write(error)}"


# --- running a program

# Longer than any program, in virtual seconds: what still waits then hangs.
_END_OF_TIME: Final = 65536


def run(program: Program) -> Record:
    """Run *program* against the package, in virtual time; return what happened."""
    record = Record(program)
    with _quietly(), ordered(TaskOrder(program.order)):
        trio.run(_Player(record).play, clock=MockClock(autojump_threshold=0))
    return record


@contextmanager
def _quietly() -> Generator[None, None, None]:
    # Each dead letter is logged: that is expected here, and slow.
    logger = logging.getLogger("acton_trio")
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = False


@final
@attrs.define(eq=False)
class _Player:
    """The code outside of the actors, all of it in tasks of its own."""

    record: Record
    handles: list[acton.ActorHandle] = attrs.field(factory=list[acton.ActorHandle])

    async def play(self) -> None:
        """Run the program from its first event to its last."""
        async with trio.open_nursery() as listeners:
            # Not a deadline: asks would have it, and wait for nothing else.
            listeners.start_soon(_cancel, listeners.cancel_scope, _END_OF_TIME)
            async with trio.open_nursery() as clients:
                with trio.CancelScope() as outside:
                    for cancel_at in self.cancellations():
                        # One that comes too late cancels what is over.
                        clients.start_soon(_cancel, outside, cancel_at)  # noqa: ASYNC111
                    await self.hold_block(listeners, clients)
                self.record.log.left_at = trio.current_time()
                self.record.left_over += _tasks_of_actors()
            await trio.testing.wait_all_tasks_blocked()
            listeners.cancel_scope.cancel()

    def cancellations(self) -> list[float]:
        """Return when the block is cancelled from outside."""
        program = self.record.program
        at = [program.cancel_at] if program.cancel_at is not None else []
        return [*at, program.leave_at] if program.leave is Leave.CANCEL else at

    async def hold_block(self, listeners: trio.Nursery, clients: trio.Nursery) -> None:
        """Open the runtime with its actors, and leave it as planned."""
        program = self.record.program
        config = acton.Config(
            timeouts=acton.Timeouts(
                ask=program.ask_timeout,
                actor_shutdown=program.actor_shutdown,
                system_shutdown=program.system_shutdown,
            )
        )
        left: list[BaseException] = []
        try:
            async with acton.open_runtime(config) as runtime:
                self.note_restarts(runtime)
                await listeners.start(self.listen, runtime)
                for number, setup in enumerate(program.actors):
                    self.handles.append(await self.start(runtime, number, setup))
                for number, op in enumerate(program.ops):
                    clients.start_soon(self.do, number, op)
                if program.leave is Leave.CANCEL:
                    await trio.sleep_forever()
                await trio.sleep_until(program.leave_at)
                if program.leave is Leave.RAISE:
                    raise BodyError  # noqa: TRY301 - through the block, as planned
        except BodyError as error:
            left = [error]
        except BaseExceptionGroup as group:
            # Cancellations have done their work: the scope ends with the block.
            _, failures = group.split(trio.Cancelled)
            assert failures is not None
            left = list(failures.exceptions)
        self.record.log.left = tuple(f"{write(each)}" for each in _apart(left))
        self.record.unnoted += [
            f"{write(each)}" for each in left if not _is_noted(each)
        ]

    async def start(
        self, runtime: acton.Runtime, number: int, setup: Setup
    ) -> acton.ActorHandle:
        """Start an actor whose incarnations know their number."""
        kind = CarefulDesk if setup.has_on_error else Desk
        generations = count()
        limit = acton.RestartLimit(
            max_restarts=setup.max_restarts,
            window=setup.window,
            initial_backoff=setup.backoff,
            max_backoff=_END_OF_TIME,
        )
        return await runtime.start(
            lambda: kind(self.record, next(generations)),
            name=f"desk-{number}",
            mailbox_capacity=setup.capacity,
            max_concurrency=setup.max_concurrency,
            restart_policy=acton.RestartPolicy(setup.policy.value),
            restart_limit=limit,
        )

    def note_restarts(self, runtime: acton.Runtime) -> None:
        """Write restarts down when they happen.

        A task that hears of one comes too late to see why, if the actor ends
        again at the same instant.
        """
        announce = runtime.root.household.announce

        def announce_and_note(event: SupervisionEvent, told: Seat | None) -> object:
            if isinstance(event, acton.ChildRestarted):
                self.record.log.restarts.append(self.restarted(event))
            return announce(event, told)

        runtime.root.household.announce = announce_and_note

    async def listen(
        self,
        runtime: acton.Runtime,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Write down what the runtime tells of messages and actors."""
        log = self.record.log
        async with runtime.broker.subscribe(
            acton.DeadLetter, acton.ChildTerminated
        ) as events:
            task_status.started()
            async for event in events:
                match event:
                    case acton.DeadLetter(message=Task(op=op)):
                        reason = _REASONS[event.reason]
                        log.letters.append((op, reason, write(event.error)))
                    case acton.ChildTerminated():
                        self.terminated(event)
                    case _:
                        raise AssertionError(event)

    def restarted(
        self, event: acton.ChildRestarted
    ) -> tuple[int, int, str, str | None, float]:
        """Return what to write down of a restart."""
        number = int(event.child.removeprefix("desk-"))
        failure = None
        if event.reason is acton.TerminationReason.FAILED:
            failure = write(self.handles[number].status.last_failure)
        now = trio.current_time()
        return number, event.generation, event.reason.value, failure, now

    def terminated(self, event: acton.ChildTerminated) -> None:
        """Write down the end of an actor."""
        number = int(event.child.removeprefix("desk-"))
        assert number not in self.record.log.endings
        self.record.log.endings[number] = Ending(
            self.handles[number].status.generation,
            trio.current_time(),
            event.reason.value,
            write(event.error),
        )

    async def do(self, number: int, op: Op) -> None:
        """Do one thing, and write down what came of it."""
        await trio.sleep_until(op.at)
        outcome = "cancelled"
        async with trio.open_nursery() as helpers:
            with trio.CancelScope() as scope:
                if op.patience is not None and op.by_deadline:
                    scope.deadline = op.at + op.patience
                elif op.patience is not None:
                    end = op.at + op.patience
                    helpers.start_soon(_cancel, scope, end)  # noqa: ASYNC111 - is helped
                try:
                    outcome = await self.attempt(number, op)
                except Exception as error:  # noqa: BLE001 - whatever it was
                    outcome = write_outcome(error)
            self.record.log.outcomes[number] = (outcome, trio.current_time())
            helpers.cancel_scope.cancel()

    async def attempt(self, number: int, op: Op) -> str:
        """Do one thing; return what came of it, or raise it."""
        handle = self.handles[op.actor]
        message = message_of(number, op.job)
        match op.kind:
            case Kind.SEND:
                await handle.send(message)
            case Kind.SEND_NOWAIT:
                handle.send_nowait(message)
            case Kind.ASK:
                return f"value {await handle.ask(message)}"
            case Kind.STOP:
                await handle.stop()
        return "ok"


async def _cancel(scope: trio.CancelScope, at: float) -> None:
    await trio.sleep_until(at)
    scope.cancel()


def _apart(failures: Iterable[BaseException]) -> Iterator[BaseException]:
    """Yield failures singly, those of one incarnation too."""
    for each in failures:
        if isinstance(each, BaseExceptionGroup) and "more than once" in each.message:
            yield from each.exceptions
        else:
            yield each


def _is_noted(failure: BaseException) -> bool:
    """Return whether a note says which actor failed with which message."""
    if isinstance(failure, BodyError):
        return True
    cause = failure.__cause__ if isinstance(failure, acton.RestartLimitError) else None
    notes = [
        note
        for each in _apart([failure, *([cause] if cause is not None else [])])
        for note in getattr(each, "__notes__", [])
    ]
    return any("desk-" in note and "handling" in note for note in notes) or (
        isinstance(failure, acton.RestartLimitError) and cause is None
    )


def _tasks_of_actors() -> list[str]:
    root = trio.lowlevel.current_root_task()
    assert root is not None
    names, tasks = list[str](), [root]
    while tasks:
        task = tasks.pop()
        names.append(task.name)
        for nursery in task.child_nurseries:
            tasks += nursery.child_tasks
    return [name for name in names if "desk-" in name]


# --- programs at random


def _instants() -> Iterator[float]:
    """Yield small numbers no two sums of which are the same, in 33 binary digits."""
    for number in count():
        yield random.Random(number).getrandbits(30) / 2**33


_ENDS: Final = [End.VALUE] * 8 + [each for each in End if each is not End.STOP]


@st.composite
def programs(draw: st.DrawFn, ops: int = 10) -> Program:
    """Generate a program of up to so many operations on one or two actors."""
    instants = _instants()

    def seconds(most: int, least: int = 0) -> float:
        # Whole quarters, as they are easy to read, and what tells them apart.
        return draw(st.integers(least * 4, most * 4)) / 4 + next(instants)

    def chance(*, of: int) -> bool:
        return draw(st.integers(0, of - 1)) == 1

    def setup() -> Setup:
        return Setup(
            capacity=draw(st.sampled_from([100, 1, 2, 3])),
            max_concurrency=draw(st.sampled_from([100, 1, 2, 3])),
            has_on_error=draw(st.booleans()),
            policy=draw(st.sampled_from(Policy)),
            max_restarts=draw(st.integers(0, 3)),
            window=draw(st.sampled_from([1024, 4])),
            backoff=seconds(2),
        )

    def job() -> Job:
        end = draw(st.sampled_from([*_ENDS, End.VALUE if is_short else End.STOP]))
        replies_early = chance(of=8)
        takes_time = draw(st.integers(0, 3)) > 0
        return Job(
            exclusive=draw(st.booleans()),
            seconds=seconds(4) if takes_time else 0,
            wants_context=replies_early or end is End.STOP or chance(of=4),
            is_known=not chance(of=12),
            end=end,
            replies_early=replies_early,
            clean_up=seconds(2) if chance(of=4) else 0,
            clean_up_fails=chance(of=6),
            rescue=draw(
                st.sampled_from(
                    [End.VALUE, End.NONE, End.REJECT, End.VALUE_ERROR, End.KEY_ERROR]
                )
            ),
            rescue_seconds=seconds(2) if chance(of=2) else 0,
        )

    def op() -> Op:
        kind = draw(st.sampled_from([*[Kind.ASK] * 6, *[Kind.SEND] * 4, *Kind]))
        return Op(
            kind=kind,
            at=seconds(8),
            actor=draw(st.integers(0, len(actors) - 1)),
            job=job() if kind is not Kind.STOP else Job(),
            patience=seconds(4) if chance(of=3) else None,
            by_deadline=draw(st.booleans()),
        )

    is_short = chance(of=3)
    actors = tuple(setup() for _ in range(2 if chance(of=4) else 1))
    return Program(
        ops=tuple(op() for _ in range(draw(st.integers(1, ops)))),
        actors=actors,
        leave_at=seconds(16, 4),
        leave=draw(st.sampled_from([Leave.RETURN, *Leave])),
        cancel_at=seconds(24, 4) if chance(of=4) else None,
        ask_timeout=seconds(6, 2) if chance(of=3) else 512 + next(instants),
        actor_shutdown=seconds(6, 1) if is_short else 512 + next(instants),
        system_shutdown=seconds(8, 1) if chance(of=6) else 2048 + next(instants),
        order=draw(st.integers(0, 3)),
    )
