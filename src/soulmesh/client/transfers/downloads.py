"""Downloads: asking, waiting, receiving, saving.

flows.rst, "Transfers / Downloads". :mod:`soulmesh.core.download` decides; here
its decisions meet links and disk.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from soulmesh.client.errors import ClientError, NotConnected, UserOffline
from soulmesh.client.ports import Links, Presence, ServerPort
from soulmesh.client.transfers.bandwidth import Bandwidth
from soulmesh.client.transfers.finishing import Finishing, Whole
from soulmesh.client.transfers.journal import Record
from soulmesh.client.transfers.ledger import Ledger
from soulmesh.client.transfers.outbox import Outbox
from soulmesh.client.transfers.room import DoesNotFit, Room
from soulmesh.client.transfers.saving import COMPARED, Saving
from soulmesh.client.transfers.settings import Sync, TransferSettings
from soulmesh.client.transfers.transfer import Transfer
from soulmesh.core.allotment import Lack
from soulmesh.core.download import Accept, Ask, AskPlace, Download, DropLink, Keep, Refuse, TicketNotExpected
from soulmesh.core.transfer import ACTIVE, Effect, Moved, State
from soulmesh.errors import NetworkError, UsageError
from soulmesh.net.disk import DiskError, DiskFull
from soulmesh.net.stream import Stream
from soulmesh.wire import encode, peer, raw
from soulmesh.wire.file import FileOffset

__all__ = ["Downloads"]

log = logging.getLogger(__name__)

TICKET_WITHIN = 60.0
"""Seconds in which the uploader has to say which file its new link is for."""
SMALL = 128 * 1024
"""Bytes up to which a file is kept in memory until it is whole."""
_WATCH = "downloads"
_HELD = frozenset({State.ASKING, State.QUEUED}) | ACTIVE


class Downloads:
    """All files that we want from others."""

    def __init__(
        self,
        ledger: Ledger,
        links: Links,
        server: ServerPort,
        presence: Presence,
        outbox: Outbox,
        bandwidth: Bandwidth,
        settings: Callable[[], TransferSettings],
    ) -> None:
        self._ledger = ledger
        self._links = links
        self._server = server
        self._presence = presence
        self._outbox = outbox
        self._bandwidth = bandwidth
        self._settings = settings
        self._saving = Saving(ledger.world.disk)
        self._pending: dict[str, list[tuple[int, int]]] = {}
        self._held: dict[str, set[int]] = {}
        self._active: set[int] = set()
        self._expected: dict[tuple[str, int], Transfer] = {}
        self._expecting: dict[int, tuple[str, int]] = {}
        self._streams: dict[int, Stream] = {}
        self._pump_due = False
        self._room = Room(ledger, settings, self._part_folder)
        self._finishing = Finishing(ledger, settings, self._saving, self._room, self._asked_of)
        self._offers: dict[int, int] = {}
        """Tickets of offers for which the disk is being looked at."""
        self.on_over: list[Callable[[Transfer], None]] = []
        """Called when a download is finished, given up or cancelled."""
        ledger.owners["download"] = self

    # What people want.

    def add(
        self,
        username: str,
        remote_path: str,
        size: int | None = None,
        *,
        priority: int = 0,
        batch: str | None = None,
        more: dict[str, object] | None = None,
    ) -> Transfer:
        """Want a file. The same file of the same user is wanted once; asking again retries it.

        A ``priority`` other than 0 counts also for what is wanted already.

        Raises:
            UsageError: the name cannot be sent.
        """
        try:
            raw(remote_path), raw(username)
        except UnicodeEncodeError as error:
            raise UsageError(f"a name that cannot be sent: {remote_path!r} of {username!r}") from error
        known = self._ledger.find("download", username, remote_path)
        if known is not None and known.state is not State.FINISHED:
            if priority and priority != known.priority:
                self.set_priority(known, priority)
            known.batch = batch or known.batch
            if more:
                self._elsewhere(known, more)
            if known.state in (State.FAILED, State.CANCELLED, State.PAUSED, State.NO_ROOM):
                self._ledger.apply(known, known.download.retry(self._ledger.now()))
            return known
        transfer = self._ledger.new(
            username, remote_path, Download(size=size, policy=self._settings().retries), priority=priority
        )
        transfer.batch = batch
        if more:
            transfer.more = dict(more)
        if batch or more:
            self._ledger.record(transfer)
        self.entered(transfer)
        return transfer

    def set_priority(self, transfer: Transfer, priority: int) -> None:
        """Higher goes first among the downloads from one user that wait for their turn."""
        transfer.priority = priority
        self._ledger.record(transfer)
        if transfer.state is State.PENDING:
            self._wait_for_turn(transfer)

    def _elsewhere(self, transfer: Transfer, more: dict[str, object]) -> None:
        """What is wanted already shall end in another place."""
        if transfer.state in ACTIVE or transfer.state is State.SAVING:
            # It goes on growing where it grows now.
            transfer.more["part"] = str(self.part_path(transfer))
        if transfer.batch is None and "downloads" in more:
            transfer.more.pop("folder", None)
        transfer.more.update(more)
        self._ledger.record(transfer)

    def entered(self, transfer: Transfer) -> None:
        """A download is in the ledger, new or from the journal."""
        if not transfer.machine.final:
            self._presence.watch(transfer.username, _WATCH)
        if transfer.state is State.PENDING:
            self._wait_for_turn(transfer)
        if transfer.state is State.NO_ROOM:
            self._room.wait_for(transfer)

    def restored(self, transfer: Transfer) -> None:
        """A download came from the journal: go on with it, or see that it was finished after all."""
        if transfer.state is State.SAVING and isinstance(transfer.more.get("target"), str):
            self._ledger.tasks.start(self._was_it_saved(transfer), f"looking for {transfer.name}")
            return
        self._ledger.apply(transfer, transfer.download.restore(self._ledger.now()))
        self.entered(transfer)

    async def _was_it_saved(self, transfer: Transfer) -> None:
        target = await self._finishing.was_saved(transfer, self.part_path(transfer))
        if target is not None:
            transfer.local_path = target
            self._ledger.apply(transfer, transfer.download.saved(self._ledger.now(), str(target)))
            return
        self._ledger.apply(transfer, transfer.download.restore(self._ledger.now()))
        self.entered(transfer)

    def part_path(self, transfer: Transfer) -> Path:
        """Where the file grows."""
        kept = transfer.more.get("part")
        if isinstance(kept, str):
            return Path(kept)
        root = self._part_folder(transfer)
        return self._saving.part_path(root, transfer.username, transfer.remote_path)

    def _part_folder(self, transfer: Transfer) -> Path:
        kept = transfer.more.get("part")
        if isinstance(kept, str):
            return Path(kept).parent
        settings = self._settings()
        if settings.incomplete is None and isinstance(transfer.more.get("downloads"), str):
            settings = replace(settings, downloads=self.folder_of(transfer))
        return settings.incomplete_root

    async def delete_part(self, transfer: Transfer) -> None:
        """Remove what is here of a file that is not wanted any more."""
        try:
            await self._ledger.world.disk.unlink(self.part_path(transfer), missing_ok=True)
        except DiskError as error:
            log.warning("the part of a cancelled download stays: %s", error)

    def folder_of(self, transfer: Transfer) -> Path:
        """The folder below which the finished file is put."""
        return self._finishing.folder_of(transfer)

    def target(self, transfer: Transfer) -> Path:
        """Where the finished file is put, unless something is there already."""
        return self._finishing.target(transfer)

    async def copy_to(self, source: Path, folder: Path, transfer: Transfer | Record) -> Path:
        """Copy what was downloaded into another folder as well, under the name that it has there.

        Raises:
            DiskError: it could not be copied.
        """
        return await self._finishing.copy_to(source, folder, transfer)

    # What the machines want.

    def act(self, transfer: Transfer, effect: Effect) -> None:
        """Carry out one effect of a download's machine."""
        machine = transfer.download
        match effect:
            case Ask():
                self._outbox.send(
                    transfer.username,
                    peer.PeerTransferQueue(transfer.remote_path),
                    lambda: self._ledger.apply(transfer, machine.asked(self._ledger.now())),
                    lambda error: self._not_asked(transfer, error),
                )
            case AskPlace():
                question = peer.PeerPlaceInQueueRequest(transfer.remote_path)
                self._outbox.send_in_turn(transfer.username, question, transfer.remote_path)
            case Accept(ticket):
                self._forget_ticket(transfer)
                self._expected[transfer.username, ticket] = transfer
                self._expecting[transfer.id] = (transfer.username, ticket)
                self._outbox.send(
                    transfer.username,
                    peer.PeerTransferReply(ticket, True),
                    None,
                    lambda error: self._lost(transfer, ticket, error),
                )
            case Refuse(ticket, reason):
                self._outbox.send(transfer.username, peer.PeerTransferReply(ticket, False, reason=reason))
            case DropLink():
                self._drop(transfer)
            case Keep():
                pass  # the receiving task goes on to save the file by itself
            case _:
                raise AssertionError(f"a download wants {effect}")

    def moved(self, transfer: Transfer, moved: Moved) -> None:
        """Keep the turns and slots in step with the state."""
        old, new = moved.old, moved.new
        if new is old:
            return
        if new is not State.DELAYED:
            transfer.disk_error = None
        held = self._held.setdefault(transfer.username, set())
        if new in _HELD:
            held.add(transfer.id)
        else:
            held.discard(transfer.id)
        if not held:
            self._held.pop(transfer.username, None)
        if new in ACTIVE:
            self._active.add(transfer.id)
        else:
            self._active.discard(transfer.id)
        if new not in (State.OFFERED, State.STARTING, State.RUNNING):
            self._forget_ticket(transfer)
            if new is not State.SAVING:
                self._room.release(transfer)
        if new is State.PENDING:
            self._wait_for_turn(transfer)
        elif new is State.NO_ROOM:
            self._room.wait_for(transfer)
        elif transfer.machine.final:
            if not self._ledger.has("download", transfer.username):
                self._presence.unwatch(transfer.username, _WATCH)
            for tell in self.on_over:
                tell(transfer)
        elif old in (State.PAUSED, State.FAILED, State.CANCELLED):
            self._presence.watch(transfer.username, _WATCH)
        if new not in _HELD:
            # On the plain road nobody's turn comes before a place is free.
            self.pump_soon()

    # Whose turn it is.

    def pump_soon(self) -> None:
        """Look who can be asked, once this turn of the loop is over."""
        if not self._pump_due:
            self._pump_due = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _wait_for_turn(self, transfer: Transfer) -> None:
        turns = self._pending.setdefault(transfer.username, [])
        heapq.heappush(turns, (-transfer.priority, transfer.id))
        self.pump_soon()

    def _pump(self) -> None:
        self._pump_due = False
        if not self._server.connected:
            return
        settings = self._settings()
        for username in list(self._pending):
            turns = self._pending[username]
            while turns:
                if len(self._held.get(username, ())) >= settings.ask_per_user:
                    break
                if settings.download_slots and self._slots_taken() >= settings.download_slots:
                    return
                priority, number = heapq.heappop(turns)
                transfer = self._ledger.get(number)
                if transfer is None or transfer.state is not State.PENDING:
                    continue
                if -transfer.priority != priority:
                    heapq.heappush(turns, (-transfer.priority, number))
                    continue
                self._begin(transfer)
            if not turns:
                del self._pending[username]

    def _asked_of(self, username: str) -> int:
        """Files that a user was asked for, or is sending."""
        return len(self._held.get(username, ()))

    def _slots_taken(self) -> int:
        return sum(len(held) for held in self._held.values())

    def _begin(self, transfer: Transfer) -> None:
        now = self._ledger.now()
        if self._presence.online(transfer.username) is False:
            self._ledger.apply(transfer, self._left(transfer, now))
        else:
            self._ledger.apply(transfer, transfer.download.begin(now))

    def _left(self, transfer: Transfer, now: float) -> list[Effect]:
        return transfer.download.peer_left(now, exists=not self._presence.unknown(transfer.username))

    # What happens to links.

    def _not_asked(self, transfer: Transfer, error: Exception) -> None:
        if transfer.state not in (State.ASKING, State.QUEUED):
            return
        now = self._ledger.now()
        if isinstance(error, UserOffline):
            effects = self._left(transfer, now)
        elif isinstance(error, NotConnected):
            # Ours to repair: asked again when we are logged in.
            effects = transfer.download.restore(now)
        elif transfer.state is State.ASKING:
            effects = transfer.download.lost(str(error), now, self._ledger.jitter())
        else:
            return
        self._ledger.apply(transfer, effects)

    def _lost(self, transfer: Transfer, ticket: int, error: Exception) -> None:
        if transfer.download.ticket == ticket and transfer.state in (
            State.OFFERED,
            State.STARTING,
            State.RUNNING,
        ):
            now = self._ledger.now()
            self._ledger.apply(transfer, transfer.download.lost(str(error), now, self._ledger.jitter()))

    def logged_in(self) -> None:
        """After a login, ours or a later one: peers may have dropped what we queued while we were away."""
        now = self._ledger.now()
        for username in self._ledger.users("download"):
            for transfer in self._ledger.of_user("download", username):
                if transfer.state in (State.ASKING, State.QUEUED, State.OFFERED):
                    self._ledger.apply(transfer, transfer.download.restore(now))
        self.pump_soon()

    def peer_online(self, username: str) -> None:
        """The user is back: what waited for them goes on."""
        for transfer in self._ledger.of_user("download", username):
            self._ledger.apply(transfer, transfer.download.peer_came(self._ledger.now()))

    def peer_offline(self, username: str) -> None:
        """The user left: what they were to send waits."""
        for transfer in self._ledger.of_user("download", username):
            self._ledger.apply(transfer, self._left(transfer, self._ledger.now()))

    # What peers say.

    def offered(self, username: str, message: peer.PeerTransferRequest) -> bool:
        """PeerTransferRequest with direction 1. False if we never wanted this file."""
        transfer = self._ledger.find("download", username, message.filename)
        if transfer is None:
            return False
        if message.filesize is None:
            self._outbox.send(username, peer.PeerTransferReply(message.ticket, False, reason="Cancelled"))
            return True
        needed = max(0, message.filesize - transfer.done)
        surely = not needed or not transfer.download.takes_offers
        if surely or self._room.promise_at_once(transfer, needed):
            self._offers.pop(transfer.id, None)
            self._take(transfer, message.ticket, message.filesize)
        else:
            self._offers[transfer.id] = message.ticket
            work = self._weigh(transfer, message.ticket, message.filesize, needed)
            self._ledger.tasks.start(work, f"room for {transfer.name}")
        return True

    def _take(self, transfer: Transfer, ticket: int, size: int) -> None:
        self._ledger.apply(transfer, transfer.download.offered(ticket, size, self._ledger.now()))
        if transfer.state is not State.OFFERED:
            self._room.release(transfer)

    async def _weigh(self, transfer: Transfer, ticket: int, size: int, needed: int) -> None:
        """Take an offer if the disk has room for it beside what is running already."""
        lack: Lack | None = None
        place = self._part_folder(transfer)
        try:
            await self._room.promise(transfer, needed)
        except DoesNotFit as error:
            lack = error.lack
        except DiskError as error:
            # Whoever writes there will meet it, and say so.
            log.debug("cannot see whether there is room for %s: %s", transfer.name, error)
        if self._offers.get(transfer.id) != ticket:
            return  # there is a newer one
        del self._offers[transfer.id]
        if lack is None:
            self._take(transfer, ticket, size)
            return
        if lack is Lack.FULL:
            self._room.filled(transfer, place, seen=True)
        now, jitter = self._ledger.now(), self._ledger.jitter()
        self._ledger.apply(transfer, transfer.download.turned_down(ticket, size, lack, now, jitter))

    def place_told(self, username: str, message: peer.PeerPlaceInQueueReply) -> None:
        """The uploader said which place in the queue a file has."""
        transfer = self._ledger.find("download", username, message.filename)
        if transfer is not None:
            self._ledger.apply(transfer, transfer.download.placed(message.place, self._ledger.now()))

    def refused(self, username: str, message: peer.PeerTransferQueueFailed) -> None:
        """The uploader will not queue a file; the reason decides what comes next."""
        transfer = self._ledger.find("download", username, message.filename)
        if transfer is not None:
            now, jitter = self._ledger.now(), self._ledger.jitter()
            self._ledger.apply(transfer, transfer.download.refused(message.reason, now, jitter))

    def upload_failed(self, username: str, message: peer.PeerUploadFailed) -> None:
        """The uploader could not send a file."""
        transfer = self._ledger.find("download", username, message.filename)
        if transfer is not None and not transfer.machine.final and transfer.state is not State.SAVING:
            now, jitter = self._ledger.now(), self._ledger.jitter()
            self._ledger.apply(transfer, transfer.download.upload_failed(now, jitter))

    async def linked(self, username: str, stream: Stream) -> None:
        """An F link that the uploader opened, or that we opened because it asked us through the server.

        Returns when the file is here or the link is no good.
        """
        try:
            async with asyncio.timeout(TICKET_WITHIN):
                [ticket] = struct.unpack("<I", await stream.readexactly(4))
        except (TimeoutError, NetworkError) as error:
            log.debug("no ticket on a file link of %s: %s", username, error)
            stream.abort()
            return
        transfer = self._expected.get((username, ticket))
        if transfer is None or transfer.download.ticket != ticket or transfer.id in self._streams:
            log.info("file link of %s with ticket %d, which nobody expects", username, ticket)
            stream.abort()
            return
        self._streams[transfer.id] = stream
        try:
            saved = await self._receive(transfer, ticket, stream)
        except asyncio.CancelledError:
            stream.abort()
            raise
        finally:
            if self._streams.get(transfer.id) is stream:
                del self._streams[transfer.id]
        if saved:
            # Not in the link's task: the link is over, the file is not.
            self._ledger.tasks.start(self._finishing.save(transfer, saved), f"saving {transfer.name}")

    # Receiving.

    async def _receive(self, transfer: Transfer, ticket: int, stream: Stream) -> Whole | None:
        """Receive the file; returns what came if it is whole."""
        ledger, machine = self._ledger, transfer.download
        part = self.part_path(transfer)
        data: bytearray | None = None
        try:
            if (machine.size or 0) <= SMALL and not await self._saving.may_have_part(part):
                data = bytearray(machine.size or 0)
                complete = await self._receive_small(transfer, ticket, stream, part, data)
            else:
                complete = await self._receive_into(transfer, ticket, stream, part)
        except DiskFull as error:
            stream.abort()
            if machine.ticket == ticket:
                if isinstance(error, DoesNotFit) and error.lack is not Lack.FULL:
                    ledger.apply(transfer, machine.does_not_fit(ledger.now(), error.lack))
                else:
                    self._room.filled(transfer, part.parent, seen=isinstance(error, DoesNotFit))
            return None
        except DiskError as error:
            stream.abort()
            if transfer.machine.ticket == ticket:
                transfer.disk_error = error
                ledger.apply(transfer, machine.broken(str(error), ledger.now(), ledger.jitter()))
            return None
        except (NetworkError, ClientError) as error:
            stream.abort()
            self._lost(transfer, ticket, error)
            return None
        except TicketNotExpected:
            stream.abort()
            return None
        if not complete:
            stream.abort()
            return None
        # The downloader closes: that is how the uploader knows (flows.rst).
        stream.close()
        if machine.ticket != ticket:
            return None
        ledger.apply(transfer, machine.completed(ledger.now()))
        return Whole(part, data)

    async def _receive_small(
        self, transfer: Transfer, ticket: int, stream: Stream, part: Path, data: bytearray
    ) -> bool:
        """A small file is received whole and written in one go: files by the thousand need it."""
        ledger, machine = self._ledger, transfer.download
        await self._room.promise(transfer, len(data))
        if machine.ticket != ticket:
            return False
        ledger.apply(transfer, machine.linked(ticket, 0, ledger.now()))
        stream.write(encode(FileOffset(0)))
        transfer.more["size"] = len(data)
        pace = self._bandwidth.pace("download")
        view = memoryview(data)
        received = 0
        while received < len(data):
            wanted = await pace(len(data) - received)
            came = await stream.read_into(view[received : received + wanted])
            if machine.ticket != ticket:
                return False
            if not came:
                reason = f"the peer closed the connection after {received} of {len(data)} bytes"
                machine.received = 0
                ledger.apply(transfer, machine.lost(reason, ledger.now(), ledger.jitter()))
                return False
            received += came
            ledger.progressed(transfer, came, received)
        return True

    async def _receive_into(self, transfer: Transfer, ticket: int, stream: Stream, part: Path) -> bool:
        ledger, machine = self._ledger, transfer.download
        size = machine.size or 0
        have = await self._resumable(transfer, part, size)
        await self._room.promise(transfer, size - have)
        offset = max(0, have - COMPARED)
        if machine.ticket != ticket:
            return False
        ledger.apply(transfer, machine.linked(ticket, offset, ledger.now()))
        stream.write(encode(FileOffset(offset)))
        file = await self._saving.open_part(part)
        try:
            if have:
                again = await stream.readexactly(have - offset)
                if again != await file.read(offset, have - offset):
                    await file.close()
                    await self._start_anew(transfer, ticket, part)
                    return False
            if machine.ticket != ticket:
                return False
            machine.received = have
            transfer.more["size"] = size
            received = have

            def progress(count: int) -> None:
                nonlocal received
                received += count
                if machine.ticket == ticket:
                    ledger.progressed(transfer, count, received)

            if have:
                progress(0)
            pace = self._bandwidth.pace("download")
            await stream.receive_file(file, have, size - have, progress=progress, pace=pace, free=pace.free)
            if machine.ticket != ticket:
                return False
            if received < size:
                reason = f"the peer closed the connection after {received} of {size} bytes"
                ledger.apply(transfer, machine.lost(reason, ledger.now(), ledger.jitter()))
                return False
            if self._settings().sync is Sync.FINISHED:
                await file.sync()
        finally:
            await file.close()
        return True

    async def _resumable(self, transfer: Transfer, part: Path, size: int) -> int:
        """How many bytes on disk may belong to this file. A part that cannot is put aside."""
        have = await self._saving.have(part)
        if not have:
            return 0
        known = transfer.more.get("size")
        if have > size or (isinstance(known, int) and known != size):
            aside = await self._saving.quarantine(part)
            log.info("%s has another size now; its old part was put aside as %s", transfer.name, aside)
            return 0
        return have

    async def _start_anew(self, transfer: Transfer, ticket: int, part: Path) -> None:
        aside = await self._saving.quarantine(part)
        if transfer.download.ticket == ticket:
            reason = f"what was on disk is not the beginning of this file; it was put aside as {aside}"
            self._ledger.apply(transfer, transfer.download.differed(reason, self._ledger.now()))

    def _drop(self, transfer: Transfer) -> None:
        stream = self._streams.pop(transfer.id, None)
        if stream is not None:
            stream.abort()

    def _forget_ticket(self, transfer: Transfer) -> None:
        key = self._expecting.pop(transfer.id, None)
        if key is not None and self._expected.get(key) is transfer:
            del self._expected[key]
