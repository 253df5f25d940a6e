"""What a goal waits for, told while a command follows it: alone or through a daemon."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from soulmesh.cli.output import Output, clean
from soulmesh.errors import SoulmeshError

__all__ = ["GoalNews", "Look"]

LOOK_EVERY = 1.0
"""Seconds; a wait is told when it lasts from one look to the next."""
_WAITS = frozenset({"queued", "away", "ours"})


@dataclass(frozen=True, slots=True)
class Look:
    """Where a goal stands."""

    username: str
    """Whose turn it is."""
    situation: str
    """See :class:`soulmesh.core.goal.Situation`."""
    now: str
    """The same in words, and when the next source has its turn."""
    here: int
    """Files that are here, of ``files``."""
    files: int


class GoalNews:
    """Tells what is waited for, who is turned to, and what stays when the command is left.

    Lines for people, and with ``--json`` records with the state ``under way`` for machines.

    Args:
        out: where it is told.
        wish: what is wanted.
        look: how the goal stands.
        stays: what becomes of it when the command is left.
    """

    def __init__(self, out: Output, wish: str, look: Callable[[], Awaitable[Look]], stays: str) -> None:
        self._out = out
        self._wish = wish
        self._look = look
        self._stays = stays
        self._last: Look | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._tell_waits(), name="what a goal waits for")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])
        if isinstance(error, asyncio.CancelledError):
            last = self._last
            here = f"{last.here} of {last.files} files are here; " if last is not None else ""
            self._out.note(f"{clean(self._wish)}: {here}{self._stays}")
            self._record(last.username if last is not None else None, f"{here}{self._stays}")

    def moved(self, username: str, reason: str) -> None:
        """The goal has turned to another user."""
        told = f"{reason}; trying {username}"
        self._out.note(clean(told))
        self._record(username, told)

    async def _tell_waits(self) -> None:
        before = told = ""
        while True:
            with contextlib.suppress(SoulmeshError):  # whoever follows the goal meets it as well
                look = self._last = await self._look()
                # When the next one has its turn, moves by itself.
                said = look.now.partition(";")[0] if look.situation in _WAITS else ""
                if said and said == before and said != told:
                    self._out.note(f"{clean(self._wish)}: {clean(look.now)}")
                    self._record(look.username, look.now)
                    told = said
                before = said
            await asyncio.sleep(LOOK_EVERY)

    def _record(self, username: str | None, now: str) -> None:
        self._out.record({"wish": self._wish, "state": "under way", "username": username, "now": now})
