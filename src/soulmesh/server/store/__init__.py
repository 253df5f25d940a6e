"""What survives a restart, behind one port.

The server's state lives in memory. A store is told of every change, collects
the changes of one loop turn in a batch, and commits batches in groups without
ever holding up the loop. :attr:`Store.committed` tells how far it got, and
:class:`soulmesh.server.state.Outbox` holds back whatever tells of a change that
is not committed yet.

Rows are tuples in the order of :data:`LAYOUTS`; names in them are plain bytes.
The first ``key`` columns say which row is meant. Within a batch the last word
about a row wins, so a message that was acknowledged before it was written costs
nothing.

Adapters: :mod:`soulmesh.server.store.sqlite`, :mod:`soulmesh.server.store.postgres` (what both share
is in :mod:`soulmesh.server.store.sql`), :mod:`soulmesh.server.store.memory`.
One suite, ``tests/server/test_store_contract.py``, runs against all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from soulmesh.errors import SoulmeshError

__all__ = ["LAYOUTS", "Layout", "Row", "Store"]

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns of one table; the first ``key`` of them identify a row."""

    columns: tuple[str, ...]
    key: int


LAYOUTS: dict[str, Layout] = {
    "accounts": Layout(
        (
            "name",
            "password",
            "admin",
            "created",
            "privileged_until",
            "supporter",
            "speed",
            "uploads",
            "files",
            "folders",
            "invites",
        ),
        1,
    ),
    "interests": Layout(("name", "item", "hated"), 3),
    "messages": Layout(("id", "receiver", "sender", "sent", "message"), 1),
    "rooms": Layout(("name", "owner", "was_public", "maker"), 1),
    "members": Layout(("room", "name", "operator", "position"), 2),
    "tickers": Layout(("room", "name", "ticker", "position"), 2),
    "bans": Layout(("kind", "subject", "until", "reason", "banned_by", "created"), 2),
    "settings": Layout(("key", "value"), 1),
    "audit": Layout(("id", "at", "who", "action", "subject", "detail"), 1),
}


class Store(Protocol):
    """Where changes go."""

    @property
    def committed(self) -> int:
        """Number of the last batch that is safe."""

    @property
    def messages(self) -> dict[int, Row | None]:
        """The open batch's private messages: id -> row, ``None`` to forget it.

        For the hot path, which puts into it directly. Everything else uses
        :meth:`save` and :meth:`remove`.
        """

    def read(self, table: str) -> list[Row]:
        """All rows, ordered by key. For the start, before anything is saved."""

    def save(self, table: str, row: Row) -> None:
        """Add the row, or put it in place of the one with its key."""

    def remove(self, table: str, key: Row) -> None:
        """Forget the row with this key. No such row: nothing."""

    def commit(self) -> int:
        """Close the open batch, if anything is in it, and send it on its way.

        Returns the number of the last batch closed so far; once
        :attr:`committed` reaches it, everything saved before this call is safe.
        """

    def on_commit(self, call: Callable[[], None]) -> None:
        """``call()`` on the loop whenever :attr:`committed` has grown."""

    def on_lost(self, call: Callable[[SoulmeshError], None]) -> None:
        """``call(error)`` on the loop if nothing can be kept any more: it is somebody else's, or it broke."""

    async def backup(self, path: str) -> None:
        """Write a complete copy to ``path`` while everything goes on. Nobody else may read it (mode 0600).

        Raises:
            FileExistsError: there is something; nothing is ever overwritten.
        """

    async def close(self, patience: float | None = None) -> None:
        """Commit what is left and let go.

        ``patience`` is for how many seconds at most: what the store has not taken by then is lost, and was
        told to nobody.
        """
