"""``soulmesh search``: ask the whole network, one room or one user."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from soulmesh.cli import run
from soulmesh.cli.access import Access, with_access
from soulmesh.cli.download import at_once, fetch, hand_over, placed
from soulmesh.cli.following import follow
from soulmesh.cli.hits import COLUMNS, row, withheld
from soulmesh.cli.output import JsonOption, Output
from soulmesh.cli.session import home, open_client
from soulmesh.cli.through import stand_in
from soulmesh.cli.wanted import Wanted
from soulmesh.client.book import AddressBook
from soulmesh.client.filters import Filter, SavedFilters
from soulmesh.client.results import Hit, rank
from soulmesh.client.searches import Search, SearchFigures, SearchWarning
from soulmesh.client.transfers import JournalInUse
from soulmesh.config import Settings
from soulmesh.errors import NotFound, UsageError
from soulmesh.net.world import World

if TYPE_CHECKING:
    from soulmesh.daemon.remote import Daemon

__all__ = ["search"]

TIMEOUT = 10.0
LOGIN = 10.0
"""Seconds for the login at least, however few there are for the answers."""
ROWS = 50
_SONG = 10_000_000


class NothingFound(NotFound):
    """Nobody answered, or nothing of what came was wanted."""

    def __init__(self, query: str, figures: SearchFigures) -> None:
        self.query = query
        self.figures = figures
        if figures.filtered:
            self.hint = "try a wider --filter"
        elif figures.unreached:
            self.hint = "see that others can reach your --listen-port from outside"

    def __str__(self) -> str:
        held = withheld(self.figures)
        return f"nothing found for {self.query!r}" + (f" ({held})" if held else "")


@run.command
@with_access
async def search(
    access: Access,
    query: Annotated[list[str], typer.Argument(help="The words to look for; -word leaves results out.")],
    timeout: Annotated[
        float, typer.Option("--timeout", "-t", min=0.1, help="Seconds to wait for answers.")
    ] = TIMEOUT,
    only: Annotated[
        str | None,
        typer.Option(
            "--filter",
            "-f",
            metavar="CONDITIONS",
            help="For example: flac size>10mb free -live, or @NAME for a saved one.",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="Stop after so many files.")
    ] = None,
    rows: Annotated[int, typer.Option("--rows", min=1, help="Lines of the table.")] = ROWS,
    user: Annotated[str | None, typer.Option("--user", metavar="NAME", help="Ask this user alone.")] = None,
    room: Annotated[str | None, typer.Option("--room", metavar="NAME", help="Ask this room alone.")] = None,
    get: Annotated[bool, typer.Option("--get", help="Download the best result.")] = False,
    into: Annotated[
        Path | None, typer.Option("--into", metavar="DIR", help="Where downloads go, with --get.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Search, and show what was found, best first.

    Others connect to you with their answers: some are lost while your listening port cannot be reached
    from outside. With --json, results are printed as they come.
    """
    out = run.output(json=json)
    words = " ".join(query)
    if user is not None and room is not None:
        raise UsageError("--user and --room exclude each other")
    if into is not None and not get:
        raise UsageError("--into goes with --get")
    settings = access.settings({"downloads.folder": into})
    running = await access.running(settings)
    if running is not None:
        async with stand_in(*running) as there:
            keep = await _filter(settings, only, there.daemon) if only is not None else None
            if room is not None:
                # Only those who are in a room can search it.
                await there.rooms.join(room, create=False)
            await wait_for_turn(out, there.daemon)
            afar = there.search(words, timeout=timeout, username=user, room=room, keep=keep, limit=limit)
            chosen = await _look(out, cast(Search, afar), words, rows, get=get)
            if get:
                await fetch(out, there.daemon, [_wanted(chosen)], into=into)
        return
    keep = await _filter(settings, only) if only is not None else None
    patience = max(timeout, LOGIN)
    async with AsyncExitStack() as stack:
        shared_place = False
        try:
            client = await stack.enter_async_context(
                open_client(settings, remember=get, stay=False, login_within=patience)
            )
        except JournalInUse:
            # Another soulmesh has our data. It will be told what to download.
            shared_place = True
            client = await stack.enter_async_context(
                open_client(settings, remember=False, stay=False, login_within=patience)
            )
        client.events.on(SearchWarning, lambda event: out.note(f"{event.query}: {event.problem}", "yellow"))
        if (wait := client.pace.delay("search")) >= 1:
            _tell_turn(out, wait)
        if room is not None:
            await client.rooms.join(room, create=False)
        asked = client.search(words, timeout=timeout, username=user, room=room, keep=keep, limit=limit)
        chosen = await _look(out, asked, words, rows, get=get)
        if get:
            file = chosen.file
            if shared_place:
                await hand_over(out, settings, [_wanted(chosen)], into=into)
                return
            more = placed(into) if into is not None else {}
            if file.length is not None:
                more["length"] = file.length
            transfer = await client.transfers.download(
                chosen.username, file.remote_path, file.size, more=more
            )
            at_once(client, transfer)
            await follow(out, client, [transfer], wait=False)


