"""What DESIGN.md sections 4, 6 and 7 say, as a small simulation: no trio in it.

A `Program` is a plan: actors, and what plain code does to them at which time.
`predict` says what must come of it, as a `Log`; `programs.run` runs the same
plan against the package and writes down a log of its own.  The two are equal.

Time is exact: all instants are sums of numbers with few binary digits.  Two
independent events at the same instant have no order, so the model refuses such
a program (`TieError`).  One freedom is left, and is settled by looking at what has
happened: of an `act_on` handler that is started at the very instant at which a
plain one fails, nobody can say whether it had its first step.  If not, the
message was only queued.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Final, TypeAlias

import attrs

__all__ = [
    "End",
    "Ending",
    "How",
    "Job",
    "Kind",
    "Leave",
    "Log",
    "Op",
    "Policy",
    "Program",
    "Run",
    "Setup",
    "TieError",
    "World",
    "predict",
]

# --- what may be planned


class End(enum.Enum):
    """How a handler ends."""

    VALUE = "returns the number of its message"
    NONE = "returns None, which is no reply here"
    WRONG = "returns what the request does not declare"
    STOP = "calls ctx.stop() and returns the number"
    REJECT = "raises a Rejection"
    REJECT_TWICE = "raises a group of two rejections"
    VALUE_ERROR = "raises what on_error handles"
    LONE = "raises a group with a single leaf that on_error handles"
    KEY_ERROR = "raises what on_error does not handle"
    GROUP = "raises a group of two errors"


_REPLIES: Final = (End.VALUE, End.STOP)
_REJECTIONS: Final = (End.REJECT, End.REJECT_TWICE)
_RESCUED: Final = (End.VALUE_ERROR, End.LONE)


@attrs.frozen(kw_only=True)
class Job:
    """What a message makes its handler do."""

    exclusive: bool = False
    """Whether it is a `mutate_on` handler."""

    seconds: float = 0
    """How long it takes; 0: it is a plain function."""

    wants_context: bool = False
    is_known: bool = True
    """Whether there is a handler at all."""

    end: End = End.VALUE
    replies_early: bool = False
    """Whether it calls ``ctx.reply()`` first of all."""

    clean_up: float = 0
    """How long a shielded clean-up takes when it is cancelled."""

    clean_up_fails: bool = False
    rescue: End = End.VALUE
    """How the `on_error` for it ends."""

    rescue_seconds: float = 0


class Kind(enum.Enum):
    """What plain code does with an actor."""

    SEND = "send"
    SEND_NOWAIT = "send_nowait"
    ASK = "ask"
    STOP = "stop"


@attrs.frozen(kw_only=True)
class Op:
    """One thing that one task does; its place in the program is its number."""

    kind: Kind
    at: float
    actor: int = 0
    job: Job = Job()
    patience: float | None = None
    """After how many seconds the task gives up."""

    by_deadline: bool = True
    """Whether it gives up by a deadline, which an ask knows beforehand."""


class Policy(enum.Enum):
    """After which ends an actor comes back."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


@attrs.frozen(kw_only=True)
class Setup:
    """How one actor is started."""

    capacity: int = 100
    max_concurrency: int = 100
    has_on_error: bool = False
    policy: Policy = Policy.PERMANENT
    max_restarts: int = 5
    window: float = 1024
    backoff: float = 1


class Leave(enum.Enum):
    """How the block around the actors is left."""

    RETURN = "its body ends"
    RAISE = "its body raises"
    CANCEL = "it is cancelled from outside"


@attrs.frozen(kw_only=True)
class Program:
    """What is going to happen."""

    ops: tuple[Op, ...]
    actors: tuple[Setup, ...] = (Setup(),)
    leave_at: float = 512
    leave: Leave = Leave.RETURN
    cancel_at: float | None = None
    """When, on top of that, it is cancelled from outside."""

    ask_timeout: float = 256
    actor_shutdown: float = 256
    system_shutdown: float = 256
    order: int = 0
    """Seed of the order in which trio runs tasks; nothing may depend on it."""


# --- what has happened


class How(enum.Enum):
    """How a handler ended, as it saw it."""

    RETURNED = "returned"
    RAISED = "raised"
    CANCELLED = "cancelled"


@attrs.frozen
class Run:
    """One run of a handler, or of the `on_error` for it."""

    op: int
    part: str
    generation: int
    start: float
    end: float
    how: How


