"""The daemon that a command goes through: named by an option, or found in the data folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soulmesh.cli import settings
from soulmesh.client.book import AddressBook
from soulmesh.config import Settings
from soulmesh.errors import SoulmeshError, UsageError
from soulmesh.net.world import World

if TYPE_CHECKING:
    from soulmesh.cli.standin import StandIn
    from soulmesh.daemon.remote import Daemon

__all__ = ["ApiKeyOption", "DaemonOption", "address_book", "daemon_for", "stand_in"]

DaemonOption = Annotated[
    str | None,
    typer.Option(
        "--daemon",
        metavar="URL",
        help="Go through this daemon; without it, through the one that runs with the data folder, if any."
        " none goes online by itself.",
    ),
]
ApiKeyOption = Annotated[
    str | None, typer.Option("--api-key", metavar="KEY", help="A key of that daemon, with --daemon.")
]
_LINES = 5000
"""Bans that are handed over in one request."""


async def daemon_for(
    found: Settings,
    url: str | None = None,
    key: str | None = None,
    *,
    data: Path | None = None,
    account: str | None = None,
    server: str | None = None,
) -> tuple[Daemon, dict[str, Any]] | None:
    """The daemon to go through, and its status; ``None`` if the command is on its own.

    Args:
        url: what ``--daemon`` said; ``none`` for no daemon.
        data: what ``--data`` said.
        account, server: what the command was told about them: a daemon with another account, or at
            another server, is not meant.

    Raises:
        DaemonUnreachable, DaemonRefused: the one that was named does not answer, or wants another key.
        UsageError: a key without a daemon.
    """
    if url == "none":
        return None
    if key is not None and url is None:
        raise UsageError("--api-key goes with --daemon")
    place = None
    if url is None:
        # Most commands run where no daemon is: they need not wait for the HTTP library.
        folder = (data or found.daemon.data).expanduser()
        if not (folder / "daemon.json").exists():
            return None
    try:
        from soulmesh.daemon.remote import Daemon, find
    except ImportError:
        if url is None:
            return None
        from soulmesh.cli.daemon import require_extra

        require_extra()
        raise
    if url is None:
        place = find(folder)
        if place is None:
            return None
        daemon = Daemon.at(place)
    else:
        configured = found.web.api_key.get_secret_value() if found.web.api_key else None
        daemon = Daemon(url, key or configured)
    try:
        status = await daemon.status()
    except SoulmeshError:
        await daemon.close()
        if url is None:
            # It ended without clearing up.
            return None
        raise
    meant = (account in (None, status["username"])) and (
        server is None or settings.parse_address(server) == settings.parse_address(status["server"])
    )
    if url is None and not meant:
        await daemon.close()
        return None
    return daemon, status


def stand_in(daemon: Daemon, status: dict[str, Any]) -> StandIn:
    """A daemon in the place of a client."""
    from soulmesh.cli.standin import StandIn

    return StandIn(daemon, status["username"] or "")


@asynccontextmanager
async def address_book(daemon: Daemon) -> AsyncIterator[AddressBook]:
    """The daemon's address book; what is changed in it is changed there when the block is left."""
    async with daemon:
        book = AddressBook(World.real(), None)
        async for row in daemon.users.all():
            name = row["username"]
            if row["friend"]:
                book.friends.add(name)
            if row["banned"]:
                book.banned_names.add(name)
            if row["note"]:
                book.notes[name] = row["note"]
        book.banned_ranges = dict.fromkeys((await daemon.users.bans())["ranges"])
        book.filters = await daemon.filters.all()
        book.rooms = await daemon.rooms.favourites()
        tastes = await daemon.interests.get()
        book.interests, book.hated = set(tastes["liked"]), set(tastes["hated"])
        friends, banned = set(book.friends), set(book.banned_names)
        ranges, notes = dict(book.banned_ranges), dict(book.notes)
        filters, rooms = dict(book.filters), dict(book.rooms)
        yield book
        users = daemon.users
        for name in sorted(book.friends - friends):
            await users.befriend(name)
        for name in sorted(friends - book.friends):
            await users.unfriend(name)
        for name in sorted(book.banned_names - banned):
            await users.ban(name)
        for name in sorted(banned - book.banned_names):
            await users.unban(name)
        new = [f"address {one}\n" for one in book.banned_ranges if one not in ranges]
        for place in range(0, len(new), _LINES):
            await users.import_bans("".join(new[place : place + _LINES]))
        for one in ranges:
            if one not in book.banned_ranges:
                await users.unban_range(one)
        for name, text in book.filters.items():
            if filters.get(name) != text:
                await daemon.filters.save(name, text)
        for name in filters.keys() - book.filters.keys():
            await daemon.filters.remove(name)
        for name, private in book.rooms.items():
            if rooms.get(name) != private:
                await daemon.rooms.favour(name, private=private)
        for name in rooms.keys() - book.rooms.keys():
            await daemon.rooms.unfavour(name)
        for name in sorted(notes.keys() | book.notes.keys()):
            if notes.get(name, "") != book.notes.get(name, ""):
                await users.note(name, book.notes.get(name, ""))
