"""How the processes of one server speak to each other.

One process keeps the realm: users, rooms, everything in :mod:`soulmesh.server.realm`.
The others are doors: they hold connections and carry bytes (:mod:`soulmesh.server.doors`
and :mod:`soulmesh.server.door` are the two ends). A bus carries messages between
them, and tells which process has the realm. What the messages say is not its
business.

Messages of one sender to one receiver arrive complete and in order, or the bus
says that it was interrupted: whatever was on its way may be lost then, and the
process goes on under a new name, so that nothing old can be taken for new.

Adapters: :mod:`soulmesh.server.bus.local` (one process; tests, the simulator) and
:mod:`soulmesh.server.bus.redis`. One suite, ``tests/server/test_bus_contract.py``,
runs against all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from soulmesh.errors import SoulmeshError

__all__ = ["Bus", "BusUnreachable", "Interrupted", "Receive"]

Receive = Callable[[str, bytes], None]
"""Called on the loop with the sender's name and its message."""

Interrupted = Callable[[], None]
"""Called on the loop when the bus broke; :attr:`Bus.name` is another one already."""


class BusUnreachable(SoulmeshError):
    """Nothing answers at ``url`` (without its password): ``reason``."""

    hint = "see that Redis runs, and that bus.url is right"

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot reach the bus at {self.url}: {self.reason}"


class Bus(Protocol):
    """See the module."""

    @property
    def name(self) -> str:
        """This process on the bus: never used before, and never again."""

    async def open(self, receive: Receive, interrupted: Interrupted) -> None:
        """Take part, until :meth:`close`.

        Raises:
            BusUnreachable: there is no bus.
        """

    def post(self, to: str, data: bytes) -> None:
        """Send ``data`` to the process named ``to``. Never waits; to nobody is nothing."""

    async def claim(self) -> None:
        """From now on this process is the one that has the realm, in place of whoever had it.

        A claim ends with :meth:`close`, and some seconds after a process is killed.
        """

    async def realm(self) -> str | None:
        """The process that has the realm, if any."""

    async def close(self) -> None:
        """Send what is left, and take part no more."""
