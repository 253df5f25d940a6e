"""A client that does what a test says, and an HTTP client that sends paths exactly as they are written."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from soulmesh.client.errors import NoReply, NotConnected, RoomRefused, TooManyRequests, UserOffline
from soulmesh.client.events import Event
from soulmesh.client.transfers.batches import Batch
from soulmesh.client.transfers.events import DownloadFinished, TransferAdded, TransferMoved, TransferRemoved
from soulmesh.client.transfers.manager import UnknownTransfer
from soulmesh.client.transfers.transfer import Transfer
from soulmesh.config import Settings
from soulmesh.core.download import Download
from soulmesh.core.transfer import Event as Happened
from soulmesh.core.transfer import State
from soulmesh.core.upload import Upload
from soulmesh.daemon.api0.api import api
from soulmesh.daemon.http.shell import Shell, base_path
from soulmesh.daemon.ports import (
    Answer,
    Browsed,
    Figures,
    GovernorState,
    Info,
    Link,
    LinkState,
    Room,
    RoomEntry,
    ShareState,
    Status,
    Tree,
    Withheld,
)
from soulmesh.daemon.service import Service
from soulmesh.daemon.store import Store
from soulmesh.net.world import World
from soulmesh.wire.structs import DirectoryData

EXAMPLES = Path(__file__).parent / "examples"


def example(name: str) -> Any:
    return json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))


class Clock:
    """Wall time that a test sets."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 9, 16, 10, 501234, UTC)

    def __call__(self) -> datetime:
        return self.now


class FakeBatches:
    def __init__(self) -> None:
        self.all: dict[str, Batch] = {}

    def get(self, batch: str) -> Batch | None:
        return self.all.get(batch)

    def moving(self, batch: Batch) -> bool:
        return False

    async def adopt(
        self, identity: str, name: str, transfers: Iterable[Transfer], *, destination: Path | None = None
    ) -> Batch:
        files = [transfer.id for transfer in transfers]
        self.all[identity] = Batch(identity, name, str(destination), files=files)
        return self.all[identity]


class FakeTransfers:
    def __init__(self, engine: FakeEngine) -> None:
        self.batches = FakeBatches()
        self._engine = engine
        self._all: dict[int, Transfer] = {}
        self.bytes = {"download": 0, "upload": 0}
        self.mores: list[dict[str, object] | None] = []
        self.next_uuids: list[str] = []

    def __iter__(self) -> Iterator[Transfer]:
        return iter(list(self._all.values()))

    def moved(self, direction: str) -> int:
        return self.bytes[direction]

    def get(self, number: int) -> Transfer:
        if number not in self._all:
            raise UnknownTransfer(number)
        return self._all[number]

    def find(self, direction: str, username: str, remote_path: str) -> Transfer | None:
        for transfer in self._all.values():
            if (transfer.direction, transfer.username, transfer.remote_path) == (
                direction,
                username,
                remote_path,
            ):
                return transfer
        return None

    def add(self, username: str, path: str, size: int, *, upload: bool = False) -> Transfer:
        number = len(self._all) + 1000
        key = self.next_uuids.pop(0) if self.next_uuids else str(uuid.uuid4())
        machine = Upload(size=size) if upload else Download(size=size)
        loop = asyncio.get_running_loop()
        transfer = Transfer(number, key, username, path, machine, self._engine.clock.now, loop)
        self._all[number] = transfer
        self._engine.emit(TransferAdded(number, transfer.direction, username, path))
        return transfer

    async def download(
        self,
        username: str,
        remote_path: str,
        size: int | None = None,
        *,
        priority: int = 0,
        batch: str | None = None,
        more: dict[str, object] | None = None,
    ) -> Transfer:
        known = self.find("download", username, remote_path)
        if known is not None and known.state in (State.FAILED, State.CANCELLED):
            self.move(known, State.PENDING)
        transfer = known or self.add(username, remote_path, size or 0)
        transfer.batch = batch
        self.mores.append(more)
        return transfer

    async def numbers(self, uuids: Iterable[str]) -> dict[str, int]:
        wanted = set(uuids)
        return {one.uuid: one.id for one in self if one.uuid in wanted}

    def move(self, transfer: Transfer, state: State, reason: str = "", *, local: str = "") -> None:
        """Let something happen to a transfer."""
        old, machine = transfer.state, transfer.machine
        machine.state = state
        machine.reason = reason
        now = self._engine.clock.now
        if state is State.RUNNING:
            transfer.started = now
        transfer.ended = now if machine.final else None
        if state is State.FINISHED:
            if isinstance(machine, Download):
                machine.received = machine.size or 0
            else:
                machine.sent = machine.size or 0
            transfer.local_path = Path(local) if local else None
        head = (transfer.id, transfer.direction, transfer.username, transfer.remote_path)
        self._engine.emit(TransferMoved(*head, Happened.ASKED, old, state, reason, transfer.place))
        if state is State.FINISHED:
            self._engine.emit(DownloadFinished(*head, local, transfer.size or 0, 0.0))

    async def cancel(self, number: int, *, delete_part: bool = True) -> Transfer:
        transfer = self.get(number)
        if not transfer.over:
            self.move(transfer, State.CANCELLED)
        return transfer

    async def remove(self, number: int) -> None:
        transfer = self.get(number)
        if not transfer.over:
            await self.cancel(number)
        del self._all[number]
        head = (transfer.id, transfer.direction, transfer.username, transfer.remote_path)
        self._engine.emit(TransferRemoved(*head))

    def place(self, transfer: Transfer) -> int | None:
        return transfer.place