def _tell_turn(out: Output, wait: float) -> None:
    out.note(f"the server bears no more searches for now: this one goes out in {wait:.0f} s", "yellow")


async def wait_for_turn(out: Output, daemon: Daemon) -> None:
    """The daemon refuses what the server does not bear; a command waits, as one that is alone does."""
    waits = {row["subject"]: row["wait"] for row in await daemon.governor()}
    if (wait := waits.get("search", 0.0)) > 0:
        if wait >= 1:
            _tell_turn(out, wait)
        await asyncio.sleep(wait)


def _wanted(chosen: Hit) -> Wanted:
    """A hit as something to download, with all that its owner told of it."""
    file = chosen.file
    return Wanted(chosen.username, file.remote_path, size=file.size, length=file.length)


async def _filter(settings: Settings, text: str, daemon: Daemon | None = None) -> Filter:
    """A filter as it was given; for ``@NAME`` those are looked through that are saved."""
    if not text.startswith("@"):
        return Filter.parse(text)
    if daemon is not None:
        book = AddressBook(World.real(), None)
        book.filters = await daemon.filters.all()
    else:
        book = AddressBook(World.real(), home(settings) / "people.json")
        await book.load()
    return SavedFilters(book).read(text)


async def _look(out: Output, asked: Search, words: str, rows: int, *, get: bool) -> Hit:
    """Show what comes, and return the best of it.

    Raises:
        NothingFound: nothing came, or passed the filter.
        NotFound: all of it is for others, though we want to ``get`` it.
    """
    hits = await _collect(out, asked)
    if not hits:
        raise NothingFound(words, asked.figures)
    hits.sort(key=best_first)
    _show(out, hits, rows, asked.figures)
    return best(hits) if get else hits[0]


def standing(hit: Hit) -> tuple[float, ...]:
    """Sorts users from whom we would have files soonest to the front, and what is not for us to the end.

    The guess of :func:`soulmesh.client.results.estimate` for a file of one size, so that it tells of the
    user; where there is none, who has a free slot, then who has the shorter queue.
    """
    size = max(1, hit.file.size)
    soon = rank(replace(hit, expected=hit.expected / size * _SONG if hit.expected is not None else None))
    return (*soon, not hit.free_slot, hit.queue, -hit.speed)


def best_first(hit: Hit) -> tuple[tuple[float, ...], str, str]:
    """The order of the table: the best user first, the files of a user by name."""
    return standing(hit), hit.username, hit.file.remote_path


def best(hits: list[Hit]) -> Hit:
    """The one to download: of the users who could send it soonest the largest file.

    Raises:
        NotFound: all that was found is for others.
    """
    free = [hit for hit in hits if not hit.locked]
    if not free:
        raise NotFound("everything that was found is locked")
    return min(free, key=lambda hit: (standing(hit), -hit.file.size))


async def _collect(out: Output, asked: Search) -> list[Hit]:
    hits: list[Hit] = []
    async with asked:
        with out.waiting(f"searching for {asked.query!r}") as say:
            async for hit in asked:
                hits.append(hit)
                out.record(row(hit))
                if len(hits) % 25 == 1:
                    say(f"searching for {asked.query!r}: {counted(len(hits), asked.figures.users)}")
    return hits


def _show(out: Output, hits: list[Hit], rows: int, figures: SearchFigures) -> None:
    if not out.json:
        out.table(COLUMNS, (row(hit) for hit in hits[:rows]))
    held = withheld(figures)
    more = f", {rows} shown" if len(hits) > rows else ""
    out.note(f"{counted(len(hits), figures.users)}{more}{f'; {held}' if held else ''}")


def counted(files: int, users: int) -> str:
    """``1 file of 1 user``, ``12 files of 3 users``."""
    return f"{files} file{'s'[: files != 1]} of {users} user{'s'[: users != 1]}"