@attrs.frozen
class Ending:
    """How an actor ended: its last generation, when, why, with which failure."""

    generation: int
    at: float
    reason: str
    failure: str | None


Outcome: TypeAlias = tuple[str, float]
Letter: TypeAlias = tuple[int, str, str | None]
"""The message, why it is a dead letter, and the exception that it carries."""


@attrs.define
class Log:
    """All that can be seen of a program that ran."""

    outcomes: dict[int, Outcome] = attrs.field(factory=dict[int, Outcome])
    """What plain code got from its operations, and when."""

    runs: set[Run] = attrs.field(factory=set[Run])
    letters: list[Letter] = attrs.field(factory=list[Letter])
    restarts: list[tuple[int, int, str, str | None, float]] = attrs.field(
        factory=list[tuple[int, int, str, str | None, float]]
    )
    """Actor, generation, why, the failure if it was one, and when."""

    endings: dict[int, Ending] = attrs.field(factory=dict[int, Ending])
    left: tuple[str, ...] = ()
    """The exceptions that left the block."""

    left_at: float = 0


# --- the simulation


class TieError(Exception):
    """Two events have no order: the contract says nothing on this program."""


@attrs.define(eq=False)
class _Timer:
    action: Callable[[], None]
    is_live: bool = True


class _Phase(enum.Enum):
    RUNNING = enum.auto()
    AWAY = enum.auto()  # between two incarnations
    DOWN = enum.auto()


@attrs.define(eq=False)
class _Message:
    op: int
    job: Job
    is_asked: bool
    in_use: _Run | None = None

    def error(self, end: End, mark: str = "") -> str:
        """Return how the exception is written that *end* raises."""
        name = f"{self.op}{mark}"
        return {
            End.REJECT: f"Refused({name})",
            End.REJECT_TWICE: f"Group[Refused({name}), Refused(second {name})]",
            End.VALUE_ERROR: f"ValueError({name})",
            End.LONE: f"Group[ValueError({name})]",
            End.KEY_ERROR: f"KeyError({name})",
            End.GROUP: f"Group[ValueError({name}), KeyError({name})]",
        }[end]


@attrs.define(eq=False)
class _Run:
    message: _Message
    exclusive: bool
    part: str
    start: float
    timer: _Timer = attrs.field(factory=lambda: _Timer(lambda: None))
    is_cancelled: bool = False
    had_first_step: bool = True
    rescued: str = ""  # the error that an on_error is for


