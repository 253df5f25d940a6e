"""Who carries frames to users whose connections are elsewhere.

Handlers never ask where a connection is. They append to sessions and groups,
and a session's ``write`` takes the bytes to wherever the connection is. The bus
is what makes these: with the local adapter every session is a connection of this
process and a group is its members, so the port costs nothing on the way of a
message. An adapter for many processes announces sessions, gives sessions of other
processes a ``write`` that publishes, and groups that publish once per process.

One suite, ``tests/server/test_bus_contract.py``, runs against all adapters.
"""

from __future__ import annotations

from typing import Protocol

from soulmesh.server.state import Group, Outbox, Room, Session

__all__ = ["Bus"]


class Bus(Protocol):
    """See the module."""

    def opened(self, name: bytes, session: Session) -> Session | None:
        """The user has logged in with ``session``; returns the one it had before, anywhere."""

    def closed(self, name: bytes, session: Session) -> bool:
        """``session`` is gone. False if the user has another one by now."""

    def find(self, name: bytes) -> Session | None:
        """The session of a user, wherever it is."""

    def sessions(self) -> list[Session]:
        """All sessions, longest logged in first."""

    def group(self, outbox: Outbox) -> Group:
        """A group that reaches its members wherever they are."""

    def room(self, outbox: Outbox, name: bytes) -> Room:
        """A room that reaches its users wherever they are."""
