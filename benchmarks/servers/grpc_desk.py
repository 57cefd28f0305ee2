"""A service of gRPC without generated code: its one method, and how it is called."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final

import msgspec
from servers.desk import Confirmation, Order

__all__ = ["handlers", "stub_of"]

grpc = importlib.import_module("grpc")

# How a client names it.
_METHOD: Final = "/desk/confirm"


def handlers(handle: Callable[[Order, object], object]) -> tuple[object, ...]:
    """Return what a server is given to have *handle* called."""
    method = grpc.unary_unary_rpc_method_handler(
        handle,
        request_deserializer=msgspec.json.Decoder(Order).decode,
        response_serializer=msgspec.json.Encoder().encode,
    )
    return (grpc.method_handlers_generic_handler("desk", {"confirm": method}),)


def stub_of(channel: Any) -> Any:
    """Return what calls the method through a channel, sync or async."""
    return channel.unary_unary(
        _METHOD,
        request_serializer=msgspec.json.Encoder().encode,
        response_deserializer=msgspec.json.Decoder(Confirmation).decode,
    )
