"""Privileges: what we have left, and giving them away."""

from __future__ import annotations

from soulmesh.client.ports import ServerPort
from soulmesh.errors import UsageError
from soulmesh.wire import to_client, to_server

__all__ = ["Privileges"]


class Privileges:
    """Our privileges, in seconds; they pass over whole days."""

    def __init__(self, server: ServerPort) -> None:
        self._server = server
        self.left = 0
        """Seconds, as the server said last."""
        server.on(to_client.CheckPrivileges, self._on_checked)

    async def check(self) -> int:
        """Ask how many seconds are left. Raises NotConnected or NoReply."""
        await self._server.ask(to_server.CheckPrivileges(), to_client.CheckPrivileges)
        return self.left

    async def give(self, username: str, days: int) -> int:
        """Give days of ours to somebody; returns the seconds that are left to us.

        Raises:
            UsageError: not a positive number of days, or more than we have.
            NotConnected, NoReply: the server cannot be asked.
        """
        if days < 1:
            raise UsageError("give at least one day")
        left = await self.check()
        if days * 86400 > left:
            raise UsageError(f"only {left // 86400} whole days are left to give")
        self._server.send(to_server.GiveUserPrivileges(username, days))
        return await self.check()

    def _on_checked(self, message: to_client.CheckPrivileges) -> None:
        self.left = message.time_left
