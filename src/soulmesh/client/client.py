"""The client: all its parts, put together.

::

    async with soulmesh.Client("name", "password", shares=["~/Music"]) as client:
        async for hit in client.search("artist album", timeout=15):
            print(hit.username, hit.file.remote_path, hit.file.size, hit.free_slot)
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from soulmesh.client.answers import Answers
from soulmesh.client.book import AddressBook
from soulmesh.client.browse import Browse, Browser
from soulmesh.client.chat import Chat
from soulmesh.client.chat_store import ChatStore
from soulmesh.client.events import Events
from soulmesh.client.filters import SavedFilters
from soulmesh.client.getting import Getting
from soulmesh.client.info import Info, Profile
from soulmesh.client.interests import Interests
from soulmesh.client.links import Links
from soulmesh.client.listening import Listening, ListenPortChanged
from soulmesh.client.pace import Pace
from soulmesh.client.plain_shares import PlainShares
from soulmesh.client.ports import ForFriends, ForGroups, ShareIndex, UploadFigures
from soulmesh.client.privileges import Privileges
from soulmesh.client.probes import Probes
from soulmesh.client.reach import PortKeeper, Reach
from soulmesh.client.results import FoundFile
from soulmesh.client.rooms import Rooms
from soulmesh.client.searches import Keep, Search, Searches
from soulmesh.client.server_link import ServerLink
from soulmesh.client.settings import ClientSettings
from soulmesh.client.sources import Sources
from soulmesh.client.transfers import (
    DownloadFinished,
    Journal,
    NothingShared,
    SharedFiles,
    TransferMoved,
    Transfers,
    TransferSettings,
    UploadFinished,
)
from soulmesh.client.tree_links import SearchTree
from soulmesh.client.users import Users
from soulmesh.client.wishes import Wishes
from soulmesh.core.transfer import State
from soulmesh.errors import UsageError
from soulmesh.net.world import World
from soulmesh.wire import to_server
from soulmesh.wire.enums import ObfuscationType, UserStatus

__all__ = ["Client"]

_PORT = 2242


def _address(server: object) -> tuple[str, int]:
    """Where the server is, as whoever makes a client may say it."""
    match server:
        case str():
            host, colon, digits = server.rpartition(":")
            if not colon or server.endswith("]"):
                host, digits = server, str(_PORT)
            host = host.removeprefix("[").removesuffix("]")
            port: object = int(digits) if digits.isascii() and digits.isdigit() else None
        case (str() as host, port):
            pass
        case _:
            host, port = "", None
    if not host or not isinstance(port, int) or not 0 < port < 65536:
        raise UsageError(f"server is (HOST, PORT) or 'HOST:PORT' with a port from 1 to 65535, not {server!r}")
    return host, port


class _Uploads:
    """What others are told about our uploads."""

    def __init__(self, transfers: Transfers, users: Users, username: str) -> None:
        self._transfers = transfers
        self._users = users
        self._username = username

    @property
    def slots(self) -> int:
        return self._transfers.settings.queue.slots

    @property
    def slots_free(self) -> bool:
        return self._transfers.uploads.queue.free_slots > 0

    @property
    def average_speed(self) -> int:
        return self._users.get(self._username).speed or 0

    @property
    def queue_length(self) -> int:
        return len(self._transfers.uploads.queue)


class Client:
    """One user of the network. Use it with ``async with``.

    Args:
        username: our name; an unused one is registered by the server at the first login.
        password: its password.
        server: host and port, as a pair or as ``"host:port"``; 2242 if a text names no port.
        shares: folders that others may search, browse and download from, scanned at the start,
            or a share index. The index of folders is kept in ``data``, or else while we run.
        downloads: where finished downloads are put.
        listen_port: where other users reach us; 0 lets the system choose.
        world: the outside; the real one if not given.
        settings: the numbers to go by.
        transfers: what can be set about transfers; ``downloads`` goes before its folder.
        profile: what we say of ourselves to those who ask.
        reach: how we leave this machine and how others get in: addresses, proxy, port mapping.
        data: a folder for what is kept between two runs (friends, history, chat); without it
            nothing is kept.
        resume: go on with the transfers that are kept in ``data``; only one client at a time can.
        download_wishes: ``False`` tells what wishes find, and leaves the downloading to whoever keeps
            the transfers.
        pace_file: remembers what the server was asked lately, for the governor of the next run;
            ``pace.json`` in ``data`` if not given.

    Raises:
        UsageError: ``server`` is neither; name or password cannot be written in UTF-8.
    """

    def __init__(
        self,
        username: str,
        password: str,
        *,
        server: tuple[str, int] | str = ("server.slsknet.org", _PORT),
        shares: Sequence[Path | str] | ShareIndex = (),
        downloads: Path | str | None = None,
        listen_port: int = 2234,
        world: World | None = None,
        settings: ClientSettings | None = None,
        transfers: TransferSettings | None = None,
        profile: Profile | None = None,
        data: Path | str | None = None,
        reach: Reach | None = None,
        resume: bool = True,
        download_wishes: bool = True,
        pace_file: Path | None = None,
    ) -> None:
        for what, text in (("user name", username), ("password", password)):
            # What cannot be decoded stands as lone surrogates in arguments and files.
            if any("\ud800" <= letter <= "\udfff" for letter in text):
                raise UsageError(f"the {what} is not UTF-8")
        self.reach = reach or Reach()
        world = world or World.real()
        self.world = replace(world, network=self.reach.network(world.network))
        self.settings = settings or ClientSettings()
        if self.reach.local_address and not self.settings.listen_host:
            self.settings = replace(self.settings, listen_host=self.reach.local_address)
        self.events = Events()
        self.username = username
        self._password = password
        self._server_address = _address(server)
        self._shares = shares
        self._transfers_wanted = transfers
        self._profile = profile or Profile()
        self._resume = resume
        self._download_wishes = download_wishes
        self._pace_file = pace_file
        self._downloads = Path(downloads).expanduser() if downloads is not None else None
        self._listen_port = listen_port
        self._data = Path(data).expanduser() if data is not None else None
        self._away = False
        self._stack = contextlib.AsyncExitStack()
        self._started = False

    # -- life

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self, *, log_in: bool = True) -> None:
        """Open the ports, log in, and begin to serve.

        Without ``log_in`` everything is ready but that; ``client.server.start()`` does it later.

        Shares are loaded before the login: others ask again for queued files in the moment we
        come online.

        Raises:
            LoginRefused: the server said no.
            ServerUnreachable: there is no server.
            PortInUse: another program listens on our port.
            UnreadableShare: a shared folder is not there.
            ScanBusy, ScanFailed: the shared folders could not be scanned.
        """
        settings, events = self.settings, self.events
        stack = self._stack
        stack.callback(events.close)
        kept = self._pace_file or (self._data / "pace.json" if self._data else None)
        self.pace = Pace(settings.rates, self.world, kept)
        stack.push_async_callback(self.pace.close)
        await self.pace.load()
        self.book = AddressBook(self.world, self._data / "people.json" if self._data else None)
        stack.push_async_callback(self.book.close)
        await self.book.load()
        await self.book.prepare()
        self.server = ServerLink(
            self.world,
            *self._server_address,
            self.username,
            self._password,
            settings=settings,
            events=events,
        )
        self.users = Users(self.server, events, self.book, self.pace)
        self.shares = await self._open_shares()
        self.links = Links(
            self.world,
            self.server,
            events,
            settings,
            connect_pace=lambda interactive: self.pace.turn("connect", object(), interactive=interactive),
        )
        self.probes = Probes(self.server, self.links, self.pace, self.world.random)
        stack.push_async_callback(self.links.close)
        self.links.refuses = self._refuses
        self.links.exists = self.users.exists
        self.listening = Listening(self.world, self.links, events, settings)
        stack.push_async_callback(self.listening.close)
        self.transfers = Transfers(
            self.world,
            self.links,
            self.server,
            self.users,
            self._shared_files(),
            events,
            self._transfer_settings(),
            Journal(self._data / "transfers.sqlite" if self._data and self._resume else None),
        )
        stack.push_async_callback(self.transfers.close)
        self.transfers.outbox.turn = lambda: self.pace.turn("place", object(), interactive=False)
        self._remember_transfers()
        uploads = _Uploads(self.transfers, self.users, self.username)
        self.answers = Answers(self.server, self.links, events, settings, self.shares, uploads, self.users)
        stack.push_async_callback(self.answers.close)
        self.tree = SearchTree(self.server, self.links, events, settings, answer=self.answers.frames)
        stack.push_async_callback(self.tree.close)
        self.searches = Searches(
            self.server,
            self.links,
            events,
            settings,
            self.pace,
            first_ticket=self.world.random.randrange(1, 1 << 30),
        )
        stack.callback(self.searches.close)
        self.searches.memory = self.users.memory
        self.searches.blocked = self.users.banned
        self._start_people(uploads)
        self.searches.user_there = self.users.require_online
        self.searches.room_there = self.rooms.require_joined
        await self._chat_store.open()
        self.sources = Sources(events, self.transfers, lambda: self.searches, lambda: self.server.connected)
        stack.push_async_callback(self.sources.close)
        self.transfers.elsewhere = self.sources.take
        self.transfers.getting = Getting(
            self.transfers, lambda: self.searches, lambda: self.server.connected
        ).obey
        await self.sources.start()
        self.server.on_logged_in(self._log_on)
        events.on(ListenPortChanged, lambda _: self._announce_ports())
        # Transfers first: a peer may be quick to find our port, and must not meet deaf ears.
        await self.transfers.start()
        await self.wishes.start()
        stack.push_async_callback(self.wishes.close)
        await self.listening.open(self._listen_port)
        self.port_keeper = PortKeeper(self.world, self.listening, self.server, events, self.reach)
        stack.push_async_callback(self.port_keeper.close)
        await self.port_keeper.start()
        stack.push_async_callback(self.server.close)
        if log_in:
            await self.server.start()
        self._started = True

    async def close(self) -> None:
        """Log out and stop everything. Closing twice does no harm."""
        self._started = False
        await self._stack.aclose()

    # -- what people do

    def search(
        self,
        query: str,
        *,
        timeout: float = 15.0,
        username: str | None = None,
        room: str | None = None,
        keep: Keep | str | None = None,
        limit: int | None = None,
        patience: float | None = None,
    ) -> Search:
        """Search; iterate over the result for hits.

        Args:
            query: what to look for, at least three characters.
            timeout: seconds for answers.
            username: ask this user only.
            room: ask the users of this room only.
            keep: which hits are wanted: a filter (:mod:`soulmesh.client.filters`), ``@name`` for a saved
                one, or a function.
            limit: stop after so many hits.
            patience: seconds that it may wait until the server bears it; what would have to wait longer
                fails with :class:`TooManyRequests` when it is started, and says how long.

        Raises:
            SearchRefused: nobody would answer such a query.
            FilterError: the filter cannot be read.
        """
        wanted = self.filters.read(keep) if isinstance(keep, str) else keep
        return self.searches.search(
            query,
            timeout=timeout,
            username=username,
            room=room,
            keep=wanted,
            limit=limit,
            patience=patience,
        )

    async def browse(self, username: str, *, timeout: float = 60.0, patience: float | None = None) -> Browse:
        """Ask for a user's shares; returns when they begin to come. Close the result.

        Args:
            timeout: seconds until they begin, and between two pieces.
            patience: seconds that it may wait for the governor, as for :meth:`search`.

        Raises:
            TooManyRequests: it would have to wait longer than its patience; says how long.
            UserOffline, PeerUnreachable, NotConnected, NoReply: see :mod:`soulmesh.client.errors`.
        """
        return await self._browser.browse(username, timeout=timeout, patience=patience)

    @property
    def away(self) -> bool:
        """Whether we are shown as away."""
        return self._away

    def set_away(self, away: bool) -> None:
        """Be shown as away, or as online."""
        self._away = away
        if self.server.connected:
            self.server.send(to_server.SetStatus(self._status))

    async def set_listen_port(self, port: int) -> None:
        """Listen on another port from now on; the server is told without a new login.

        Raises:
            NetworkError: the port cannot be had; the old one stays.
        """
        await self.listening.move(port)

    # -- parts

    @property
    def _status(self) -> int:
        return UserStatus.AWAY if self._away else UserStatus.ONLINE

    async def _open_shares(self) -> ShareIndex:
        shares = self._shares
        if isinstance(shares, Sequence):
            index: ShareIndex = await self._share_folders(shares) if shares else PlainShares()
        else:
            index = shares
        if isinstance(index, ForFriends):
            index.know_friends(self.users.friend)
        if isinstance(index, ForGroups):
            # Nobody asks before there are transfers, whose rules make the groups.
            index.know_groups(lambda username: self.transfers.uploads.groups_of(username))
        self._stack.callback(index.on_changed(self._announce_shares))
        return index

    async def _share_folders(self, folders: Sequence[Path | str]) -> ShareIndex:
        # Here, not above: whoever shares nothing need not load the index.
        from soulmesh.client.shares.listed import share_folders

        if self._data is not None:
            directory = self._data / "listed-shares"
        else:
            temporary = tempfile.TemporaryDirectory(prefix="soulmesh-", ignore_cleanup_errors=True)
            directory = Path(self._stack.enter_context(temporary))
        index = await share_folders(folders, directory, wall_clock=self.world.wall_clock)
        self._stack.callback(index.close)
        return index

    def _start_people(self, uploads: UploadFigures) -> None:
        """Everything about people and what they say."""
        server, events, stack = self.server, self.events, self._stack
        data = self._data
        self.rooms = Rooms(server, events, self.book, self.pace)
        stack.push_async_callback(self.rooms.close)
        self._chat_store = ChatStore(data / "chat.sqlite" if data else None)
        stack.push_async_callback(self._chat_store.close)
        self.chat = Chat(self.world, server, events, self.users, self._chat_store)
        self.chat.claims = self.rooms.notice
        stack.push_async_callback(self.chat.close)
        self.interests = Interests(server, self.book)
        self.privileges = Privileges(server)
        self.info = Info(
            self.world,
            self.links,
            events,
            self.shares,
            uploads,
            self.users,
            self._profile,
            lambda: self.world.random.getrandbits(31),
        )
        stack.push_async_callback(self.info.close)
        self._browser = Browser(self.links, events, self.pace, data / "browse" if data else None)
        self.transfers.batches.browse = self._files_below
        self.wishes = Wishes(
            self.world,
            server,
            events,
            lambda: self.searches,
            data / "wishes.json" if data else None,
            self.transfers.goals if self._download_wishes else None,
            shortest_query=self.settings.shortest_query,
        )
        self.filters = SavedFilters(self.book)

    async def _files_below(self, username: str, folder: str) -> list[FoundFile]:
        """The files of a folder and of those below it, out of all that a user shares."""
        found: list[FoundFile] = []
        async with await self._browser.browse(username, interactive=False) as shares:
            async for entry in shares:
                if not entry.locked and (entry.name == folder or entry.name.startswith(folder + "\\")):
                    found += await shares.files_of(entry)
        return found

    def _shared_files(self) -> SharedFiles:
        shares = self.shares
        return shares if isinstance(shares, SharedFiles) else NothingShared()

    def _transfer_settings(self) -> TransferSettings:
        settings = self._transfers_wanted or TransferSettings()
        return replace(settings, downloads=self._downloads) if self._downloads is not None else settings

    def _remember_transfers(self) -> None:
        """Past speeds and failures rank later search results."""
        book = self.book

        def finished(event: DownloadFinished) -> None:
            book.downloaded(event.username, event.size, event.size / event.speed if event.speed > 0 else 0.0)

        def moved(event: TransferMoved) -> None:
            if event.direction == "download" and event.new is State.FAILED:
                book.download_failed(event.username)

        self.events.on(DownloadFinished, finished)
        self.events.on(UploadFinished, lambda event: book.uploaded(event.username, event.size))
        self.events.on(TransferMoved, moved)

    def _refuses(self, username: str, address: str) -> bool:
        refused = self.users.refuses(username, address)
        if refused:
            self.searches.turned_away(username)
        return refused

    def _log_on(self) -> None:
        """What flows.rst has us say after a login, in its order; then what was before, again."""
        server = self.server
        server.send(to_server.CheckPrivileges())
        self._announce_ports()
        server.send(to_server.SetStatus(self._status))
        self._announce_shares()
        server.send(to_server.AddUser(self.username))
        self.tree.log_in()
        self.users.restore()
        self.interests.restore()
        self.rooms.restore()

    def _announce_ports(self) -> None:
        if not self.server.connected:
            return
        hidden = self.listening.announced_obfuscated_port
        kind = ObfuscationType.ROTATED if hidden else ObfuscationType.NONE
        self.server.send(to_server.SetListenPort(self.listening.announced_port, kind, hidden))

    def _announce_shares(self) -> None:
        if self.server.connected:
            counts = self.shares.counts
            self.server.send(to_server.SharedFoldersFiles(counts.folders, counts.files))
