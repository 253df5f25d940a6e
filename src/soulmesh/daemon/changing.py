"""The moment in which one client takes over from another: requests wait, or are told to come again.

Another account or server means another client on the same folders. While the
old one is put away and the new one opens, there is nothing to answer from. So
requests wait before they begin; one that had begun and then failed, because
what it stood on was taken away, is not our mistake: its sender hears when to
come again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from soulmesh.daemon.http.errors import HttpError

__all__ = ["WAIT_AT_MOST", "Changing"]

WAIT_AT_MOST = 5.0
"""Seconds that a request waits for the new client."""
COME_AGAIN = "1"
"""Seconds after which a request may be repeated."""


class Changing:
    """Whether a change is under way, and how many there were."""

    def __init__(self) -> None:
        self._under_way = 0
        self._over: asyncio.Future[None] | None = None
        self.count = 0
        """Grows when a change begins, and when it ends."""

    @contextlib.asynccontextmanager
    async def change(self) -> AsyncIterator[None]:
        """A change, from its beginning to its end, whether it works or not."""
        self._under_way += 1
        self.count += 1
        if self._over is None:
            self._over = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            self._under_way -= 1
            self.count += 1
            if not self._under_way:
                self._over.set_result(None)
                self._over = None

    async def steady(self) -> int:
        """Wait until no change is under way; returns :attr:`count`.

        Raises:
            HttpError: 503, it takes long.
        """
        if self._over is not None:
            await asyncio.wait({self._over}, timeout=WAIT_AT_MOST)
            if self._over is not None:
                raise self.refusal()
        return self.count

    @staticmethod
    def refusal() -> HttpError:
        """What is answered to a request that a change came in the way of."""
        return HttpError(503, "The client is being replaced", {"retry-after": COME_AGAIN})