class FakeSearch:
    def __init__(self, ticket: int) -> None:
        self.ticket = ticket
        self.stopped = False
        self.withheld = Withheld()
        self.on_withheld: Callable[[], None] = lambda: None
        self._queue: asyncio.Queue[Answer | None] = asyncio.Queue()

    def answer(self, answer: Answer) -> None:
        self._queue.put_nowait(answer)

    def withhold(self, withheld: Withheld) -> None:
        self.withheld = withheld
        self.on_withheld()

    async def answers(self) -> AsyncIterator[Answer]:
        while (answer := await self._queue.get()) is not None:
            yield answer

    def stop(self) -> None:
        self.stopped = True
        self._queue.put_nowait(None)


LOGGED_IN = Link(LinkState.LOGGED_IN, "server.example.net", "198.51.100.20:2242", "lantern_owl", True)
FIGURES = Figures(655360, 1290, 512, 42)
TREE = Tree(2, "tall_spruce", "mossy_gate", (), 25)
SHARES = ShareState(folders=42, files=512)


@dataclass
class FakeEngine:
    clock: Clock = field(default_factory=Clock)
    link: Link = LOGGED_IN
    figures: Figures = FIGURES
    privileged_seconds: int = 0
    tree: Tree = TREE
    shares: ShareState = SHARES
    statuses: dict[str, Status] = field(default_factory=dict)
    infos: dict[str, Info] = field(default_factory=dict)
    addresses: dict[str, tuple[str, int]] = field(default_factory=dict)
    browses: dict[str, Browsed] = field(default_factory=dict)
    folders: dict[tuple[str, str], list[DirectoryData]] = field(default_factory=dict)
    joined: dict[str, Room] = field(default_factory=dict)
    listed: list[RoomEntry] = field(default_factory=list)
    watching: list[tuple[str, Status, Figures]] = field(default_factory=list)
    searches: list[tuple[str, FakeSearch]] = field(default_factory=list)
    sent: list[tuple[str, ...]] = field(default_factory=list)
    delay: float = 0.0
    places: dict[str, int] = field(default_factory=dict)
    bans: set[str] = field(default_factory=set)
    scanning: bool = False

    def __post_init__(self) -> None:
        self.transfers = FakeTransfers(self)
        self._handlers: list[Callable[[Event], None]] = []
        self.ticket = 18203

    def emit(self, event: Event) -> None:
        for handler in list(self._handlers):
            handler(event)

    def on_event(self, handler: Callable[[Event], None]) -> Callable[[], None]:
        self._handlers.append(handler)
        return lambda: self._handlers.remove(handler)

    def connect(self) -> bool:
        return not self.link.wanted

    async def disconnect(self) -> None:
        self.sent.append(("disconnect",))

    def search_delay(self) -> float:
        return self.delay

    async def search(self, text: str, *, username: str | None = None, room: str | None = None) -> FakeSearch:
        self.ticket += 1
        search = FakeSearch(self.ticket)
        self.searches.append((text, search))
        return search

    def governor(self) -> list[GovernorState]:
        return [GovernorState("search", 34, 220.0, self.delay)]

    async def user_status(self, username: str) -> Status:
        if not self.link.logged_in:
            raise NotConnected
        return self.statuses.get(username, Status("Offline"))

    async def user_info(self, username: str) -> Info:
        if username not in self.infos:
            raise UserOffline(username)
        return self.infos[username]

    async def user_address(self, username: str) -> tuple[str, int]:
        if username not in self.addresses:
            raise UserOffline(username)
        return self.addresses[username]

    async def relayed(self) -> float:
        return 0.01

    async def searched(self) -> float:
        return 0.02

    async def called_back(self, username: str) -> None:
        if username not in self.addresses:
            raise UserOffline(username)

    async def browse(self, username: str, progress: Callable[[int, int], None]) -> Browsed:
        if username not in self.browses:
            raise UserOffline(username)
        progress(131072, 524288)
        return self.browses[username]

    async def folder(self, username: str, directory: str) -> list[DirectoryData]:
        if (username, directory) not in self.folders:
            raise NoReply("PeerFolderContents", username, 60)
        return self.folders[username, directory]

    def watched(self) -> list[tuple[str, Status, Figures]]:
        return self.watching

    def banned(self, username: str) -> bool:
        return username in self.bans

    async def ask_place(self, transfer: Transfer) -> int:
        if transfer.username not in self.places:
            raise NoReply("PeerPlaceInQueueRequest", transfer.username, 20)
        return self.places[transfer.username]

    async def send_message(self, username: str, text: str) -> None:
        self.sent.append(("message", username, text))

    async def room_list(self) -> list[RoomEntry]:
        return self.listed

    def rooms(self) -> list[str]:
        return list(self.joined)

    def room(self, name: str) -> Room | None:
        return self.joined.get(name)

    async def join(self, name: str, *, private: bool = False, create: bool = True) -> Room:
        if name == "locked":
            raise RoomRefused(name, "The room is private")
        if name == "crowded":
            raise TooManyRequests("join", 11.2)
        return self.joined.setdefault(name, Room(name, private, []))

    async def leave(self, name: str) -> None:
        del self.joined[name]

    async def say(self, room: str, text: str) -> None:
        self.sent.append(("say", room, text))

    async def set_ticker(self, room: str, text: str) -> None:
        self.sent.append(("ticker", room, text))

    async def add_member(self, room: str, username: str) -> None:
        self.sent.append(("member", room, username))

    async def share_contents(self, root: str | None = None) -> list[DirectoryData]:
        return self.folders.get(("", root or ""), [])

    def scan(self, roots: Collection[int] | None = None, *, confirmed: bool = False) -> bool:
        self.scanning, was = True, self.scanning
        return not was

    def cancel_scan(self) -> bool:
        was, self.scanning = self.scanning, False
        return was


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        assert self.headers["content-type"].startswith("application/json"), self.headers
        return json.loads(self.body)


