"""Who is logged in, by name and in the order of logins.

A session is a connection, wherever that is: of this process, or of another one
that holds it for us (:mod:`soulmesh.server.doors`). Nothing here can tell.
"""

from __future__ import annotations

from soulmesh.server.state import Session

__all__ = ["Online"]


class Online:
    """See the module."""

    def __init__(self) -> None:
        self._sessions: dict[bytes, Session] = {}

    def opened(self, name: bytes, session: Session) -> Session | None:
        """The user has logged in with ``session``; returns the one it had before."""
        before = self._sessions.pop(name, None)
        self._sessions[name] = session
        return before

    def closed(self, name: bytes, session: Session) -> bool:
        """``session`` is gone. False if the user has another one by now."""
        if self._sessions.get(name) is not session:
            return False
        del self._sessions[name]
        return True

    def find(self, name: bytes) -> Session | None:
        """The session of a user."""
        return self._sessions.get(name)

    def sessions(self) -> list[Session]:
        """All sessions, longest logged in first."""
        return list(self._sessions.values())

    def __len__(self) -> int:
        return len(self._sessions)
