"""The words that clients in other languages match on."""

from __future__ import annotations

import pytest

from acton_trio._wire import codes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (codes.actor_not_found_text("a"), "Actor not found: a"),
        (codes.unknown_message_type_text("T"), "Unknown message type: T"),
        (
            codes.request_timed_out_text(5),
            "Request timed out after 5 ms waiting for response",
        ),
        (codes.stream_timed_out_text(5), "Stream timed out after 5 ms"),
        (codes.rate_limited_text(5), "Rate limit exceeded, retry after 5ms"),
        (codes.TARGET_BUSY_TEXT, "Target actor inbox is full"),
        (codes.STREAM_TARGET_BUSY_TEXT, "Actor inbox is full"),
        (codes.SHUTTING_DOWN_TEXT, "Server is shutting down"),
        (codes.CONNECTION_CLOSED_TEXT, "Connection closed"),
        (codes.RECIPIENT_CLOSED_TEXT, "I/O error: Recipient channel is closed"),
        (
            codes.NO_REPLY_TEXT,
            "I/O error: Response channel closed without receiving a response",
        ),
    ],
)
def test_words_of_an_error(text: str, words: str) -> None:
    """They are the reference's, to the letter."""
    assert text == words


def test_codes_are_their_own_names() -> None:
    """A code is written as it is called."""
    assert all(each.name == each.value for each in codes.ErrorCode)