KEY = "a-key-of-enough-length"


class Caller:
    """Calls an ASGI application with a target as it would come over the wire."""

    def __init__(self, app: Any, prefix: str = "/api/v0", headers: dict[str, str] | None = None) -> None:
        self._app = app
        self._prefix = prefix
        self.headers = {"X-API-Key": KEY, "Host": "localhost:5030"} if headers is None else headers
        self.address = "127.0.0.1"

    async def __call__(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
        status: int | None = None,
    ) -> Reply:
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        sent = {**self.headers, **(headers or {})}
        if data and "Content-Type" not in sent:
            sent["Content-Type"] = "application/json"
        path, _, query = f"{self._prefix}{target}".partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "root_path": "",
            "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in sent.items() if v],
            "client": (self.address, 40000),
            "server": ("localhost", 5030),
        }
        messages = [{"type": "http.request", "body": data, "more_body": False}]
        sent_messages: list[Any] = []
        done = asyncio.Event()

        async def receive() -> Any:
            if messages:
                return messages.pop(0)
            await done.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent_messages.append(message)

        await self._app(scope, receive, send)
        done.set()
        start = sent_messages[0]
        reply = Reply(
            start["status"],
            {k.decode(): v.decode("latin-1") for k, v in start["headers"]},
            b"".join(message.get("body", b"") for message in sent_messages[1:]),
        )
        if status is not None:
            assert reply.status == status, (reply.status, reply.body)
        return reply

    async def get(self, target: str, status: int = 200) -> Any:
        return (await self("GET", target, status=status)).json


@dataclass
class Stage:
    engine: FakeEngine
    service: Service
    call: Caller
    shell: Shell
    clock: Clock


async def stage(tmp_path: Path, **settings: Any) -> Stage:
    """A daemon without a network, with one administrator's key."""
    clock = Clock()
    engine = FakeEngine(clock)
    store = Store(tmp_path / "daemon.db")
    await store.open()
    web = {"api_key": KEY, "username": "admin", "password": "correct horse", **settings.pop("web", {})}
    found = Settings.model_validate(
        {"web": web, "downloads": {"folder": str(tmp_path / "downloads")}, **settings}
    )
    real = World.real()
    world = World(real.network, real.disk, Random(1), clock)
    service = Service(engine, store, world, found)
    await service.start()
    shell = Shell(
        [api(service)],
        lambda: service.authenticator,
        base=lambda: base_path(service.settings.web.url_base),
    )
    return Stage(engine, service, Caller(shell), shell, clock)


async def strike(stage: Stage) -> None:
    await stage.service.close()
    await stage.service.store.close()


def later(clock: Clock, seconds: float) -> None:
    clock.now += timedelta(seconds=seconds)
