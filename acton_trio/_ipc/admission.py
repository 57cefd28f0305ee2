"""Whether a request is looked at at all."""

from __future__ import annotations

from typing import final

import attrs
import trio

from .._wire.codes import SHUTTING_DOWN_TEXT, ErrorCode, rate_limited_text
from .._wire.envelopes import Response
from .._wire.ratelimit import TokenBucket
from .host import Host

__all__ = ["Admission"]


@final
@attrs.define(eq=False)
class Admission:
    """Whether the requests of one peer are looked at; lives as long as its connection."""

    _host: Host
    _bucket: TokenBucket | None = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        limit, now = self._host.config.rate_limit, trio.current_time()
        self._bucket = (
            TokenBucket(rate=limit.requests_per_second, burst=limit.burst_size, now=now)
            if limit.enabled
            else None
        )

    @property
    def is_open(self) -> bool:
        """Whether the next request will be looked at; if in doubt, it is not said."""
        if self._host.is_draining:
            return False
        return self._bucket is None or self._bucket.has_token

    def refusal(self, correlation_id: str) -> Response | None:
        """Return the answer to a request that is not looked at, or ``None``.

        That of a draining listener does not count against the peer's limit.
        """
        counters = self._host.counters
        counters.messages_received += 1
        if self._host.is_draining:
            counters.shutdown_rejections += 1
            return _refused(correlation_id, ErrorCode.SHUTTING_DOWN, SHUTTING_DOWN_TEXT)
        wait = self._bucket.take(trio.current_time()) if self._bucket else 0
        if not wait:
            return None
        counters.rate_limited += 1
        text = rate_limited_text(int(wait * 1000))
        return _refused(correlation_id, ErrorCode.RATE_LIMITED, text)


def _refused(correlation_id: str, code: ErrorCode, text: str) -> Response:
    # Plain errors even to those who expect a stream: clients of the reference
    # depend on it.
    return Response(correlation_id, success=False, error=text, error_code=code)
