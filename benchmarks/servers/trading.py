"""The same work as an actor of ours, and its messages."""

from __future__ import annotations

import acton_trio as acton

__all__ = ["Confirmation", "Desk", "Order"]


@acton.message(ipc=True)
class Confirmation:
    """What is answered."""

    symbol: str
    quantity: int
    note: str


@acton.message(ipc=True)
class Order(acton.Request[Confirmation]):
    """What is asked."""

    symbol: str
    quantity: int
    note: str


@acton.actor
class Desk:
    """Confirms orders."""

    @acton.act_on
    def confirm(self, order: Order) -> Confirmation:
        """Handle an order."""
        return Confirmation(order.symbol, order.quantity + 1, order.note)
