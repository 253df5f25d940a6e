"""The bus within one process: for tests and simulations, in virtual time too."""

from __future__ import annotations

import asyncio
import itertools

from soulmesh.server.bus.port import Interrupted, Receive

__all__ = ["LocalBus", "LocalHub"]


class LocalHub:
    """What local buses have in common. Make buses with :meth:`bus`."""

    def __init__(self) -> None:
        self.members: dict[str, LocalBus] = {}
        self.realm: str | None = None
        self._numbers = itertools.count(1)

    def bus(self) -> LocalBus:
        """Another member, not open yet."""
        return LocalBus(self)

    def new_name(self) -> str:
        """A name that nobody had."""
        return f"local-{next(self._numbers)}"


class LocalBus:
    """See :class:`soulmesh.server.bus.port.Bus`."""

    def __init__(self, hub: LocalHub) -> None:
        self._hub = hub
        self.name = hub.new_name()
        self._receive: Receive | None = None
        self._interrupted: Interrupted | None = None

    async def open(self, receive: Receive, interrupted: Interrupted) -> None:
        """See :class:`soulmesh.server.bus.port.Bus`."""
        self._receive, self._interrupted = receive, interrupted
        self._hub.members[self.name] = self

    def post(self, to: str, data: bytes) -> None:
        """See :class:`soulmesh.server.bus.port.Bus`."""
        asyncio.get_running_loop().call_soon(self._deliver, self.name, to, data)

    def _deliver(self, sender: str, to: str, data: bytes) -> None:
        other = self._hub.members.get(to)
        if other is not None and other._receive is not None:
            other._receive(sender, data)

    async def claim(self) -> None:
        """See :class:`soulmesh.server.bus.port.Bus`."""
        self._hub.realm = self.name

    async def realm(self) -> str | None:
        """See :class:`soulmesh.server.bus.port.Bus`."""
        return self._hub.realm

    def interrupt(self) -> None:
        """Break, as a bus between machines does: for tests."""
        claimed = self._hub.realm == self.name
        self._hub.members.pop(self.name, None)
        self.name = self._hub.new_name()
        self._hub.members[self.name] = self
        if claimed:
            self._hub.realm = self.name
        if self._interrupted is not None:
            self._interrupted()

    async def close(self) -> None:
        """See :class:`soulmesh.server.bus.port.Bus`."""
        # What was posted leaves before us.
        await asyncio.sleep(0)
        self._hub.members.pop(self.name, None)
        if self._hub.realm == self.name:
            self._hub.realm = None
        self._receive = None
