"""A client as the settings describe it, for commands that go online themselves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from soulmesh.cli.account import credentials
from soulmesh.cli.share import data_directory, opened
from soulmesh.client.book import AddressBook
from soulmesh.client.client import Client
from soulmesh.client.info import Profile
from soulmesh.client.ports import ShareIndex
from soulmesh.client.reach import Reach
from soulmesh.config import Settings
from soulmesh.daemon.choices import client_settings, transfer_settings
from soulmesh.net.disk import write_whole

__all__ = ["home", "journal_path", "open_client", "running_server", "transfer_settings"]


OWNER = "account.json"
RUNNING = "running.json"


def home(settings: Settings, *, claim: bool = False) -> Path:
    """Where the account of the settings keeps what must be remembered.

    The first account to use the data folder has the folder itself, any other one a folder below
    it: two accounts on one machine share neither downloads nor friends. The index of what is
    shared belongs to the machine.

    Args:
        claim: make a folder that nobody has yet the account's own.
    """
    base = settings.daemon.data.expanduser()
    name = settings.account.username
    if not name:
        return base
    account = {"username": name}
    owner = base / OWNER
    try:
        if json.loads(owner.read_text(encoding="utf-8")) == account:
            return base
    except (OSError, ValueError):
        if claim:
            base.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(owner, json.dumps(account))
        return base
    return base / "accounts" / quote(name, safe=" ").replace(".", "%2E")


def journal_path(settings: Settings) -> Path:
    """Where the client keeps its transfers."""
    return home(settings) / "transfers.sqlite"


def running_server(settings: Settings) -> str | None:
    """The server of the soulmesh that has the account's data now; ``None`` if it does not tell."""
    try:
        found = json.loads((home(settings) / RUNNING).read_text(encoding="utf-8"))
        return str(found["server"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


@asynccontextmanager
async def open_client(
    settings: Settings,
    *,
    shares: Sequence[Path] | ShareIndex | None = None,
    data: Path | None = None,
    remember: bool = True,
    stay: bool = True,
    resume: bool = True,
    login_within: float | None = None,
) -> AsyncIterator[Client]:
    """A client that is logged in, until the block is left.

    Args:
        shares: folders to share, or an index; otherwise what ``soulmesh share`` has indexed, or the
            folders of the settings.
        data: another place to keep what must be remembered.
        remember: ``False`` keeps nothing, and disturbs no other soulmesh that uses the same place.
        stay: a lost server is waited for.
        resume: ``False`` leaves the transfers that are kept to whoever runs them.
        login_within: seconds for the first login, if it is less than usual.

    Raises:
        LoginRefused, ServerUnreachable, ConfigError, JournalInUse: it cannot be.
    """
    account = credentials(settings)
    place = data or home(settings, claim=remember)
    with _shared(settings, shares) as offered:
        wanted = replace(client_settings(settings), reconnect=stay)
        if login_within is not None:
            wanted = replace(wanted, login_timeout=min(wanted.login_timeout, login_within))
        client = Client(
            account.username,
            account.password,
            server=(account.host, account.port),
            shares=offered,
            downloads=settings.downloads.folder.expanduser(),
            listen_port=settings.network.listen_port,
            reach=Reach.of(settings.network),
            settings=wanted,
            transfers=transfer_settings(settings),
            profile=Profile(settings.client.description, settings.client.picture),
            data=place if remember else None,
            pace_file=place / "pace.json",
            resume=resume,
            # What a wish downloads belongs in the journal, where every command finds it.
            download_wishes=resume,
        )
        async with client:
            if not remember:
                await _recall(client, place)
            note = place / RUNNING
            if remember and resume:
                write_whole(note, json.dumps({"server": f"{account.host}:{account.port}"}))
            try:
                yield client
            finally:
                if remember and resume:
                    note.unlink(missing_ok=True)


async def _recall(client: Client, place: Path) -> None:
    """What we know and think of others ranks and withholds results, also where nothing is written down."""
    kept = AddressBook(client.world, place / "people.json")
    await kept.load()
    book = client.book
    book.histories, book.banned_names, book.banned_ranges = (
        kept.histories,
        kept.banned_names,
        kept.banned_ranges,
    )


@contextmanager
def _shared(
    settings: Settings, given: Sequence[Path] | ShareIndex | None
) -> Iterator[Sequence[Path] | ShareIndex]:
    """What others may find while the command runs: nobody likes those who only take."""
    if given is not None:
        yield given
        return
    place = settings.daemon.data.expanduser()
    if not (data_directory(place) / "shares.sqlite").exists():
        yield list(settings.shares.folders)
        return
    with opened(place) as index:
        yield index if index.roots else list(settings.shares.folders)
