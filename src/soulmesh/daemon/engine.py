"""The daemon's client: the real one, kept alive whatever the server does.

The client is there from the start, logged in or not: transfers, shares and
history are at hand while there is no server, and without any account. Another
account or another server means another client on the same folders.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from soulmesh import log, wire
from soulmesh.client import chat, server_link
from soulmesh.client import rooms as client_rooms
from soulmesh.client.browse import Browse
from soulmesh.client.client import Client
from soulmesh.client.errors import LoginRefused, NotConnected, UserOffline
from soulmesh.client.events import Event
from soulmesh.client.info import Profile
from soulmesh.client.reach import Reach
from soulmesh.client.results import FoundFile
from soulmesh.client.searches import Search
from soulmesh.client.shares.service import Shares, ShareSettings
from soulmesh.client.transfers.transfer import Transfer
from soulmesh.client.users import User
from soulmesh.config import Settings, parse_address
from soulmesh.core.backoff import Backoff
from soulmesh.daemon import ports
from soulmesh.daemon.changing import Changing
from soulmesh.daemon.choices import client_settings, transfer_settings
from soulmesh.daemon.ports import (
    Answer,
    Browsed,
    Figures,
    File,
    GovernorState,
    Info,
    Link,
    LinkState,
    Member,
    Room,
    RoomEntry,
    Status,
    Tree,
    Withheld,
)
from soulmesh.daemon.scanning import Scanning
from soulmesh.errors import SoulmeshError
from soulmesh.net.world import World
from soulmesh.wire import peer, to_client, to_server
from soulmesh.wire.enums import UserStatus
from soulmesh.wire.structs import Attribute, DirectoryData, FileData

__all__ = ["Account", "ClientEngine"]

logger = log.get("daemon.engine")

GROUP_WITHIN = 0.05
"""Seconds without a further file after which a user's answer is complete."""
FOREVER = 7 * 86400.0
PRESENCE = {UserStatus.OFFLINE: "Offline", UserStatus.AWAY: "Away", UserStatus.ONLINE: "Online"}


@dataclass(frozen=True)
class Account:
    """Who to log in as; without a name nobody does."""

    username: str | None
    password: str = ""

    def __repr__(self) -> str:
        return f"Account({self.username!r})"