@attrs.define(eq=False)
class _Actor:
    """One actor: its mailbox, the lock over it, and its supervision."""

    world: World
    number: int
    setup: Setup
    phase: _Phase = _Phase.RUNNING
    generation: int = 0
    queue: list[_Message] = attrs.field(factory=list[_Message])
    line: list[_Message] = attrs.field(factory=list[_Message])
    running: list[_Run] = attrs.field(factory=list[_Run])
    errands: list[tuple[_Message, str]] = attrs.field(
        factory=list[tuple[_Message, str]]
    )
    failures: list[str] = attrs.field(factory=list[str])
    is_closed: bool = False
    is_leaving: bool = False  # ctx.stop() was called
    is_stopping: bool = False  # handle.stop(), or the end of the block
    is_draining: bool = False
    is_cut: bool = False  # its work was cancelled
    is_cut_by_failure: bool = False
    has_failed_late: bool = False  # after it was ordered to end for good
    waits_for_turn: bool = False
    accepted: list[int] = attrs.field(factory=list[int])
    stop_waiters: list[int] = attrs.field(factory=list[int])
    restart_times: list[float] = attrs.field(factory=list[float])
    runs_since: float = 0
    in_a_row: int = 0
    ended: tuple[str, str | None] = ("normal", None)  # the last incarnation
    comeback: _Timer | None = None
    budget: _Timer | None = None

    # --- section 7: into the mailbox, and out of it

    def arrive(self, message: _Message, *, waits: bool = True) -> None:
        if self.is_closed:
            self.world.settle(message.op, "stopped")
        elif len(self.queue) < self.setup.capacity:
            self.accept(message)
            self.pump()
        elif waits:
            self.line.append(message)
        else:
            self.world.settle(message.op, "full")

    def accept(self, message: _Message) -> None:
        self.queue.append(message)
        self.accepted.append(message.op)
        if not message.is_asked:
            self.world.settle(message.op, "ok")

    def admit(self) -> None:
        while self.line and len(self.queue) < self.setup.capacity:
            self.accept(self.line.pop(0))

    def take(self) -> _Message:
        message = self.queue.pop(0)
        self.admit()
        return message

    def give_up(self, message: _Message) -> None:
        """Promise 3: the asker or sender of *message* has gone."""
        if message in self.line:
            self.line.remove(message)
        elif message in self.queue:
            self.queue.remove(message)
            self.admit()
            self.pump()
        elif (run := message.in_use) is not None and not run.exclusive:
            self.cancel(run)
            self.go_on()

    def refuse_line(self) -> None:
        self.is_closed = True
        while self.line:
            self.world.settle(self.line.pop(0).op, "stopped")

    # --- section 4: what may start now

    def pump(self) -> None:
        while self.phase is _Phase.RUNNING and not self.is_cut and self.step():
            pass

    def step(self) -> bool:
        """Do what may be done now; return whether there may be more."""
        if any(run.exclusive for run in self.running):
            return False
        if self.errands:
            if not self.running:
                self.start_errand()
                return True
            return False
        if (self.is_stopping or self.is_leaving) and not self.is_draining:
            if self.running:
                return False
            if not self.is_stopping:
                self.end_incarnation()
                return False
            self.refuse_line()
            self.is_draining = True
        if not self.queue:
            if self.is_draining and not self.running:
                self.end_incarnation()
            return False
        return self.start_next()

    def start_next(self) -> bool:
        job = self.queue[0].job
        if job.is_known and self.running:
            limit = 1 if job.exclusive else self.setup.max_concurrency
            if len(self.running) >= limit:
                return False
        message = self.take()
        if not job.is_known:
            self.world.settle(message.op, "unhandled")
            self.world.log.letters.append((message.op, "unhandled", "Unhandled"))
            return True
        run = _Run(message, job.exclusive, "handler", self.world.now)
        overlaps = job.seconds > 0 and not job.exclusive
        if overlaps:
            run.had_first_step = self.world.had_first_step(message.op, self.generation)
        if job.replies_early and run.had_first_step:
            self.world.settle(message.op, f"value {message.op}")
        self.begin(run, job.seconds)
        return True

    def start_errand(self) -> None:
        message, error = self.errands.pop(0)
        run = _Run(
            message,
            exclusive=True,
            part="on_error",
            start=self.world.now,
            rescued=error,
        )
        self.begin(run, message.job.rescue_seconds)

    def begin(self, run: _Run, seconds: float) -> None:
        self.running.append(run)
        run.message.in_use = run
        if seconds:
            run.timer = self.world.after(seconds, lambda: self.finish(run))
        else:
            self.finish(run)

    def finish(self, run: _Run) -> None:
        message = run.message
        end, mark = message.job.end, ""
        if run.part == "on_error":
            end, mark = message.job.rescue, "!"
        if end in (*_REPLIES, End.NONE, End.WRONG):
            self.end_run(run, How.RETURNED)
            self.is_leaving |= end is End.STOP
            self.world.settle(message.op, _answer(end, message.op))
        else:
            self.end_run(run, How.RAISED)
            self.raised(run, end, message.error(end, mark))
        self.pump()

    def end_run(self, run: _Run, how: How) -> None:
        self.running.remove(run)
        run.message.in_use = None
        self.world.log.runs.add(
            Run(
                run.message.op,
                run.part,
                self.generation,
                run.start,
                self.world.now,
                how,
            )
        )

    # --- section 6: who owns a failure

    def raised(self, run: _Run, end: End, error: str) -> None:
        may_be_rescued = self.setup.has_on_error and not self.failures
        if run.part == "handler" and end in _RESCUED and may_be_rescued:
            self.errands.append((run.message, error))
        else:
            self.judge(run.message, error, is_rejection=end in _REJECTIONS)

    def judge(
        self, message: _Message, error: str, *, is_rejection: bool = False
    ) -> None:
        waits = message.is_asked and self.world.is_open(message.op)
        letters = self.world.log.letters
        if is_rejection and waits:
            first = error.removeprefix("Group[").partition(",")[0].removesuffix("]")
            self.world.settle(message.op, first)
        elif is_rejection:
            letters.append((message.op, "rejected", error))
        elif message.job.exclusive or not message.is_asked:
            if waits:
                self.world.settle(message.op, f"failed {error}, supervisor's")
            self.fail(error)
        elif waits:
            self.world.settle(message.op, f"failed {error}")
        else:
            letters.append((message.op, "failed", error))

    def fail(self, error: str) -> None:
        self.failures.append(error)
        self.has_failed_late |= self.is_stopping or self.world.is_closing
        if not self.is_cut:
            # Without a first step, a message was only queued: it is kept.
            kept = [run for run in self.running if not run.had_first_step]
            for run in kept:
                run.timer.is_live = False
                run.message.in_use = None
                self.running.remove(run)
            self.queue[:0] = [run.message for run in kept]
            self.world.remarks |= {"was kept without a first step"} if kept else set()
            self.cut()

    # --- cancelling

    def cut(self) -> None:
        """Cancel what runs; what is left of the incarnation still happens."""
        self.is_cut = True
        self.is_cut_by_failure = bool(self.failures)
        self.note_freedom()
        for run in self.running.copy():
            self.cancel(run)
        self.go_on()

    def note_freedom(self) -> None:
        fails = any(
            run.message.job.clean_up_fails
            and (run.exclusive or not run.message.is_asked)
            for run in self.running
        )
        if fails and not self.failures and len(self.running) > 1:
            self.world.remarks.add("failed while others were cancelled")

    def cancel(self, run: _Run) -> None:
        if run.is_cancelled:
            return
        run.timer.is_live = False
        run.is_cancelled = True
        if run.part == "handler" and run.message.job.clean_up:
            seconds = run.message.job.clean_up
            run.timer = self.world.after(seconds, lambda: self.finish_clean_up(run))
        else:
            self.end_cancelled(run)

    def finish_clean_up(self, run: _Run) -> None:
        self.end_cancelled(run)
        self.go_on()

    def end_cancelled(self, run: _Run) -> None:
        message = run.message
        if run.part == "handler" and message.job.clean_up_fails:
            self.end_run(run, How.RAISED)
            self.judge(message, message.error(End.KEY_ERROR, "~"))
            return
        self.end_run(run, How.CANCELLED)
        if run.part == "on_error":
            self.judge(message, run.rescued)
            return
        answer = "stopped"
        if self.is_cut_by_failure:
            answer = f"failed {self.failures[0]}, supervisor's"
        self.world.settle(message.op, answer)

    def go_on(self) -> None:
        """Do what has become possible since a handler was cancelled."""
        if not self.is_cut:
            self.pump()
        elif (
            not self.running
            and self.phase is _Phase.RUNNING
            and not self.waits_for_turn
        ):
            self.end_incarnation()

    # --- section 5: what comes after an incarnation

    def end_incarnation(self) -> None:
        self.is_cut = True
        while self.errands:
            self.judge(*self.errands.pop(0))
        self.conclude()

    def conclude(self) -> None:
        # Cancelled all at once, they end in the reverse order of their start.
        later = self.world.actors[self.number + 1 :]
        self.waits_for_turn = self.world.has_turns and any(
            each.phase is not _Phase.DOWN for each in later
        )
        if self.waits_for_turn:
            return
        failure = self.failures[0] if self.failures else None
        if len(self.failures) > 1:
            failure = f"Group[{', '.join(self.failures)}]"
        raised, self.failures = self.failures, []
        reason = "normal"
        if failure is not None:
            reason = "failed"
        elif self.world.is_closing:
            reason = "parent_shutdown"
        elif self.is_stopping:
            reason = "stopped"
        is_over = self.world.is_closing or self.is_stopping
        if not self.comes_back(reason) or (is_over and failure is None):
            self.go_down(reason, failure, [])
        elif self.has_failed_late:
            self.go_down(reason, failure, raised)
        elif (wait := self.next_backoff()) is None:
            limit = f"RestartLimit({failure})"
            self.go_down(reason, limit, [limit])
        elif is_over:
            # It would have come back: that it failed is dealt with.
            self.go_down(reason, failure, [])
        else:
            self.phase = _Phase.AWAY
            self.ended = reason, failure
            self.comeback = self.world.after(
                wait, lambda: self.restart(reason, failure)
            )

    def comes_back(self, reason: str) -> bool:
        match self.setup.policy:
            case Policy.PERMANENT:
                return True
            case Policy.TRANSIENT:
                return reason == "failed"
            case Policy.TEMPORARY:
                return False

    def next_backoff(self) -> float | None:
        now, window = self.world.now, self.setup.window
        if now - self.runs_since > window:
            self.in_a_row = 0
        recent = [each for each in self.restart_times if now - each < window]
        if len(recent) >= self.setup.max_restarts:
            return None
        self.restart_times.append(now)
        self.in_a_row += 1
        return self.setup.backoff * 2.0 ** (self.in_a_row - 1)

    def restart(self, reason: str, failure: str | None) -> None:
        self.comeback = None
        self.phase = _Phase.RUNNING
        self.is_cut = self.is_cut_by_failure = self.is_leaving = False
        self.generation += 1
        self.runs_since = self.world.now
        self.world.log.restarts.append(
            (self.number, self.generation, reason, failure, self.world.now)
        )
        self.pump()

    # --- the end

    def order_stop(self) -> None:
        if self.phase is _Phase.DOWN:
            return
        if not self.is_stopping:
            self.is_stopping = True
            is_busy = bool(self.running)
            self.budget = self.world.after(
                self.world.program.actor_shutdown,
                lambda: self.run_out_of_time(is_busy=is_busy),
            )
        if self.phase is _Phase.AWAY:
            self.stay_away()
        else:
            self.pump()

    def run_out_of_time(self, *, is_busy: bool) -> None:
        if self.phase is _Phase.RUNNING and not self.is_cut:
            self.world.remarks |= {"ran out of time to stop"} if is_busy else set()
            self.cut()

    def force(self) -> None:
        """Have it end now: it is cancelled, with all others."""
        self.is_stopping = True
        if self.phase is _Phase.AWAY:
            self.stay_away()
        elif self.phase is _Phase.RUNNING and not self.is_cut:
            self.cut()

    def stay_away(self) -> None:
        assert self.comeback is not None
        self.comeback.is_live = False
        self.go_down(*self.ended, [])

    def go_down(self, reason: str, cause: str | None, raised: list[str]) -> None:
        self.phase = _Phase.DOWN
        if self.budget is not None:
            self.budget.is_live = False
        self.refuse_line()
        why = f"stopped because {cause}" if cause else "stopped"
        for message in self.queue:
            self.world.settle(message.op, why)
            self.world.log.letters.append((message.op, "stopped", cause))
        self.queue.clear()
        ending = Ending(self.generation, self.world.now, reason, cause)
        self.world.log.endings[self.number] = ending
        for op in self.stop_waiters:
            self.world.settle(op, "ok")
        self.world.went_down(raised)


