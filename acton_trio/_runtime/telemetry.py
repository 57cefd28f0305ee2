"""`OpenTelemetryInstrument`: handled messages as spans of OpenTelemetry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, final

from .._base.util import publish_names
from .._kernel.events import Ending, MessageBegan, MessageHandled, MessageSent
from .._messages.declare import Rejection
from .._supervision.instruments import Instrument

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

__all__ = ["OpenTelemetryInstrument"]


@final
class OpenTelemetryInstrument(Instrument):
    """Makes a span of every handled message, the child of its sender's span.

    The context travels in the headers ``traceparent`` and ``tracestate``, or in
    what else `opentelemetry.propagate` is set to write; to other processes too.
    The span is the current one while the handler runs.

    It needs ``opentelemetry-api``, which ``pip install 'acton-trio[otel]'``
    brings along, and does nothing until the SDK is set up.
    """

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        """Make spans with a tracer of *tracer_provider*, by default the global one.

        Raises:
            ModuleNotFoundError: If ``opentelemetry-api`` is not installed.
        """
        # Here, as most programs have no use for it.
        try:
            from opentelemetry import context, propagate, trace  # noqa: PLC0415
        except ModuleNotFoundError as error:
            error.add_note("it comes with: pip install 'acton-trio[otel]'")
            raise
        self._context, self._propagate, self._trace = context, propagate, trace
        self._tracer = trace.get_tracer("acton_trio", tracer_provider=tracer_provider)
        # Invariant: the messages that are being handled, by number.
        self._open: dict[int, tuple[Any, Any]] = {}

    def message_sent(self, event: MessageSent) -> Mapping[str, str]:  # noqa: ARG002 - whatever it is
        """Have the sender's context travel along."""
        headers: dict[str, str] = {}
        self._propagate.inject(headers)
        return headers

    def message_began(self, event: MessageBegan) -> None:
        """Begin a span, as the child of the one that came with the message."""
        kinds = self._trace.SpanKind
        # Not that of this task: it is whoever started the actor.
        nothing = self._context.Context()
        parent = self._propagate.extract(event.headers, context=nothing)
        attributes: dict[str, str | bool | float] = {
            "acton.actor": event.actor,
            "acton.message_type": event.message_type,
            "acton.handler": event.handler,
            "acton.is_asked": event.is_asked,
            "acton.is_remote": event.is_remote,
        }
        if event.waited is not None:
            attributes["acton.seconds_queued"] = event.waited
        if event.sender is not None:
            attributes["acton.sender"] = event.sender
        span = self._tracer.start_span(
            f"{event.actor} {event.message_type}",
            context=parent,
            kind=kinds.SERVER if event.is_asked else kinds.CONSUMER,
            attributes=attributes,
        )
        current = self._trace.set_span_in_context(span, parent)
        self._open[event.number] = span, self._context.attach(current)

    def message_handled(self, event: MessageHandled) -> None:
        """End the span."""
        span, token = self._open.pop(event.number)
        self._context.detach(token)
        span.set_attribute("acton.ending", event.ending.value)
        if event.ending is Ending.RAISED:
            assert event.error is not None
            span.record_exception(event.error)
            # An expected failure is an answer.
            if not isinstance(event.error, Rejection):
                status = self._trace.StatusCode.ERROR
                span.set_status(status, f"{type(event.error).__name__}: {event.error}")
        span.end()


publish_names(globals(), __all__, "acton_trio.instruments")
