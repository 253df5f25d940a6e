"""Requests for files that are not known while the shares are scanned: the scan may find them.

"File not shared." ends a download on the other side until a person says otherwise. So it is said only when
we have looked: after a start a file may be there again, or anew, before the scan has come to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from soulmesh.client.transfers.ledger import Ledger
from soulmesh.client.transfers.ports import SharedFiles
from soulmesh.wire import raw

__all__ = ["LOOK_EVERY", "MOST_HELD", "PATIENCE", "Unsettled"]

LOOK_EVERY = 2.0
PATIENCE = 600.0
"""Seconds after which a request is answered although the scan still goes on."""
MOST_HELD = 1000
"""Requests of one user that wait."""


class Unsettled:
    """Holds such requests back until the scan is over.

    Args:
        again: takes a request once more: user, remote path, ticket of a legacy request.
    """

    def __init__(
        self, ledger: Ledger, shares: SharedFiles, again: Callable[[str, str, int | None], None]
    ) -> None:
        self._ledger = ledger
        self._shares = shares
        self._again = again
        self._held: dict[str, dict[bytes, tuple[str, int | None]]] = {}
        self._late = False
        """Whether our patience with this scan is over."""
        self._waiting = False

    def hold(self, username: str, remote_path: str, ticket: int | None) -> bool:
        """Keep a request for a file that is not known; ``False`` if nothing will be known better soon."""
        if self._late or not self._shares.unsettled:
            return False
        mine = self._held.setdefault(username, {})
        key = raw(remote_path)
        if len(mine) >= MOST_HELD and key not in mine:
            return False
        mine[key] = remote_path, ticket
        if not self._waiting:
            self._waiting = True
            self._ledger.tasks.start(self._wait(), "requests until the shares are scanned")
        return True

    async def _wait(self) -> None:
        began = self._ledger.now()
        while self._shares.unsettled:
            await asyncio.sleep(LOOK_EVERY)
            if not self._late and self._ledger.now() - began >= PATIENCE:
                self._late = True
                self._release()
        self._late = self._waiting = False
        self._release()

    def _release(self) -> None:
        held, self._held = self._held, {}
        for username, requests in held.items():
            for remote_path, ticket in requests.values():
                self._again(username, remote_path, ticket)
