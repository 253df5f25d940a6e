"""The bus of one process: everybody is here."""

from __future__ import annotations

from soulmesh.server.state import Group, Outbox, Room, Session

__all__ = ["LocalBus"]


class LocalBus:
    """See :class:`soulmesh.server.bus.Bus`."""

    def __init__(self) -> None:
        self._sessions: dict[bytes, Session] = {}

    def opened(self, name: bytes, session: Session) -> Session | None:
        """See :class:`soulmesh.server.bus.Bus`."""
        before = self._sessions.pop(name, None)
        self._sessions[name] = session
        return before

    def closed(self, name: bytes, session: Session) -> bool:
        """See :class:`soulmesh.server.bus.Bus`."""
        if self._sessions.get(name) is not session:
            return False
        del self._sessions[name]
        return True

    def find(self, name: bytes) -> Session | None:
        """See :class:`soulmesh.server.bus.Bus`."""
        return self._sessions.get(name)

    def sessions(self) -> list[Session]:
        """See :class:`soulmesh.server.bus.Bus`."""
        return list(self._sessions.values())

    def group(self, outbox: Outbox) -> Group:
        """See :class:`soulmesh.server.bus.Bus`."""
        return Group(outbox)

    def room(self, outbox: Outbox, name: bytes) -> Room:
        """See :class:`soulmesh.server.bus.Bus`."""
        return Room(outbox, name)