def _answer(end: End, op: int) -> str:
    if end in _REPLIES:
        return f"value {op}"
    return "no reply" if end is End.NONE else "unexpected"


@attrs.define(eq=False)
class World:
    """The block around the actors, its clock, and the code outside."""

    program: Program
    had_first_step: Callable[[int, int], bool]
    now: float = 0
    log: Log = attrs.field(factory=Log)
    actors: list[_Actor] = attrs.field(factory=list[_Actor])
    failures: list[str] = attrs.field(factory=list[str])
    is_left: bool = False  # the body has ended
    is_closing: bool = False  # nobody comes back
    is_cancelled: bool = False
    has_turns: bool = False  # cancelled, and not yet cut off
    remarks: set[str] = attrs.field(factory=set[str])
    """What has happened that tests may want to know of."""

    _ticket: Iterator[int] = attrs.field(factory=count)
    _heap: list[tuple[float, int, _Timer]] = attrs.field(
        factory=list[tuple[float, int, _Timer]]
    )

    # --- time

    def after(self, seconds: float, action: Callable[[], None]) -> _Timer:
        timer = _Timer(action)
        heappush(self._heap, (self.now + seconds, next(self._ticket), timer))
        return timer

    def run(self) -> None:
        """Let all happen, from the first event to the last."""
        program = self.program
        self.actors += [
            _Actor(self, number, setup) for number, setup in enumerate(program.actors)
        ]
        for number, op in enumerate(program.ops):
            self.after(op.at, partial(self.do, number, op))
        self.after(program.leave_at, self.leave)
        if program.cancel_at is not None:
            self.after(program.cancel_at, self.cancel_from_outside)
        while self._heap:
            time, _, timer = heappop(self._heap)
            if timer.is_live:
                if time == self.now:
                    raise TieError
                self.now = time
                timer.action()

    # --- the code outside

    def do(self, number: int, op: Op) -> None:
        actor = self.actors[op.actor]
        message = _Message(number, op.job, op.kind is Kind.ASK)
        if op.kind is Kind.STOP:
            actor.stop_waiters.append(number)
            actor.order_stop()
            if actor.phase is _Phase.DOWN:
                self.settle(number, "ok")
        else:
            actor.arrive(message, waits=op.kind is not Kind.SEND_NOWAIT)
        if self.is_open(number) or message.in_use:
            self.limit(number, op, actor, message)

    def limit(self, number: int, op: Op, actor: _Actor, message: _Message) -> None:
        """Promise 2: put an end to the waiting, and with it to the work."""
        rides_along = op.patience is not None and op.by_deadline
        if op.patience is not None:
            self.after(
                op.patience,
                lambda: self.give_up(
                    actor, message, "cancelled", is_deadline=rides_along
                ),
            )
        if op.kind is Kind.ASK and not rides_along:
            self.after(
                self.program.ask_timeout,
                lambda: self.give_up(actor, message, "timed out", is_deadline=True),
            )

    def give_up(
        self, actor: _Actor, message: _Message, how: str, *, is_deadline: bool
    ) -> None:
        run, job = message.in_use, message.job
        if self.is_open(message.op):
            self.settle(message.op, how)
            if (
                how == "timed out"
                and run is not None
                and not run.exclusive
                and job.clean_up_fails
                and not job.clean_up
            ):
                self.remarks.add("failed at the instant of its backstop")
            actor.give_up(message)
        elif is_deadline and message.is_asked and run is not None:
            # It has answered already; the deadline is around it all the same.
            actor.give_up(message)

    def is_open(self, op: int) -> bool:
        """Return whether the task that did *op* still waits."""
        return op not in self.log.outcomes

    def settle(self, op: int, outcome: str) -> None:
        """Give *op* its outcome; only the first one counts."""
        self.log.outcomes.setdefault(op, (outcome, self.now))

    # --- the block

    def leave(self) -> None:
        if self.is_left:
            return
        match self.program.leave:
            case Leave.RETURN:
                self.after(self.program.system_shutdown, self.cancel_all)
            case Leave.RAISE:
                self.failures.append("BodyError")
                self.cancel_all()
            case Leave.CANCEL:
                self.cancel_all()
        self.close()

    def cancel_from_outside(self) -> None:
        if self.log.left_at == 0:
            self.cancel_all()
            self.close()

    def cancel_all(self) -> None:
        if self.is_cancelled:
            return
        self.is_closing = self.is_cancelled = self.has_turns = True
        self.after(self.program.actor_shutdown, self.end_turns)
        for actor in reversed(self.actors):
            actor.force()

    def end_turns(self) -> None:
        """Cut off what waits to clean up: there is one budget for all."""
        self.has_turns = False
        self.conclude_turns()
        if self.is_left:
            self.close()

    def conclude_turns(self) -> None:
        for actor in reversed(self.actors):
            if actor.waits_for_turn:
                actor.conclude()

    def close(self) -> None:
        """Stop the actors one by one, the last started first."""
        self.is_left = self.is_closing = True
        for actor in reversed(self.actors):
            if actor.phase is _Phase.AWAY:
                actor.stay_away()
        for actor in reversed(self.actors):
            if actor.phase is not _Phase.DOWN:
                actor.order_stop()
            if actor.phase is not _Phase.DOWN:
                return
        if self.log.left_at == 0:
            self.log.left_at = self.now
            self.log.left = tuple(self.failures)

    def went_down(self, raised: list[str]) -> None:
        """Take the failures that an actor leaves to the code in the block."""
        if raised:
            self.failures += raised
            self.is_left = True
            self.cancel_all()
        self.conclude_turns()
        if self.is_left:
            self.close()


def predict(
    program: Program, had_first_step: Callable[[int, int], bool] | None = None
) -> World:
    """Return the world after *program* has run in it.

    Raises:
        TieError: If the contract does not say what happens.
    """
    world = World(program, had_first_step or (lambda _op, _generation: True))
    world.run()
    return world
