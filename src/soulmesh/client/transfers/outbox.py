"""Messages to other users, in order, without a task for each.

Five thousand requests to one user are one task that writes them one after the
other over the user's one link. When the link cannot be had, all that waits for
it fails at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Hashable

from soulmesh.client.errors import ClientError
from soulmesh.client.ports import Links
from soulmesh.client.transfers.ledger import Tasks
from soulmesh.errors import NetworkError
from soulmesh.wire.message import Message

__all__ = ["Outbox"]

Sent = Callable[[], None]
Failed = Callable[[Exception], None]


class Outbox:
    """What is to be sent, by user."""

    def __init__(self, links: Links, tasks: Tasks) -> None:
        self._links = links
        self._tasks = tasks
        self._waiting: dict[str, deque[tuple[Message, Sent | None, Failed | None]]] = {}
        self._later: set[tuple[str, Hashable]] = set()
        self.turn: Callable[[], Awaitable[object]] | None = None
        """Waits until a question that may wait can go (the client's governor); ``None``: at once."""

    def send(
        self, username: str, message: Message, sent: Sent | None = None, failed: Failed | None = None
    ) -> None:
        """Send as soon as all before it is sent; then ``sent`` or ``failed`` is called."""
        waiting = self._waiting.get(username)
        if waiting is not None:
            waiting.append((message, sent, failed))
            return
        self._waiting[username] = deque([(message, sent, failed)])
        self._tasks.start(self._drain(username), f"messages to {username}")

    def send_in_turn(self, username: str, message: Message, key: Hashable) -> None:
        """Send a question that may wait, when it is its turn; one that waits already is not asked twice."""
        if self.turn is None:
            self.send(username, message)
        elif (username, key) not in self._later:
            self._later.add((username, key))
            self._tasks.start(self._in_turn(self.turn, username, message, key), f"question to {username}")

    async def _in_turn(
        self, turn: Callable[[], Awaitable[object]], username: str, message: Message, key: Hashable
    ) -> None:
        try:
            await turn()
        finally:
            self._later.discard((username, key))
        self.send(username, message)

    async def _drain(self, username: str) -> None:
        waiting = self._waiting[username]
        try:
            while waiting:
                message, sent, _ = waiting[0]
                try:
                    await self._links.send(username, message)
                except (ClientError, NetworkError) as error:
                    # Nothing of what waits now can be sent; what a callback adds is a new try.
                    lost = list(waiting)
                    waiting.clear()
                    for _, _, failed in lost:
                        if failed is not None:
                            failed(error)
                    continue
                waiting.popleft()
                if sent is not None:
                    sent()
        finally:
            del self._waiting[username]