class _Answers:
    """A search of the client, its files put together to one answer per user again."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self.on_withheld: Callable[[], None] = lambda: None
        search.on_withheld = lambda: self.on_withheld()

    @property
    def ticket(self) -> int:
        """Its number on the network."""
        return self._search.ticket

    @property
    def withheld(self) -> Withheld:
        """What answered so far and is not among the answers."""
        found = self._search.figures
        return Withheld(
            rules=dict(found.rules),
            filtered=found.filtered,
            blocked=found.blocked,
            turned_away=found.turned_away,
            cut=found.cut,
            unreadable=found.unreadable,
            unreached=found.unreached,
        )

    def stop(self) -> None:
        """Take no more answers."""
        self._search.stop()

    async def answers(self) -> AsyncIterator[Answer]:
        """Answers as they come."""
        found: Answer | None = None
        waiting: asyncio.Task[object] | None = None
        try:
            while True:
                waiting = asyncio.ensure_future(self._search.next())
                while found is not None and not waiting.done():
                    # The files of one answer follow each other at once, unless the loop is busy elsewhere.
                    await asyncio.wait({waiting}, timeout=GROUP_WITHIN)
                    if not waiting.done() and not self._search.inside:
                        yield found
                        found = None
                hit = await waiting
                if hit is None:
                    break
                if found is not None and found.username != hit.username:
                    yield found
                    found = None
                if found is None:
                    found = Answer(hit.username, hit.free_slot, hit.speed, hit.queue, [], [])
                file = File(hit.file.remote_path, hit.file.size, hit.file.attributes)
                (found.locked if hit.locked else found.files).append(file)
            if found is not None:
                yield found
        finally:
            if waiting is not None:
                waiting.cancel()
            self._search.stop()


class ClientEngine:
    """Implements :class:`soulmesh.daemon.ports.Engine`.

    Args:
        world: the outside.
        settings: of the daemon.
        account: who to log in as.
        data: where the client keeps what it knows.
    """

    def __init__(self, world: World, settings: Settings, account: Account, data: Path) -> None:
        self._world = world
        self._settings = settings
        self._account = account
        self._data = data
        self._handlers: list[Callable[[Event], None]] = []
        self._staying: asyncio.Task[None] | None = None
        self._next_attempt: datetime | None = None
        self._connecting = False
        self._problem: str | None = None
        self._seen_server = False
        self._stays_out = False
        self.scanning: Scanning | None = None
        self.changing = Changing()
        """Tells when another client takes over."""
        self.on_new_client: Callable[[], None] = lambda: None
        """Called when another client took over; its transfers are the same, the objects are not."""

    # -- life

    async def open(self) -> None:
        """Open the ports and the folders, and begin to log in if there is an account.

        Raises:
            PortInUse: the listening port is taken.
            JournalError: the journal of transfers cannot be used.
        """
        settings = self._settings
        shares = Shares(
            self._data / "shares",
            wall_clock=self._world.wall_clock,
            settings=ShareSettings(guard=settings.shares.lose_at_most),
        )
        self._shares = shares
        client = Client(
            self._account.username or "",
            self._account.password,
            server=parse_address(settings.network.server),
            shares=shares,
            downloads=settings.downloads.folder,
            listen_port=settings.network.listen_port,
            reach=Reach.of(settings.network),
            world=self._world,
            settings=client_settings(settings),
            transfers=transfer_settings(settings),
            profile=Profile(settings.client.description, settings.client.picture),
            data=self._data,
        )
        self.scanning = Scanning(shares, self._pass_on)
        try:
            await client.start(log_in=False)
        except BaseException:
            await client.close()
            shares.close()
            raise
        # Not before it is whole: until then, whoever looks sees the one before.
        self._client = client
        client.events.on(Event, self._take)
        self.scanning.share(settings.shares.folders)
        self.scanning.keep(watch=settings.shares.watch, rescan_hours=settings.shares.rescan_hours)
        if self._account.username and not self._stays_out:
            self.connect()

    async def close(self) -> None:
        """Log out and stop everything."""
        await self._stop_staying()
        if self.scanning is not None:
            await self.scanning.close()
        await self._client.close()
        self._shares.close()

    async def apply(self, settings: Settings, account: Account) -> None:
        """Other settings from now on; what needs a new client gets one.

        Raises:
            SoulmeshError: the listening port cannot be had, a folder cannot be used; everything stays as
                it was.
        """
        old, self._settings = self._settings, settings
        if (
            account != self._account
            or old.network.model_copy(update={"listen_port": settings.network.listen_port})
            != settings.network
            or client_settings(old) != client_settings(settings)
        ):
            async with self.changing.change():
                await self._replace(old, account)
            return
        if old.network.listen_port != settings.network.listen_port:
            try:
                await self._client.set_listen_port(settings.network.listen_port)
            except SoulmeshError:
                self._settings = old
                raise
        self._client.transfers.settings = transfer_settings(settings)
        self._client.info.profile = Profile(settings.client.description, settings.client.picture)
        if self.scanning is not None and old.shares.folders != settings.shares.folders:
            self.scanning.share(settings.shares.folders, instead_of=old.shares.folders)
        if self.scanning is not None and old.shares != settings.shares:
            self._shares.settings = replace(self._shares.settings, guard=settings.shares.lose_at_most)
            self.scanning.keep(watch=settings.shares.watch, rescan_hours=settings.shares.rescan_hours)

    async def _replace(self, settings: Settings, account: Account) -> None:
        """Another client; if it cannot be had, one as before with ``settings``."""
        before, self._account = self._account, account
        if account != before:
            # Whoever names another account wants to be logged in with it.
            self._stays_out = False
        await self.close()
        try:
            await self.open()
        except SoulmeshError:
            self._settings, self._account = settings, before
            await self.open()
            raise
        finally:
            self.on_new_client()

    @property
    def client(self) -> Client:
        """The client of now."""
        return self._client

    @property
    def shared(self) -> Shares:
        """What that client shares."""
        return self._shares

    @property
    def listen_port(self) -> int:
        """Where other users reach us."""
        return self._client.listening.announced_port

    def on_event(self, handler: Callable[[Event], None]) -> Callable[[], None]:
        """Call ``handler`` with each event, also when another client took over."""
        self._handlers.append(handler)
        return lambda: self._handlers.remove(handler) if handler in self._handlers else None

    def _take(self, event: Event) -> None:
        told: Event = event
        match event:
            case server_link.LoggedIn():
                self._next_attempt = self._problem = None
                told = ports.LoggedIn(event.username)
            case server_link.LoggedOut():
                self._problem = event.reason
                told = ports.LoggedOut(event.reason, event.final)
            case server_link.ReconnectPlanned():
                self._next_attempt = self._world.wall_clock() + timedelta(seconds=event.seconds)
                self._problem = event.reason
            case chat.PrivateMessage():
                at = datetime.fromtimestamp(event.sent_at, UTC)
                told = ports.MessageReceived(event.username, event.text, 0, at, not event.direct)
            case client_rooms.RoomMessage():
                # Told when it is in the history: who asks for that then does not miss it.
                return
            case chat.RoomLineKept():
                told = ports.RoomSaid(event.room, event.username, event.text, event.line)
            case client_rooms.RoomLeft():
                told = ports.RoomLeft(event.room)
            case _:
                pass
        self._pass_on(told)

    def _pass_on(self, event: Event) -> None:
        for handler in tuple(self._handlers):
            handler(event)

    # -- the link to the server

    @property
    def link(self) -> Link:
        """The link to the server."""
        server = self._client.server
        state = LinkState.DISCONNECTED
        if server.connected:
            state = LinkState.LOGGED_IN
        elif self._connecting:
            state = LinkState.CONNECTING
        host, port = parse_address(self._settings.network.server)
        return Link(
            state,
            host if self._seen_server else None,
            f"{host}:{port}" if self._seen_server and host[:1].isdigit() else None,
            self._account.username or None,
            self._wanted,
            None if server.connected else self._next_attempt,
            None if server.connected else self._problem,
        )

    @property
    def _wanted(self) -> bool:
        if self._stays_out:
            return False
        if self._staying is not None and not self._staying.done():
            return True
        return self._client.server.connected or (self._seen_server and self._client.server.ended is None)

    def connect(self) -> bool:
        """Log in, and stay in; ``False`` if that was under way (then it begins anew)."""
        idle = not self._wanted
        self._stays_out = False
        if not self._client.server.connected:
            old, self._staying = self._staying, None
            if old is not None:
                old.cancel()
            self._staying = asyncio.create_task(self._stay(old), name="logging in")
        return idle

    async def disconnect(self) -> None:
        """Log out and stay so, whatever else changes, until :meth:`connect`."""
        self._stays_out = True
        await self._stop_staying()
        await self._client.server.log_out()
        self._problem = "logged out"

    def stay_out(self, reason: str) -> None:
        """Before :meth:`open`: do not log in until :meth:`connect`; ``reason`` says why, in words."""
        self._stays_out = True
        self._problem = reason

    async def _stop_staying(self) -> None:
        task, self._staying = self._staying, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        self._next_attempt = None
        self._connecting = False

    async def _stay(self, before: asyncio.Task[None] | None) -> None:
        """Until the first login; then the client stays in by itself."""
        if before is not None:
            await asyncio.wait({before})
        await self._client.server.log_out()
        if not self._account.username:
            self._problem = "there is no account: set account.username and a password"
            return
        backoff = Backoff()
        while True:
            self._connecting = self._seen_server = True
            self._next_attempt = None
            try:
                await self._client.server.start()
                return
            except LoginRefused as error:
                self._problem = str(error)
                logger.error("login refused", username=self._account.username, reason=str(error))
                if error.reason not in ("SVRFULL", "SVRPRIVATE"):
                    # A wrong password does not get better by repeating it.
                    self._client.server.ended = error
                    return
            except NotConnected as error:
                self._problem = str(error)
                logger.warning("not logged in", reason=str(error))
            finally:
                self._connecting = False
            pause = backoff.pause(self._world.random)
            self._next_attempt = self._world.wall_clock() + timedelta(seconds=pause)
            await asyncio.sleep(pause)

    @property
    def figures(self) -> Figures:
        """What the server counts about ourselves."""
        return _figures(self._client.users.get(self._account.username or ""))

    @property
    def privileged_seconds(self) -> int:
        """How long our privileges last."""
        return self._client.privileges.left

    @property
    def tree(self) -> Tree:
        """Our place in the distributed network."""
        found = self._client.tree.figures
        return Tree(
            found.level,
            found.root or None,
            found.parent,
            found.children,
            found.most_children,
            found.per_second,
            found.forwarded_per_second,
            found.speed,
            found.min_speed,
            found.speed_ratio,
        )

    # -- transfers

    @property
    def transfers(self) -> ports.TransfersPort:
        """Downloads and uploads."""
        return self._client.transfers

    async def ask_place(self, transfer: Transfer) -> int:
        """Ask the uploader for the place in its queue."""
        reply = await self._client.links.ask(
            transfer.username,
            peer.PeerPlaceInQueueRequest(transfer.remote_path),
            peer.PeerPlaceInQueueReply,
            match=lambda message: message.filename == transfer.remote_path,
            timeout=20.0,
        )
        return reply.place

    # -- searching

    def search_delay(self) -> float:
        """Seconds that a new search would have to wait for the governor."""
        return self._client.pace.delay("search")

    async def search(self, text: str, *, username: str | None = None, room: str | None = None) -> _Answers:
        """Search everywhere, or ask one user or one room, until it is stopped."""
        search = self._client.search(text, timeout=FOREVER, username=username, room=room)
        await search.start()
        return _Answers(search)

    def governor(self) -> list[GovernorState]:
        """The pace of everything that is paced."""
        pace = self._client.pace
        return [
            GovernorState(subject, rate.count, rate.seconds, pace.delay(subject))
            for subject, rate in self._client.settings.rates.items()
        ]

    # -- people

    async def user_status(self, username: str) -> Status:
        """Asks the server."""
        found = await self._client.server.ask(
            to_server.GetUserStatus(username),
            to_client.GetUserStatus,
            match=lambda message: message.username == username,
            timeout=10.0,
        )
        return Status(PRESENCE.get(UserStatus(found.status), "Offline"), bool(found.privileged))

    async def user_info(self, username: str) -> Info:
        """Asks the user."""
        await self._present(username)
        found = await self._client.info.ask(username)
        return Info(found.description, found.picture, found.free_slot, found.queue, found.upload_slots)

    async def user_address(self, username: str) -> tuple[str, int]:
        """Asks the server."""
        found = await self._client.users.address(username)
        if not found.known:
            raise UserOffline(username)
        return found.host, found.port

    async def relayed(self) -> float:
        """A request for a connection, through the server to ourselves."""
        return await self._client.probes.relay()

    async def searched(self) -> float:
        """A search, through the server to ourselves."""
        return await self._client.probes.search()

    async def called_back(self, username: str) -> None:
        """A user connects to us, asked through the server."""
        await self._client.probes.called_back(username)

    async def browse(self, username: str, progress: Callable[[int, int], None]) -> Browsed:
        """Everything that the user shares."""
        await self._present(username)
        found = Browsed([], [])
        async with await self._client.browse(username, patience=0) as browse:
            watching = asyncio.create_task(_follow(browse, progress))
            try:
                await browse.finished()
            finally:
                watching.cancel()
            progress(browse.done, browse.total)
            offset = 0
            while page := await browse.page(offset, 500):
                for folder in page:
                    files = [_listed(file.name, file) for file in await browse.files_of(folder)]
                    (found.locked if folder.locked else found.folders).append(
                        DirectoryData(folder.name, files)
                    )
                offset += len(page)
        return found

    async def folder(self, username: str, directory: str) -> list[DirectoryData]:
        """The contents of one folder."""
        await self._present(username)
        found = await self._client.info.folder(username, directory)
        return [
            DirectoryData(name, [_listed(file.name, file) for file in files]) for name, files in found.items()
        ]

    async def _present(self, username: str) -> None:
        """Fail at once for a user who is not there: the other ways take a minute to find out."""
        await self._client.users.require_online(username)

    def watched(self) -> list[tuple[str, Status, Figures]]:
        """Users of whom the server keeps us informed."""
        users = self._client.users
        found = []
        for username in users.watched:
            user = users.get(username)
            presence = PRESENCE.get(UserStatus(user.status or 0), "Offline")
            found.append((username, Status(presence, user.privileged), _figures(user)))
        return found

    def banned(self, username: str) -> bool:
        """Whether we want nothing to do with that user."""
        return self._client.users.banned(username)

    # -- talk

    async def send_message(self, username: str, text: str) -> None:
        """A private message."""
        await self._client.chat.send(username, text)

    async def room_list(self) -> list[RoomEntry]:
        """Asked afresh."""
        found = await self._client.rooms.list()
        return [RoomEntry(r.name, r.users, r.private, r.owned, r.operated) for r in found]

    def rooms(self) -> list[str]:
        """The rooms that we are in."""
        return self._client.rooms.joined

    def room(self, name: str) -> Room | None:
        """One of them."""
        found = self._client.rooms.get(name)
        return None if found is None else self._room(found)

    async def join(self, name: str, *, private: bool = False, create: bool = True) -> Room:
        """Enter a room."""
        joined = await self._client.rooms.join(name, private=private, create=create, patience=0)
        return self._room(joined)

    async def leave(self, name: str) -> None:
        """Leave a room."""
        await self._client.rooms.leave(name)

    async def say(self, room: str, text: str) -> None:
        """Say something in a room."""
        self._client.rooms.say(room, text)

    async def set_ticker(self, room: str, text: str) -> None:
        """Pin something to the wall of a room."""
        self._client.rooms.set_ticker(room, text)

    async def add_member(self, room: str, username: str) -> None:
        """Let somebody into a private room of ours."""
        await self._client.rooms.grant_membership(room, username)

    def _room(self, found: client_rooms.Room) -> Room:
        users = self._client.users
        members = []
        for name, status in found.users.items():
            user = users.get(name)
            presence = PRESENCE.get(UserStatus(status), "Online")
            members.append(Member(name, presence, _figures(user), None, user.country))
        return Room(found.name, found.private, members, found.owner or None, sorted(found.operators))

    # -- shares

    @property
    def shares(self) -> ports.ShareState:
        """How the index is doing."""
        assert self.scanning is not None
        return self.scanning.state

    async def share_contents(self, root: str | None = None) -> list[DirectoryData]:
        """What we share with everybody."""
        reply = wire.decode(await self._shares.browse(""), "peer", "peer")
        assert isinstance(reply, peer.PeerSharesReply)
        if root is None:
            return list(reply.directories)
        return [entry for entry in reply.directories if entry.name.partition("\\")[0] == root]

    def scan(self, roots: Collection[int] | None = None, *, confirmed: bool = False) -> bool:
        """Scan anew, in the background."""
        assert self.scanning is not None
        return self.scanning.start(roots, confirmed=confirmed)

    def cancel_scan(self) -> bool:
        """Stop scanning."""
        assert self.scanning is not None
        return self.scanning.cancel()


def _figures(user: User) -> Figures:
    return Figures(user.speed or 0, user.uploads or 0, user.files or 0, user.folders or 0)


def _listed(name: str, file: FoundFile) -> FileData:
    """A file as folder lists hold it: its last name alone."""
    return FileData(
        1, name, file.size, file.extension, [Attribute(key, value) for key, value in file.attributes]
    )


async def _follow(browse: Browse, progress: Callable[[int, int], None]) -> None:
    while True:
        progress(browse.done, browse.total)
        await asyncio.sleep(0.25)
