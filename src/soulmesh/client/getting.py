"""What a person names in words: searched for, chosen by rules, and made a goal.

``soulmesh get`` does this by itself, or leaves it to the soulmesh that runs with
the same data folder: one account is online once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from soulmesh.client import choose
from soulmesh.client.results import FoundFile, Hit
from soulmesh.client.searches import Searches
from soulmesh.client.transfers import Candidate, Goal, Transfers, candidate_of
from soulmesh.errors import SoulmeshError

__all__ = ["MAY_MISS", "WITH_ALBUMS", "FilesOf", "Getting", "whole_copy"]

log = logging.getLogger(__name__)

WITH_ALBUMS = choose.AUDIO | {"jpg", "jpeg", "png", "cue", "log", "m3u", "m3u8", "txt", "nfo", "pdf"}
"""Kinds of file that belong to an album."""
MAY_MISS = ("jpg", "jpeg", "png", "cue", "log", "m3u", "m3u8", "txt", "nfo", "pdf")
"""Those that an album can do without."""
SEARCH = 10.0
ASK_WITHIN = 20.0
LOOK_FOR_LOGIN_EVERY = 2.0


class FilesOf(Protocol):
    """Asks a user what is in a folder."""

    def __call__(self, username: str, folder: str, /) -> Awaitable[Iterable[FoundFile]]: ...


async def whole_copy(folder: choose.Folder, files_of: FilesOf) -> Candidate:
    """All of the folder that belongs to an album: the search showed only what matched its words."""
    files: dict[str, FoundFile] = {}
    try:
        async with asyncio.timeout(ASK_WITHIN):
            for name in folder.folders:
                files.update({file.remote_path: file for file in await files_of(folder.username, name)})
    except (SoulmeshError, TimeoutError):
        return folder.candidate
    kinds = tuple("." + kind for kind in WITH_ALBUMS)
    chosen = [file for file in files.values() if file.remote_path.lower().endswith(kinds)]
    if len(chosen) < len(folder.hits):
        return folder.candidate
    lengths = {file.remote_path: file.length for file in chosen if file.length}
    known: list[tuple[str, int | None]] = [(file.remote_path, file.size) for file in chosen]
    return Candidate(folder.username, known, folder.candidate.lengths | lengths)


class Getting:
    """Gets what other programs with our data folder leave for us to get.

    Args:
        online: whether we can search now.
    """

    def __init__(
        self, transfers: Transfers, searches: Callable[[], Searches], online: Callable[[], bool]
    ) -> None:
        self._transfers = transfers
        self._searches = searches
        self._online = online

    async def obey(self, order: dict[str, Any]) -> None:
        """Want what the ``words`` of an order find, as ``soulmesh get`` would.

        Its ``name`` is that of the goal; ``album``, ``formats``, ``min_bitrate`` and ``best`` are the rules,
        ``timeout`` and ``patience`` seconds, ``into`` a folder of this machine. What was got before by the
        same rules is not got twice unless it says ``again``, or its files are gone and it is no line of a
        list (``listed``); what was paused goes on, and what had no source left goes on with those
        that are found.
        """
        words, name = str(order["words"]), str(order.get("name") or order["words"])
        album = order.get("album") is True
        rules = choose.Rules(
            tuple(str(kind) for kind in order.get("formats", ())),
            int(order.get("min_bitrate", 0)),
            order.get("best") is True,
        )
        said = rules.said(album=album)
        goals = self._transfers.goals
        states = {goal.state: goal for goal in goals if (goal.name, goal.rules) == (name, said)}
        if "under way" in states:
            if not goals.resume(states["under way"]):
                log.info("%s is under way already", name)
            return
        again = order.get("again") is True
        done = states.get("finished")
        if done is not None and not again and (order.get("listed") is True or not await goals.gone(done)):
            log.info("%s was got before", name)
            return
        # Whoever left it will not ask again: it waits for our login.
        while not self._online():  # noqa: ASYNC110
            await asyncio.sleep(LOOK_FOR_LOGIN_EVERY)
        found = await self._find(words, rules, album=album, timeout=float(order.get("timeout", SEARCH)))
        if not found:
            log.warning("nothing found for %r that the rules allow", words)
            return
        failed = states.get("failed") or states.get("dropped")
        if failed is not None and not again:
            await self._go_on(failed, found)
            return
        into = order.get("into")
        destination = Path(into) if isinstance(into, str) else None
        if destination is not None and album:
            last = choose.album_folder(found[0].folder).rpartition("\\")[2]
            destination /= self._transfers.settings.layout.safe(last)
        await goals.want(
            name,
            found,
            destination=destination,
            whole=album,
            may_miss=MAY_MISS if album else (),
            patience=order.get("patience"),
            priority=int(order.get("priority", 0)),
            rules=said,
        )

    async def _go_on(self, goal: Goal, found: Sequence[Candidate]) -> None:
        for candidate in found:
            await self._transfers.goals.add(goal, candidate)

    async def _find(self, words: str, rules: choose.Rules, *, album: bool, timeout: float) -> list[Candidate]:
        hits: list[Hit] = [hit async for hit in self._searches().search(words, timeout=timeout)]
        if not album:
            return [candidate_of([hit]) for hit in choose.songs(hits, rules)]
        files_of = self._transfers.batches.files_of
        return list(
            await asyncio.gather(*(whole_copy(folder, files_of) for folder in choose.albums(hits, rules)))
        )
