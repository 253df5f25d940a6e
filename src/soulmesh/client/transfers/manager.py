"""Transfers: the one door to downloads and uploads.

::

    transfer = await client.transfers.download("eve", r"Music\\Album\\01.flac")
    async for transfer in transfer.updates():
        print(transfer.state, transfer.done, transfer.size, transfer.speed)
    print(await client.transfers.why(transfer.id))
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from soulmesh.client.ports import Events, Links, Presence, ServerPort, Undo
from soulmesh.client.transfers.bandwidth import Bandwidth
from soulmesh.client.transfers.batches import Batches
from soulmesh.client.transfers.downloads import Downloads
from soulmesh.client.transfers.goals import Goals
from soulmesh.client.transfers.journal import KEPT_FOR, Journal, JournalError, Record
from soulmesh.client.transfers.layout import remote_parts
from soulmesh.client.transfers.ledger import Ledger
from soulmesh.client.transfers.outbox import Outbox
from soulmesh.client.transfers.ports import SharedFiles
from soulmesh.client.transfers.pushes import Pushes
from soulmesh.client.transfers.settings import TransferSettings
from soulmesh.client.transfers.transfer import Transfer
from soulmesh.client.transfers.uploads import Uploads
from soulmesh.core.rule_trial import Trial, try_rules
from soulmesh.core.story import Chapter, Fact, Standing, fact, facts, tell, why
from soulmesh.core.transfer import OWNERS, Event, State
from soulmesh.core.upload_queue import QueueRules
from soulmesh.errors import NotFound, SoulmeshError, UsageError
from soulmesh.net.stream import Stream
from soulmesh.net.world import World
from soulmesh.wire import peer, text

__all__ = ["IsFinished", "NotShared", "Story", "Transfers", "UnknownTransfer"]

log = logging.getLogger(__name__)

ORDERS_EVERY = 1.0
TRIED_AT_ONCE = 2000
"""Requests on which rules are tried without a thread of their own."""


class UnknownTransfer(NotFound):
    """There is no transfer with this number."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def __str__(self) -> str:
        return f"there is no transfer {self.number}; `soulmesh transfers` lists them"


class IsFinished(UsageError):
    """A finished transfer cannot be tried again; ``local_path`` is where a download lies."""

    def __init__(self, name: str, local_path: Path | str | None, *, download: bool) -> None:
        super().__init__(name, local_path, download)
        self.name = name
        self.local_path = local_path
        if download:
            self.hint = "download it again if you want it anew"

    def __str__(self) -> str:
        where = f": {self.local_path}" if self.local_path else ""
        return f"{self.name} is finished, there is nothing to try again{where}"


class NotPreferred(UsageError):
    """Uploads have no priority of their own."""

    hint = "groups of users are preferred by settings: `transfers.groups`"

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def __str__(self) -> str:
        return f"{self.number} is an upload: its turn comes by the rules of the queue"


class NotShared(UsageError):
    """We cannot offer what that user may not have."""

    def __init__(self, username: str, remote_path: str) -> None:
        super().__init__(username, remote_path)
        self.username = username
        self.remote_path = remote_path

    def __str__(self) -> str:
        return f"{self.remote_path} is not shared with {self.username}"


def _priority(order: dict[str, Any]) -> int:
    wanted = order.get("priority", 0)
    return wanted if isinstance(wanted, int) else 0


async def _nothing_named(order: dict[str, Any]) -> None:
    raise UsageError(f"nobody here can search for {order['words']!r}")


async def _nowhere(transfer: Transfer) -> None:
    raise UsageError(f"nobody here can search for {transfer.name}")


@dataclass(frozen=True, slots=True)
class Story:
    """Why a transfer is where it is."""

    now: str
    """One sentence."""
    past: list[str]
    """What happened, a line each, oldest first."""
    fact: Fact
    """What ``now`` says, for other languages."""
    facts: list[Fact]
    """What each line of ``past`` says."""

    def __str__(self) -> str:
        return "\n".join([*self.past, self.now])


