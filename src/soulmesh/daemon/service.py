"""The daemon without its HTTP: the client, what is remembered of it, and what happens on events."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import soulmesh
from soulmesh import log
from soulmesh.client.events import Event
from soulmesh.client.transfers.batches import Batch
from soulmesh.client.transfers.events import BatchFinished, TransferMoved, TransferRemoved
from soulmesh.client.transfers.transfer import Transfer
from soulmesh.client.wishes import WishFound
from soulmesh.config import Settings
from soulmesh.core.transfer import State
from soulmesh.daemon.api0.shapes import directory_of
from soulmesh.daemon.eventlog import EventLog
from soulmesh.daemon.gathering import Arrived
from soulmesh.daemon.http.auth import ApiKey, Authenticator, Logins, parse_key
from soulmesh.daemon.http.identity import Role
from soulmesh.daemon.http.replies import instant
from soulmesh.daemon.hub import Hub
from soulmesh.daemon.knobs import NEEDS_RESTART, value_of
from soulmesh.daemon.ledger import Ledger
from soulmesh.daemon.logbook import Logbook
from soulmesh.daemon.ports import (
    Answer,
    Engine,
    LoggedIn,
    LoggedOut,
    MessageReceived,
    RoomLeft,
    RoomSaid,
    ScanMoved,
    ScanProgressed,
    Withheld,
)
from soulmesh.daemon.rows import hit_row, transfer_row
from soulmesh.daemon.searching import SearchDesk, SearchRecord
from soulmesh.daemon.store import Store
from soulmesh.daemon.talk import Conversations, RoomTalk
from soulmesh.daemon.wishbook import WishBook
from soulmesh.errors import SoulmeshError
from soulmesh.net.world import World

__all__ = ["COMPATIBLE", "Service", "authenticator"]

logger = log.get("daemon")

COMPATIBLE = "0.26.0"
"""The version of slskd whose interface we serve. Consumers compare it: numbers and dots only."""

TIDY_EVERY = 60.0
SEARCH_TOLD_EVERY = 0.2
"""Seconds between two events about the answers to a search."""


def full_version() -> str:
    """What we say when somebody asks who we are."""
    return f"{COMPATIBLE} (soulmesh {soulmesh.__version__})"


def authenticator(
    settings: Settings, wall_clock: Callable[[], datetime], signing: bytes, local_key: str | None = None
) -> Authenticator:
    """Who may come in, by the settings.

    Raises:
        ConfigError: a key is too short, a role or an address range is wrong.
    """
    web = settings.web
    keys: list[ApiKey] = []
    if web.api_key is not None:
        keys.append(parse_key(web.api_key.get_secret_value()))
    for name, entry in web.api_keys.items():
        role = Role.named(entry.role) or Role.READ_ONLY
        keys.append(ApiKey(name, entry.key.get_secret_value(), role, entry.cidr))
    if local_key is not None:
        keys.append(ApiKey("commands", local_key, Role.ADMINISTRATOR, "127.0.0.0/8,::1/128"))
    logins = None
    if web.username and web.password is not None:
        logins = Logins(
            web.username,
            web.password.get_secret_value(),
            web.jwt_key.get_secret_value().encode() if web.jwt_key else signing,
            timedelta(hours=web.jwt_lifetime),
        )
    return Authenticator(enabled=web.authentication, keys=keys, logins=logins, wall_clock=wall_clock)


class Service:
    """Everything that the APIs stand on.

    Args:
        engine: the client.
        store: the database, already open.
        world: for wall time and randomness.
        settings: as they are now; :attr:`settings` is replaced when they change.
    """

    def __init__(
        self,
        engine: Engine,
        store: Store,
        world: World,
        settings: Settings,
        *,
        logbook: Logbook | None = None,
    ) -> None:
        self.engine = engine
        self.store = store
        self.world = world
        self.settings = settings
        self.startup = settings
        self.logbook = logbook or Logbook()
        self.ledger = Ledger(engine, store, world.wall_clock)
        self.searches = SearchDesk(engine, store, world.wall_clock)
        self.conversations = Conversations(store, world.wall_clock)
        self.room_talk = RoomTalk()
        self.events = EventLog(store, world.wall_clock)
        self.wish_book = WishBook(store, world.wall_clock)
        self.hub = Hub(f"{world.random.getrandbits(48):012x}")
        self.hub.name_of = self.ledger.name_of
        self.hub.row_of = self._transfer_row
        self.on_close: list[Callable[[], Awaitable[None]]] = []
        """What else has to be put away when we close."""
        self.signing = secrets.token_bytes(32)
        self.local_key = secrets.token_urlsafe(32)
        """For commands on this machine, found in the data folder; another one at each start."""
        self.authenticator = authenticator(settings, world.wall_clock, self.signing, self.local_key)
        self.browses: dict[str, tuple[int, int]] = {}
        """Browses under way: bytes that are here, and in all."""
        self.counted: Counter[tuple[str, str]] = Counter()
        """What ended since the start: (direction, ok, no or bytes)."""
        self.pending_restart = False
        self.pending_reconnect = False
        self.restart: Callable[[bool], None] = lambda again: None
        """Ends the daemon; with ``True`` it begins anew."""
        self.reload: Callable[[dict[str, Any]], Awaitable[Settings]] | None = None
        """Reads the settings again, with these over them."""
        self.check_file: Callable[[dict[str, Any]], Awaitable[None]] | None = None
        """Sees that a daemon could start with these values, by key, in its configuration file."""
        self.change_settings: Callable[[dict[str, Any]], Awaitable[Settings]] | None = None
        """Checks and keeps settings by key (``None`` takes one back), and has the daemon go by them."""
        self.changed_here: Callable[[], Collection[str]] = lambda: ()
        """The keys that were set like this."""
        self.config_file: Path | None = None
        self.set_account: Callable[[str, str], Awaitable[None]] | None = None
        """Remembers who to be on the network, and logs in."""
        self._undo: Callable[[], None] = lambda: None
        self._tasks: set[asyncio.Task[None]] = set()
        self._telling_gathered = asyncio.Lock()
        self.ledger.on_finished = self._finished
        self.searches.on_answer = self._answered
        self.searches.on_changed = self._search_changed
        self._telling: dict[str, asyncio.TimerHandle] = {}

    async def start(self) -> None:
        """Begin to follow the client."""
        await self.conversations.open()
        await self.wish_book.open()
        self._undo = self.engine.on_event(self._notice)
        loop = asyncio.get_running_loop()

        def tell(line: dict[str, Any]) -> None:
            # Lines are also written by threads, and by those that outlive the loop.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self.hub.show, "log.line", line)

        self.logbook.on_line = tell
        self.follow()
        self.spawn(self._tidy(), "tidy")

    def follow(self) -> None:
        """Take in what the client knows already; again, when another client took over."""
        self.ledger.start()
        self.spawn(self._gathered_unseen(), "folders that were moved")

    async def close(self) -> None:
        """Stop following it; what was going on is kept."""
        self._undo()
        self.logbook.on_line = lambda line: None
        self.hub.close()
        for close in self.on_close:
            await close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.searches.close()
        for timer in self._telling.values():
            timer.cancel()

    def spawn(self, work: Any, name: str) -> asyncio.Task[None]:
        """Do something in the background, until we close."""
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("a task failed", task=task.get_name(), exc_info=task.exception())

    def apply(self, settings: Settings) -> None:
        """Other settings from now on.

        Raises:
            ConfigError: an API key is wrong; then everything stays as it was.
        """
        self.authenticator = authenticator(settings, self.world.wall_clock, self.signing, self.local_key)
        old = self.settings
        self.settings = settings
        if any(value_of(old, key) != value_of(settings, key) for key in NEEDS_RESTART):
            self.pending_restart = True

    def now(self) -> datetime:
        """Wall time."""
        return self.world.wall_clock()

    def told_chat(self, username: str, text: str, number: int, *, ours: bool, at: datetime) -> None:
        """A private message, in one direction or the other, for those who look on."""
        self.hub.tell(
            "chat.message",
            {"username": username, "id": number, "text": text, "at": instant(at), "ours": ours},
        )

    async def say(self, username: str, text: str) -> None:
        """Write to somebody, and keep it.

        Raises:
            SoulmeshError: it cannot be sent.
        """
        await self.engine.send_message(username, text)
        await self.said(username, text)

    async def said(self, username: str, text: str) -> None:
        """Keep a message that was sent, and tell of it."""
        number = await self.conversations.sent(username, text)
        self.told_chat(username, text, number, ours=True, at=self.now())

    def _transfer_row(self, number: int) -> dict[str, Any] | None:
        try:
            transfer = self.engine.transfers.get(number)
        except SoulmeshError:
            return None
        return transfer_row(transfer, self.engine.transfers.place(transfer))

    @property
    def downloads(self) -> Path:
        """Where finished files go."""
        return Path(self.settings.downloads.folder).expanduser().absolute()

    @property
    def incomplete(self) -> Path:
        """Where unfinished files are."""
        chosen = self.settings.downloads.incomplete
        return Path(chosen).expanduser().absolute() if chosen else self.downloads / ".incomplete"

    def seen(self, path: Path | str) -> str:
        """A local path as the programs that ask us see it."""
        text = str(path)
        for ours, theirs in sorted(self.settings.paths.seen_as.items(), key=lambda pair: -len(pair[0])):
            root = ours.rstrip("/")
            if text == root or text.startswith(f"{root}/"):
                return theirs.rstrip("/") + text[len(root) :]
        return text

    # -- events

    def _search_changed(self, record: SearchRecord) -> None:
        """Answers come by the hundred: they are told together, but the beginning and the end at once."""
        if not record.complete and (record.responses or record.withheld != Withheld()):
            if record.id not in self._telling:
                loop = asyncio.get_running_loop()
                self._telling[record.id] = loop.call_later(SEARCH_TOLD_EVERY, self._tell_search, record)
            return
        self._tell_search(record)

    def _tell_search(self, record: SearchRecord) -> None:
        waiting = self._telling.pop(record.id, None)
        if waiting is not None:
            waiting.cancel()
        self.hub.tell(
            "search.changed",
            {
                "id": record.id,
                "text": record.request.text,
                "state": record.state,
                "responses": record.responses,
                "files": record.files,
                "complete": record.complete,
                "withheld": dataclasses.asdict(record.withheld),
            },
        )

    def _notice(self, event: Event) -> None:
        if isinstance(event, TransferRemoved):
            # Its id in the API is forgotten with it.
            self.hub.notice(event)
            self.ledger.notice(event)
            return
        if isinstance(event, BatchFinished):
            self.spawn(self._gathered(event), "a folder that was moved")
            return
        self.ledger.notice(event)
        if not isinstance(event, MessageReceived | RoomSaid | ScanMoved | ScanProgressed):
            # What is said is told below, in the words in which it is listed.
            self.hub.notice(event)
        match event:
            case TransferMoved() if event.new is State.FAILED and event.old is not State.FAILED:
                self.counted[event.direction, "no"] += 1
                logger.info(
                    f"{event.direction} failed",
                    username=event.username,
                    file=event.remote_path,
                    reason=event.reason,
                )
            case LoggedIn(username):
                logger.info("logged in", username=username)
                self.events.tell("SoulseekClientConnected")
            case LoggedOut(reason=reason):
                logger.info("logged out", reason=reason)
                self.events.tell("SoulseekClientDisconnected", message=reason, exception=None)
            case MessageReceived(username, message, number, at, replayed):
                if self.engine.banned(username):
                    return
                body = self.conversations.received(username, message, id=number, at=at, replayed=replayed)
                self.events.tell("PrivateMessageReceived", message=body)
                self.told_chat(username, message, self.conversations.last_number, ours=False, at=at)
            case RoomSaid(room, username, message, line):
                ourselves = self.engine.link.username
                body = self.room_talk.said(room, username, message, self.now(), ourselves)
                ours = username == ourselves
                self.hub.tell(
                    "room.said",
                    {
                        "id": line,
                        "room": room,
                        "username": username,
                        "text": message,
                        "at": instant(self.now()),
                        "ours": ours,
                    },
                )
                direction = "Out" if ours else "In"
                self.events.tell("RoomMessageReceived", message={**body, "direction": direction})
            case ScanMoved():
                self.hub.tell("share.scan", dataclasses.asdict(event))
            case ScanProgressed():
                self.hub.show("share.progress", dataclasses.asdict(event))
            case WishFound(query, hit):
                self.wish_book.found(query, hit_row(hit))
            case RoomLeft(room):
                self.room_talk.left(room)
            case _:
                pass

    def _answered(self, answer: Answer) -> None:
        """What an answer says of files that somebody may want by name."""
        files = [*answer.files, *answer.locked]
        self.ledger.remember(answer.username, [file.name for file in files])
        self.ledger.lengths.learn(answer.username, files)

    def _finished(self, transfer: Transfer, body: dict[str, Any]) -> None:
        self.counted[transfer.direction, "ok"] += 1
        self.counted[transfer.direction, "bytes"] += transfer.size or 0
        logger.info(
            f"{transfer.direction} finished",
            username=transfer.username,
            file=transfer.remote_path,
            size=transfer.size,
        )
        file = Arrived(transfer.username, transfer.remote_path, transfer.local_path, body)
        if not transfer.is_download:
            self._tell_file("UploadFileComplete", file)
        elif not self.ledger.gathering.holds(transfer):
            # Otherwise it is told when it is where it will be found.
            self._tell_file("DownloadFileComplete", file)
            self._tell_folder(file)

    async def _gathered(self, event: BatchFinished) -> None:
        """All of a batch is where it is wanted."""
        batch = self.engine.transfers.batches.get(event.batch)
        if batch is not None and batch.whole:
            await self._tell_gathered(batch)
        self.hub.notice(event)

    async def _gathered_unseen(self) -> None:
        """Folders that were moved while the daemon ended or began."""
        for batch in await self.ledger.gathering.unseen():
            await self._tell_gathered(batch)

    async def _tell_gathered(self, batch: Batch) -> None:
        async with self._telling_gathered:
            files = await self.ledger.gathering.arrived(batch)
            folders: dict[tuple[str, str], Arrived] = {}
            for file in files:
                self._tell_file("DownloadFileComplete", file)
                folders[file.username, directory_of(file.remote_path)] = file
            for file in folders.values():
                self._tell_folder(file)
            self.ledger.gathering.moved(batch, files)

    def _tell_file(self, kind: str, file: Arrived) -> None:
        local = str(file.local_path or "")
        self.events.tell(
            kind,
            here={"localFilename": local},
            localFilename=self.seen(local),
            remoteFilename=file.remote_path,
            transfer=file.body,
        )

    def _tell_folder(self, file: Arrived) -> None:
        """Unless more of the folder is on its way: that was all of it, ``file`` the last one."""
        folder = directory_of(file.remote_path)
        for other in self.ledger.running("download"):
            if other.username == file.username and directory_of(other.remote_path) == folder:
                return
        local = str(file.local_path.parent) if file.local_path else ""
        self.events.tell(
            "DownloadDirectoryComplete",
            here={"localDirectoryName": local},
            localDirectoryName=self.seen(local),
            remoteDirectoryName=folder,
            username=file.username,
        )

    async def _tidy(self) -> None:
        while True:
            await self.ledger.keep_lists()
            self.searches.forget_before(self.settings.history.searches)
            self.events.forget_before(self.settings.history.events)
            await asyncio.sleep(TIDY_EVERY)