class Transfers:
    """All transfers of a client."""

    def __init__(
        self,
        world: World,
        links: Links,
        server: ServerPort,
        presence: Presence,
        shares: SharedFiles,
        events: Events,
        settings: TransferSettings | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._settings = settings or TransferSettings()
        self._server = server
        self._presence = presence
        self._links = links
        self._shares = shares
        self._journal = journal or Journal()
        self._ledger = Ledger(world, self._journal, events)
        self.outbox = Outbox(links, self._ledger.tasks)
        self._bandwidth = Bandwidth(world)
        self._configure_bandwidth()
        parts = (self._ledger, links, server, presence)
        self.downloads = Downloads(*parts, self.outbox, self._bandwidth, lambda: self._settings)
        self.uploads = Uploads(*parts, shares, self.outbox, self._bandwidth, lambda: self._settings)
        self._pushes = Pushes(self._ledger, presence, self.downloads, self.outbox, lambda: self._settings)
        self.batches = Batches(self._ledger, links, self.downloads, lambda: self._settings)
        self.goals = Goals(self._ledger, self.batches, lambda: self._settings, lambda: server.connected)
        self.downloads.on_over.append(self.goals.over)
        self.elsewhere: Callable[[Transfer], Awaitable[object]] = _nowhere
        """Finds another source for a download and turns to it."""
        self.getting: Callable[[dict[str, Any]], Coroutine[Any, Any, None]] = _nothing_named
        """Searches for what an order names in words, and wants it."""
        self._undo: list[Undo] = []
        self._started = False

    # Life.

    async def start(self) -> None:
        """Open the journal, go on with what was under way, and listen to peers.

        Call it before the login: others ask for their files in the moment we come online.

        Raises:
            JournalError: the journal cannot be used.
        """
        await self._journal.open()
        retries = self._settings.retries
        restored = [self._ledger.restore(record, retries) for record in await self._journal.unfinished()]
        now = self._ledger.now()
        for transfer in restored:
            if transfer.is_download:
                self.downloads.restored(transfer)
            else:
                self._ledger.apply(transfer, transfer.upload.restore(now))
                self.uploads.entered(transfer)
        # In the same turn of the loop: the answer to what goes out now must find our ears open.
        self._listen()
        self._journal.forget_requests(self._ledger.wall().timestamp() - KEPT_FOR)
        await self.batches.start()
        await self.goals.start()
        self._started = True
        if self._journal.shared:
            self._ledger.tasks.start(self._follow_orders(), "orders of other programs")
        self.downloads.pump_soon()
        self.uploads.pump_soon()

    async def close(self) -> None:
        """Stop everything; what was under way goes on at the next start."""
        self.uploads.closing = True
        for undo in self._undo:
            undo()
        self._undo.clear()
        await self._ledger.close()
        await self._journal.close()
        self._started = False

    async def __aenter__(self) -> Transfers:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def settings(self) -> TransferSettings:
        """What is set about transfers now."""
        return self._settings

    @settings.setter
    def settings(self, settings: TransferSettings) -> None:
        """Other settings from now on."""
        self._settings = settings
        self._configure_bandwidth()
        self.uploads.rules_changed()
        self.downloads.pump_soon()

    # What people want.

    async def download(
        self,
        username: str,
        remote_path: str,
        size: int | None = None,
        *,
        priority: int = 0,
        batch: str | None = None,
        more: dict[str, Any] | None = None,
    ) -> Transfer:
        """Want a file of another user; returns once the wish is safe on disk.

        ``remote_path`` is the name exactly as it was found: the very bytes
        count. ``size`` is what is known so far; the peer's word replaces it.
        A file that is wanted already is not wanted twice.

        Raises:
            UsageError: the name cannot be sent.
            JournalError: it could not be written down.
        """
        transfer = self.downloads.add(username, remote_path, size, priority=priority, batch=batch, more=more)
        await self._journal.committed()
        return transfer

    async def download_all(
        self, files: Iterable[tuple[str, str, int | None]], *, priority: int = 0, batch: str | None = None
    ) -> list[Transfer]:
        """Want many files at once: (user, remote path, size or ``None``) each."""
        transfers = [self.downloads.add(*file, priority=priority, batch=batch) for file in files]
        await self._journal.committed()
        return transfers

    async def push(self, username: str, remote_path: str) -> Transfer:
        """Offer one of our shared files to a user who did not ask for it.

        Raises:
            NotShared: the user may not have it.
        """
        transfer = await self.uploads.push(username, remote_path)
        if transfer is None:
            raise NotShared(username, remote_path)
        await self._journal.committed()
        return transfer

    def pause(self, number: int) -> Transfer:
        """Stop it until :meth:`resume`. What is over stays as it is."""
        transfer = self.get(number)
        if not transfer.over and transfer.state is not State.SAVING:
            self._ledger.apply(transfer, transfer.machine.pause(self._ledger.now()))
        return transfer

    def resume(self, number: int) -> Transfer:
        """Go on with what was paused."""
        transfer = self.get(number)
        if transfer.state is State.PAUSED:
            self._ledger.apply(transfer, transfer.machine.resume(self._ledger.now()))
        return transfer

    def retry(self, number: int) -> Transfer:
        """Try now, whatever was said before. Of a finished file it is the move of its folder.

        Raises:
            IsFinished: nothing of it is left to be tried.
        """
        transfer = self.get(number)
        if transfer.state is State.FINISHED:
            batch = self.batches.get(transfer.batch or "")
            if batch is None or not self.batches.try_now(batch):
                raise IsFinished(transfer.name, transfer.local_path, download=transfer.is_download)
        waiting = (State.DELAYED, State.OFFLINE, State.NO_ROOM, State.PAUSED, State.FAILED, State.CANCELLED)
        if transfer.state in waiting:
            self._ledger.apply(transfer, transfer.machine.retry(self._ledger.now()))
        return transfer

    async def cancel(self, number: int, *, delete_part: bool = True) -> Transfer:
        """Give it up. The unfinished file goes unless ``delete_part`` is false."""
        transfer = self.get(number)
        if transfer.state not in (State.FINISHED, State.CANCELLED):
            self._ledger.apply(transfer, transfer.machine.cancel(self._ledger.now()))
            if transfer.is_download and delete_part:
                await self.downloads.delete_part(transfer)
        await self._journal.committed()
        return transfer

    async def take_over(self, old: Transfer, username: str, remote_path: str, size: int) -> Transfer:
        """Get a file from another user instead; returns the download that stands for ``old`` from now on.

        It has the place, batch and priority of the old one, which is
        cancelled in the same moment; what was there of it goes, for files of
        two users are never mixed.

        Raises:
            UsageError: the old one is an upload, or is here already.
        """
        if not old.is_download or old.state in (State.FINISHED, State.SAVING):
            raise UsageError(f"{old.name} of {old.username} needs no other source")
        more: dict[str, object] = {
            key: old.more[key] for key in ("folder", "downloads", "length") if key in old.more
        }
        more["tried"] = [*old.more.get("tried", ()), old.username]
        new = self.downloads.add(
            username, remote_path, size, priority=old.priority, batch=old.batch, more=more
        )
        self.batches.replace(old, new)
        reason = f", who said: {old.reason}" if old.state is State.FAILED and old.reason else ""
        chapter = Chapter(self._ledger.wall(), Event.TOOK_OVER, new.state, "", old.username + reason)
        self._journal.note(new.id, chapter)
        if old.state is not State.CANCELLED:
            self._ledger.apply(old, old.download.cancel(self._ledger.now(), username))
        await self.downloads.delete_part(old)
        await self._journal.committed()
        return new

    async def remove(self, number: int) -> None:
        """Take it off the list; what is not over is cancelled first. Finished files stay."""
        transfer = self._ledger.get(number)
        if transfer is None:
            if await self._journal.get(number) is None:
                raise UnknownTransfer(number)
            self._journal.remove([number])
            return
        if not transfer.over:
            await self.cancel(number)
        self._ledger.remove(transfer)

    def set_priority(self, number: int, priority: int) -> Transfer:
        """Higher goes first among the downloads from one user that wait for their turn.

        Raises:
            UnknownTransfer: there is no such transfer.
            UsageError: it is an upload, whose turn comes by the rules of the queue.
        """
        transfer = self.get(number)
        if not transfer.is_download:
            raise NotPreferred(number)
        self.downloads.set_priority(transfer, priority)
        return transfer

    async def _follow_orders(self) -> None:
        """Do what commands in other processes left for us in the journal."""
        while True:
            await asyncio.sleep(ORDERS_EVERY)
            try:
                orders = await self._journal.orders()
            except JournalError as error:
                log.warning("%s", error)
                continue
            for order in orders:
                try:
                    await self.obey(order)
                except SoulmeshError as error:
                    log.warning("an order could not be followed: %s", error)

    async def obey(self, order: dict[str, Any]) -> None:
        """Carry out one order: ``verb`` and what it needs.

        Raises:
            UnknownTransfer: it is about none of ours.
        """
        match order:
            case {"verb": "pause", "id": int(number)}:
                self.pause(number)
            case {"verb": "resume", "id": int(number)}:
                self.resume(number)
            case {"verb": "retry", "id": int(number)}:
                self.retry(number)
            case {"verb": "cancel", "id": int(number)}:
                await self.cancel(number)
            case {"verb": "cancel", "goal": str(name)}:
                goal = self.goals.get(name)
                if goal is not None and goal.state in ("under way", "failed"):
                    self.goals.drop(goal)
            case {"verb": "pause" | "resume" | "retry" | "cancel" | "forget" as verb, "batch": str(name)}:
                await self._obey_for_batch(verb, name)
            case {"verb": "remove", "id": int(number)}:
                await self.remove(number)
            case {"verb": "elsewhere", "id": int(number)}:
                await self.elsewhere(self.get(number))
            case {"verb": "priority", "id": int(number), "priority": int(priority)}:
                self.set_priority(number, priority)
            case {"verb": "download", "username": str(username), "path": str(path)}:
                into = order.get("into")
                more: dict[str, Any] = {"downloads": into} if isinstance(into, str) else {}
                size, length = order.get("size"), order.get("length")
                if isinstance(length, int):
                    more["length"] = length
                size = size if isinstance(size, int) else None
                name, first = text(bytes.fromhex(path)), _priority(order)
                await self.download(username, name, size, priority=first, more=more)
            case {"verb": "get", "words": str(words)}:
                # The search takes its time; other orders do not wait for it.
                self._ledger.tasks.start(self.getting(order), f"getting {words}")
            case {"verb": "push", "username": str(username), "path": str(path)}:
                await self.push(username, text(bytes.fromhex(path)))
            case {"verb": "folder", "username": str(username), "path": str(path)}:
                into, folder = order.get("into"), text(bytes.fromhex(path))
                destination = None
                if isinstance(into, str):
                    last = (remote_parts(folder) or [username])[-1]
                    destination = Path(into) / self.settings.layout.safe(last)
                await self.batches.folder(
                    username,
                    folder,
                    destination=destination,
                    whole=order.get("whole") is True,
                    may_miss=[str(kind) for kind in order.get("may_miss", ())],
                    priority=_priority(order),
                )
            case _:
                log.warning("an order that nobody understands: %s", order)
        await self._journal.committed()

    async def _obey_for_batch(self, verb: str, name: str) -> None:
        batch = self.batches.get(name)
        if batch is None or (batch.finished and verb != "forget"):
            log.warning("there is no batch %s to %s", name, verb)
            return
        match verb:
            case "pause":
                self.batches.pause(batch)
            case "resume":
                self.batches.resume(batch)
            case "retry":
                await self.batches.retry(batch)
            case "forget":
                self.batches.forget(batch)
            case _:
                await self.batches.cancel(batch)

    # Looking.

    def get(self, number: int) -> Transfer:
        """A transfer that is under way, or was over since the start.

        Raises:
            UnknownTransfer: there is none.
        """
        transfer = self._ledger.get(number)
        if transfer is None:
            raise UnknownTransfer(number)
        return transfer

    def __iter__(self) -> Iterator[Transfer]:
        """Transfers that are not over, failed ones, and those that ended since the start."""
        return iter(self._ledger)

    def __len__(self) -> int:
        return len(self._ledger)

    def moved(self, direction: str) -> int:
        """Bytes that went by since the start, also those of transfers that are over or gone."""
        return self._ledger.moved[direction]

    def find(self, direction: str, username: str, remote_path: str) -> Transfer | None:
        """The transfer of one very file with one user."""
        return self._ledger.find(direction, username, remote_path)

    def place(self, transfer: Transfer) -> int | None:
        """The place in the queue: the peer's for a download, ours for an upload."""
        return transfer.place if transfer.is_download else self.uploads.place(transfer)

    async def history(self, direction: str, *, limit: int = 100, before: int | None = None) -> list[Record]:
        """Transfers that are over, newest first, a page at a time."""
        return await self._journal.ended(direction, limit=limit, before=before)

    async def try_rules(self, rules: QueueRules, *, days: float = KEPT_FOR / 86_400) -> Trial:
        """Hold other rules of the upload queue against what was asked for in the last days.

        Nothing changes; :mod:`soulmesh.core.rule_trial` says what is assumed.
        """
        now = self._ledger.wall().timestamp()
        record = await self._journal.requests(now - days * 86_400)
        if len(record) <= TRIED_AT_ONCE:
            return try_rules(record, rules, until=now)
        return await asyncio.to_thread(try_rules, record, rules, until=now)

    async def why(self, number: int) -> Story:
        """The transfer's story in plain words.

        Raises:
            UnknownTransfer: there is no such transfer.
        """
        wall = self._ledger.wall().astimezone()
        transfer = self._ledger.get(number)
        if transfer is not None:
            standing = self._standing(transfer, wall)
        else:
            record = await self._journal.get(number)
            if record is None:
                raise UnknownTransfer(number)
            standing = self._stood(record, wall)
        chapters = await self._journal.story(number)
        local = [type(c)(c.at.astimezone(), c.event, c.state, c.reason, c.detail) for c in chapters]
        head = (standing.direction, standing.username)
        return Story(why(standing, wall), tell(local, *head, wall), fact(standing), facts(chapters, *head))

    async def numbers(self, uuids: Iterable[str]) -> dict[str, int]:
        """The numbers of transfers by their ``uuid``, also of those that ended in an earlier run."""
        wanted = set(uuids)
        found = {one.uuid: one.id for one in self._ledger if one.uuid in wanted}
        missing = sorted(wanted - found.keys())
        return {**found, **await self._journal.numbers(missing)} if missing else found

    # Within.

    def _standing(self, transfer: Transfer, wall: datetime) -> Standing:
        machine = transfer.machine
        until = None
        if machine.deadline is not None:
            until = wall + timedelta(seconds=max(0.0, machine.deadline - self._ledger.now()))
        held_back, next_try = self._held_back(transfer.batch, transfer.state, wall)
        return Standing(
            transfer.direction,
            machine.state,
            machine.owner,
            transfer.username,
            machine.reason,
            next_try or until,
            machine.attempts,
            self.place(transfer),
            transfer.done,
            transfer.size,
            held_back,
        )

    def _stood(self, record: Record, wall: datetime) -> Standing:
        """As :meth:`_standing`, of one that ended in an earlier run and is in the journal alone."""
        held_back, next_try = self._held_back(record.batch, record.state, wall)
        return Standing(
            record.direction,
            record.state,
            OWNERS[record.direction][record.state],
            record.username,
            record.reason,
            next_try,
            record.attempts,
            None,
            record.done,
            record.size,
            held_back,
        )

    def _held_back(self, name: str | None, state: State, wall: datetime) -> tuple[str, datetime | None]:
        """Why the folder of a finished file could not be moved, and when that is tried again."""
        batch = self.batches.get(name or "")
        if batch is None:
            return "", None
        if batch.next_try is None or state is not State.FINISHED:
            return batch.reason, None
        return batch.reason, datetime.fromtimestamp(batch.next_try, wall.tzinfo)

    def _configure_bandwidth(self) -> None:
        settings = self._settings
        groups = {name: group.speed_limit for name, group in settings.queue.groups.items()}
        self._bandwidth.configure(settings.upload_limit, settings.download_limit, settings.schedule, groups)

    def _listen(self) -> None:
        on = self._links.on
        down, up = self.downloads, self.uploads
        self._undo += [
            on(peer.PeerTransferRequest, self._on_transfer_request),
            on(peer.PeerTransferReply, up.answered),
            on(peer.PeerTransferQueue, lambda user, m: up.requested(user, m.filename)),
            on(peer.PeerTransferQueueFailed, down.refused),
            on(peer.PeerPlaceInQueueRequest, lambda user, m: up.place_asked(user, m.filename)),
            on(peer.PeerPlaceInQueueReply, down.place_told),
            on(peer.PeerUploadFailed, self._on_upload_failed),
            on(peer.PeerUploadQueueNotification, self._pushes.announced),
            self._server.on_logged_in(self._logged_in),
            self._shares.on_changed(up.shares_changed),
            self._presence.on_online(self._on_online),
            self._presence.on_offline(self._on_offline),
            self._presence.on_known(up.learned),
        ]
        self._links.on_file_link(self._on_file_link)

    async def _on_file_link(self, username: str, stream: Any) -> None:
        assert isinstance(stream, Stream)
        await self.downloads.linked(username, stream)

    def _on_transfer_request(self, username: str, message: peer.PeerTransferRequest) -> None:
        if message.direction == 0:
            # A legacy request for a download: answered "Queued", then as any other (messages.md).
            self.uploads.requested(username, message.filename, message.ticket)
        elif message.direction == 1 and not self.downloads.offered(username, message):
            self._pushes.offered(username, message)

    def _on_upload_failed(self, username: str, message: peer.PeerUploadFailed) -> None:
        self.downloads.upload_failed(username, message)

    def _logged_in(self) -> None:
        self.downloads.logged_in()
        self.uploads.pump_soon()

    def _on_online(self, username: str) -> None:
        self.downloads.peer_online(username)
        self.uploads.peer_online(username)

    def _on_offline(self, username: str) -> None:
        self.downloads.peer_offline(username)
        self.uploads.peer_offline(username)
