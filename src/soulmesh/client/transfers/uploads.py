"""Uploads: who may have what, whose turn it is, and the bytes.

flows.rst, "Transfers", from the uploader's side. :mod:`soulmesh.core.upload`
and :mod:`soulmesh.core.upload_queue` decide; here their decisions meet links
and disk.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from soulmesh.client.errors import ClientError, NotConnected, UserOffline
from soulmesh.client.ports import Links, Presence, ServerPort
from soulmesh.client.transfers.bandwidth import Bandwidth
from soulmesh.client.transfers.ledger import Ledger
from soulmesh.client.transfers.outbox import Outbox
from soulmesh.client.transfers.ports import SharedFile, SharedFiles
from soulmesh.client.transfers.settings import TransferSettings
from soulmesh.client.transfers.transfer import Transfer
from soulmesh.client.transfers.unsettled import Unsettled
from soulmesh.core.doorkeeper import Doorkeeper, Verdict
from soulmesh.core.download import DropLink
from soulmesh.core.retry import BANNED, FILE_NOT_SHARED, FILE_READ_ERROR, PENDING_SHUTDOWN, QUEUED
from soulmesh.core.rule_trial import Asked
from soulmesh.core.transfer import ACTIVE, Effect, Moved, State
from soulmesh.core.upload import Call, OpenLink, TellFailed, TellRefused, Upload
from soulmesh.core.upload_queue import Person, UploadQueue
from soulmesh.errors import NetworkError
from soulmesh.net.disk import DiskError, FileMissing, FileTooLarge
from soulmesh.net.filepump import FileShrank
from soulmesh.net.stream import Stream
from soulmesh.net.world import ReadFile
from soulmesh.wire import encode, peer, to_server
from soulmesh.wire.file import FileTicket

__all__ = ["Uploads"]

log = logging.getLogger(__name__)

OFFSET_WITHIN = 60.0
_WATCH = "uploads"
SLOW_FOR = 60.0
"""Seconds that an upload has to show its speed, and that one which is all sent keeps its slot."""
_MOST_WAITING_REQUESTS = 10_000
SMALL = 64 * 1024
"""Bytes up to which a file is so soon sent that the next one is offered when its link is open."""
LOCATED_FOR = 2.0
"""Seconds for which a file is taken to be where it was found on the disk, if the shares do not change."""
READ_FOR = 10.0
"""The same for a small file that was read: it is sent as it was then."""
LOOK_TOGETHER = 64
"""Requests of one user that are looked up in one go."""
GATHER = 0.01
"""Seconds for which requests of a user gather who waits for other files anyway."""
READ_AHEAD = 128
"""Small files are read when they are looked for, unless so many uploads wait."""
_GONE_FOR = 10.0
"""Seconds for which a file that is not there is not looked for again: it may come back."""


@dataclass(slots=True)
class RequestFigures:
    """What became of the requests of others for our files, since the start."""

    received: int = 0
    accepted: int = 0
    rejected: int = 0
    dropped: int = 0
    """Not answered: they came too fast."""


class Uploads:
    """All files that others have, or want to have, from us."""

    def __init__(
        self,
        ledger: Ledger,
        links: Links,
        server: ServerPort,
        presence: Presence,
        shares: SharedFiles,
        outbox: Outbox,
        bandwidth: Bandwidth,
        settings: Callable[[], TransferSettings],
    ) -> None:
        self._ledger = ledger
        self._links = links
        self._server = server
        self._presence = presence
        self._shares = shares
        self._outbox = outbox
        self._bandwidth = bandwidth
        self._settings = settings
        self.queue = UploadQueue(settings().queue)
        self.door = Doorkeeper(settings().door)
        self.closing = False
        """Set while the program ends: new requests are refused with "Pending shutdown."."""
        self.figures = RequestFigures()
        self._requests: dict[str, deque[tuple[str, int | None]]] = {}
        self._unsettled = Unsettled(ledger, shares, self._admitted)
        self._files: dict[int, ReadFile | bytes] = {}
        """What is offered or sent: small files are in memory."""
        self._located: dict[int, tuple[float, SharedFile]] = {}
        self._streams: dict[int, Stream] = {}
        self._links_opening: dict[int, asyncio.Task[None]] = {}
        self._called: dict[tuple[str, int], Transfer] = {}
        self._next_ticket = ledger.world.random.getrandbits(24)
        self._pump_due = False
        self._turns: dict[int, int] = {}
        self._leaving: Transfer | None = None
        self._after: dict[int, Transfer] = {}
        self._last_turn = 0
        ledger.owners["upload"] = self

    # What people want.

    async def push(self, username: str, remote_path: str) -> Transfer | None:
        """Offer a shared file to a user who did not ask; ``None`` if that user may not have it."""
        found = await self._shares.locate(username, remote_path)
        if found is None:
            return None
        known = self._ledger.find("upload", username, remote_path)
        if known is not None and not known.over:
            if known.state in (State.OFFLINE, State.DELAYED, State.PAUSED):
                self._ledger.apply(known, known.upload.retry(self._ledger.now()))
            return known
        return self._enter(username, remote_path, found, pushed=True)

    def entered(self, transfer: Transfer) -> None:
        """An upload came from the journal."""
        if transfer.state is State.QUEUED:
            self._join_queue(transfer)
        if not transfer.machine.final:
            self._presence.watch(transfer.username, _WATCH)

    def rules_changed(self) -> None:
        """Settings have changed: the queue goes on under the new rules."""
        settings = self._settings()
        self.queue.set_rules(settings.queue)
        self.door.pace = settings.door
        self.door.forget()
        self._located.clear()
        for username in self._ledger.users("upload"):
            self.queue.regroup(username, self.group_of(username))
        self.pump_soon()

    def shares_changed(self) -> None:
        """What was not shared may be shared now, and the other way round: look again."""
        self.door.forget()
        self._located.clear()

    def group_of(self, username: str) -> str:
        """The group whose rules count for a user."""
        return self.queue.rules.group_of(self._person(username))

    def groups_of(self, username: str) -> frozenset[str]:
        """All groups that a user belongs to under the rules of now."""
        return self.queue.rules.groups_of(self._person(username))

    def learned(self, username: str) -> None:
        """Privileges, friendship or what the user shares are known to be another: so may be its group."""
        self.queue.regroup(username, self.group_of(username))
        self.pump_soon()

    def _person(self, username: str) -> Person:
        presence = self._presence
        files, folders = presence.shared(username) or (None, None)
        return Person(username, presence.privileged(username), presence.friend(username), files, folders)

    def place(self, transfer: Transfer) -> int | None:
        """Its place in our queue, ``None`` if it is not waiting."""
        return self.queue.place(transfer.id) if transfer.id in self.queue else None

    # What peers say.

    def requested(self, username: str, remote_path: str, ticket: int | None = None) -> None:
        """PeerTransferQueue; with ``ticket`` a legacy PeerTransferRequest with direction 0."""
        self.figures.received += 1
        answer = self.door.ask(username, remote_path, self._ledger.now())
        if answer.verdict is Verdict.IGNORE:
            self.figures.dropped += 1
            return
        if answer.verdict is Verdict.REFUSE:
            self._refuse(username, remote_path, answer.reason, ticket)
            return
        self._admitted(username, remote_path, ticket)

    def _admitted(self, username: str, remote_path: str, ticket: int | None) -> None:
        if self.closing:
            self._refuse(username, remote_path, PENDING_SHUTDOWN, ticket)
            return
        waiting = self._requests.get(username)
        if waiting is None:
            self._requests[username] = deque([(remote_path, ticket)])
            self._ledger.tasks.start(self._answer_requests(username), f"requests of {username}")
        elif len(waiting) < _MOST_WAITING_REQUESTS:
            waiting.append((remote_path, ticket))
        else:
            self.figures.dropped += 1

    async def _answer_requests(self, username: str) -> None:
        waiting = self._requests[username]
        try:
            while waiting:
                if self._ledger.has("upload", username):
                    await asyncio.sleep(GATHER)
                batch = [waiting.popleft() for _ in range(min(len(waiting), LOOK_TOGETHER))]
                if self._presence.banned(username):
                    for remote_path, ticket in batch:
                        self._refuse_and_remember(username, remote_path, BANNED, ticket)
                    continue
                read = SMALL if len(self.queue) < READ_AHEAD else 0
                try:
                    located = await self._shares.locate_all(username, [path for path, _ in batch], read=read)
                except Exception:
                    log.exception("cannot look for what %s asks for", username)
                    for remote_path, ticket in batch:
                        self._refuse(username, remote_path, FILE_READ_ERROR, ticket)
                    continue
                for (remote_path, ticket), found in zip(batch, located, strict=True):
                    self._answer_request(username, remote_path, ticket, found)
        finally:
            del self._requests[username]

    def _answer_request(
        self, username: str, remote_path: str, ticket: int | None, found: SharedFile | None
    ) -> None:
        if found is None:
            if not self._unsettled.hold(username, remote_path, ticket):
                self._refuse_and_remember(username, remote_path, FILE_NOT_SHARED, ticket, _GONE_FOR)
            return
        known = self._ledger.find("upload", username, remote_path)
        if known is None or known.state in (State.FINISHED, State.FAILED, State.CANCELLED, State.OFFLINE):
            person = self._person(username)
            refusal = self.queue.refusal(username, self.queue.rules.group_of(person), found.size)
            asked = Asked(self._ledger.wall().timestamp(), person, remote_path, found.size)
            self._ledger.journal.requested(asked)
            if refusal is not None:
                # Not remembered: the next file may fit as soon as one is done.
                self._refuse(username, remote_path, refusal, ticket)
                return
        self.figures.accepted += 1
        if ticket is not None:
            self._outbox.send(username, peer.PeerTransferReply(ticket, False, reason=QUEUED))
        if known is None:
            self._enter(username, remote_path, found, pushed=False)
        else:
            known.local_path = found.local_path
            self._located[known.id] = self._ledger.now(), found
            self._ledger.apply(known, known.upload.asked_again(self._ledger.now()))

    def place_asked(self, username: str, remote_path: str) -> None:
        """PeerPlaceInQueueRequest."""
        now = self._ledger.now()
        if self.door.ask(username, "", now).verdict is not Verdict.ADMIT:
            return
        transfer = self._ledger.find("upload", username, remote_path)
        place = self.place(transfer) if transfer is not None else None
        if place is not None:
            self._outbox.send(username, peer.PeerPlaceInQueueReply(remote_path, place))
        elif (refusal := self.door.refusal(username, remote_path, now)) is not None:
            # Who missed the answer would wait for a place that there is not.
            self._outbox.send(username, peer.PeerTransferQueueFailed(remote_path, refusal))

    def answered(self, username: str, message: peer.PeerTransferReply) -> None:
        """PeerTransferReply to one of our offers."""
        transfer = self._called.get((username, message.ticket))
        if transfer is None:
            return
        now = self._ledger.now()
        if message.allowed:
            self._ledger.apply(transfer, transfer.upload.accepted(now))
        else:
            reason = message.reason or ""
            self._ledger.apply(transfer, transfer.upload.refused(reason, now, self._ledger.jitter()))

    def peer_online(self, username: str) -> None:
        """The user is back: what waited for them goes on."""
        for transfer in self._ledger.of_user("upload", username):
            self._ledger.apply(transfer, transfer.upload.peer_came(self._ledger.now()))

    def peer_offline(self, username: str) -> None:
        """The user left: what was meant for them waits."""
        for transfer in self._ledger.of_user("upload", username):
            self._ledger.apply(transfer, transfer.upload.peer_left(self._ledger.now()))

    # What the machines want.

    def act(self, transfer: Transfer, effect: Effect) -> None:
        """Carry out one effect of an upload's machine."""
        username = transfer.username
        match effect:
            case Call(ticket):
                self._called[username, ticket] = transfer
                if transfer.upload.pushed:
                    self._outbox.send(username, peer.PeerUploadQueueNotification())
                request = peer.PeerTransferRequest(1, ticket, transfer.remote_path, transfer.upload.size)
                self._outbox.send(
                    username, request, None, lambda error: self._unreachable(transfer, ticket, error)
                )
            case OpenLink(ticket):
                before = self._after.pop(transfer.id, None)
                work = self._upload(transfer, ticket, before)
                task = self._ledger.tasks.start(work, f"uploading {transfer.name}")
                if task is not None:
                    self._links_opening[transfer.id] = task
            case DropLink():
                stream = self._streams.pop(transfer.id, None)
                if stream is not None:
                    stream.abort()
                task = self._links_opening.pop(transfer.id, None)
                if task is not None and task is not asyncio.current_task():
                    task.cancel()
            case TellFailed():
                self._outbox.send(username, peer.PeerUploadFailed(transfer.remote_path))
            case TellRefused(reason):
                self._outbox.send(username, peer.PeerTransferQueueFailed(transfer.remote_path, reason))
            case _:
                raise AssertionError(f"an upload wants {effect}")

    def moved(self, transfer: Transfer, moved: Moved) -> None:
        """Keep the queue in step with the state."""
        old, new = moved.old, moved.new
        if new is old:
            return
        self._turns.pop(transfer.id, None)
        if new is State.STARTING and transfer.upload.size <= SMALL:
            self._give_slot_on(transfer)
        if new not in ACTIVE:
            self._after.pop(transfer.id, None)
            self.queue.discard(transfer.id)
            self._forget_call(transfer)
            file = self._files.pop(transfer.id, None)
            if file is not None and not isinstance(file, bytes):
                self._ledger.tasks.start(_close(file), "closing a file")
        if new is State.QUEUED:
            self._join_queue(transfer)
            self._presence.watch(transfer.username, _WATCH)
        else:
            self._located.pop(transfer.id, None)
        if new is State.FINISHED:
            self._report_speed(transfer)
            self.door.served(transfer.username)
        if transfer.machine.final and not self._ledger.has("upload", transfer.username):
            self._presence.unwatch(transfer.username, _WATCH)
        if new not in ACTIVE:
            # On the plain road nobody's turn comes before a slot is free.
            self.pump_soon()

    # Whose turn it is.

    def pump_soon(self) -> None:
        """Look who can be served, once this turn of the loop is over."""
        if not self._pump_due:
            self._pump_due = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_due = False
        if not self._server.connected or self.closing:
            return
        while (key := self.queue.start_next()) is not None:
            transfer = self._ledger.get(key) if isinstance(key, int) else None
            if transfer is None or transfer.state is not State.QUEUED:
                self.queue.ended(key)
                continue
            self._last_turn += 1
            self._turns[transfer.id] = self._last_turn
            if self._leaving is not None:
                self._after[transfer.id], self._leaving = self._leaving, None
            self._ledger.tasks.start(self._begin(transfer, self._last_turn), f"offering {transfer.name}")

    def _give_slot_on(self, leaving: Transfer) -> None:
        """Offer the next file while this small one is on its way.

        Between many small files most of the time would be spent on asking and
        answering. The next one opens its link only when the bytes of this one
        are out, so the slot still sends one file at a time.
        """
        self.queue.ended(leaving.id)
        self._leaving = leaving
        self._pump()
        self._leaving = None

    async def _begin(self, transfer: Transfer, turn: int) -> None:
        """Open the file, so that its size is the one of the bytes that we send, and offer it."""
        reason, said = FILE_NOT_SHARED, ""
        file: ReadFile | bytes | None = None
        try:
            found = await self._locate(transfer)
            if found is not None:
                reason = FILE_READ_ERROR
                transfer.local_path = found.local_path
                file = await self._open(found)
        except FileMissing as error:
            log.warning("cannot send %s to %s: %s", transfer.name, transfer.username, error)
            reason, said = FILE_NOT_SHARED, str(error)
        except DiskError as error:
            log.warning("cannot send %s to %s: %s", transfer.name, transfer.username, error)
            said = str(error)
        except Exception:
            # A slot that is never given back would keep this user waiting for ever.
            log.exception("cannot look for %s", transfer.remote_path)
        if self._turns.get(transfer.id) != turn:
            # Cancelled, paused or asked for anew meanwhile.
            if file is not None and not isinstance(file, bytes):
                await file.close()
            return
        now = self._ledger.now()
        if file is None:
            self._ledger.apply(transfer, transfer.upload.unreadable(reason, now, said))
            return
        self._files[transfer.id] = file
        self._next_ticket = self._next_ticket % 0xFFFF_FFFF + 1
        size = len(file) if isinstance(file, bytes) else file.size
        self._ledger.apply(transfer, transfer.upload.call(self._next_ticket, size, now))

    async def _locate(self, transfer: Transfer) -> SharedFile | None:
        """Where the file is, unless that was found out moments ago."""
        at, found = self._located.pop(transfer.id, (0.0, None))
        if found is not None:
            good_for = LOCATED_FOR if found.content is None else READ_FOR
            if self._ledger.now() - at < good_for:
                return found
        [found] = await self._shares.locate_all(transfer.username, [transfer.remote_path], read=SMALL)
        return found

    async def _open(self, found: SharedFile) -> ReadFile | bytes:
        """The file to be sent; a small one is read at once, so that nothing has to be opened and closed."""
        if found.content is not None:
            return found.content
        disk = self._ledger.world.disk
        if found.size <= SMALL:
            try:
                return await disk.read_bytes(found.local_path, limit=SMALL)
            except FileTooLarge:
                pass  # it has grown
        return await disk.open_read(found.local_path)

    def _join_queue(self, transfer: Transfer) -> None:
        group = self.group_of(transfer.username)
        self.queue.add(transfer.id, transfer.username, group, transfer.upload.size)
        self.queue.regroup(transfer.username, group)
        self.pump_soon()

    def _enter(self, username: str, remote_path: str, found: SharedFile, *, pushed: bool) -> Transfer:
        machine = Upload(size=found.size, pushed=pushed, policy=self._settings().retries)
        transfer = self._ledger.new(username, remote_path, machine)
        transfer.local_path = found.local_path
        self._located[transfer.id] = self._ledger.now(), found
        self._presence.watch(username, _WATCH)
        self._join_queue(transfer)
        return transfer

    # The bytes.

    async def _upload(self, transfer: Transfer, ticket: int, before: Transfer | None) -> None:
        ledger, machine = self._ledger, transfer.upload
        stream: Stream | None = None
        file = self._files[transfer.id]
        try:
            if before is not None:
                await before.left(State.STARTING, State.RUNNING)
            opened = await self._links.open_file_link(transfer.username)
            assert isinstance(opened, Stream)
            stream = opened
            if machine.ticket != ticket:
                return
            self._streams[transfer.id] = stream
            stream.write(encode(FileTicket(ticket)))
            ledger.apply(transfer, machine.linked(ledger.now()))
            async with asyncio.timeout(OFFSET_WITHIN + 5):
                [offset] = struct.unpack("<Q", await stream.readexactly(8))
            if machine.ticket != ticket:
                return
            ledger.apply(transfer, machine.offset(offset, ledger.now()))
            if machine.ticket != ticket:
                return
            await self._send(transfer, ticket, stream, file, offset)
        except (FileShrank, DiskError) as error:
            # One that was broken off has its file closed already.
            if machine.ticket == ticket:
                log.warning("cannot send %s to %s: %s", transfer.name, transfer.username, error)
                ledger.apply(transfer, machine.unreadable(FILE_READ_ERROR, ledger.now(), str(error)))
        except (NetworkError, ClientError, TimeoutError) as error:
            self._unreachable(transfer, ticket, error)
        finally:
            if stream is not None:
                if self._streams.get(transfer.id) is stream:
                    del self._streams[transfer.id]
                stream.abort()
            if self._links_opening.get(transfer.id) is asyncio.current_task():
                del self._links_opening[transfer.id]

    async def _send(
        self, transfer: Transfer, ticket: int, stream: Stream, file: ReadFile | bytes, offset: int
    ) -> None:
        ledger, machine = self._ledger, transfer.upload
        sent = offset

        def progress(count: int) -> None:
            nonlocal sent
            sent += count
            if machine.ticket == ticket:
                ledger.progressed(transfer, count, sent)
                if self._too_slow(transfer):
                    reason = "slower than we allow while others wait"
                    ledger.apply(transfer, machine.lost(reason, ledger.now()))

        pace = self._bandwidth.pace("upload", self.group_of(transfer.username))
        if isinstance(file, bytes):
            while sent < machine.size:
                piece = await pace(machine.size - sent)
                stream.write(file[sent : sent + piece])
                await stream.flush()
                progress(piece)
        elif machine.size > offset:
            await stream.send_file(
                file, offset, machine.size - offset, progress=progress, pace=pace, free=pace.free
            )
        if machine.ticket != ticket:
            return
        ledger.apply(transfer, machine.all_sent(ledger.now()))
        # A slow reader may need long for what the network holds, and one who never closes must keep nobody.
        lending = asyncio.get_running_loop().call_later(SLOW_FOR, self._lend_slot, transfer, ticket)
        # The downloader closes when it has all. Whatever it says before that has no meaning here.
        try:
            while await stream.read(4096):
                pass
        except NetworkError:
            pass  # a reset is a rough way of closing, and the bytes were taken
        finally:
            lending.cancel()
        if machine.ticket == ticket:
            ledger.apply(transfer, machine.closed(ledger.now()))

    def _lend_slot(self, transfer: Transfer, ticket: int) -> None:
        """All is sent, and the other side has not closed yet: the slot need not wait for that."""
        if transfer.upload.ticket == ticket and transfer.state is State.DRAINING:
            self.queue.lend(transfer.id)
            self.pump_soon()

    def _too_slow(self, transfer: Transfer) -> bool:
        least = self._settings().min_upload_speed
        meter, now = transfer.meter, self._ledger.now()
        if not least or meter is None or now - meter.started < SLOW_FOR:
            return False
        share = self._bandwidth.share("upload", self.group_of(transfer.username), len(self._streams))
        if share is not None:
            # Whom our own limit makes slow is not to blame; at half of its share, it is.
            least = min(least, share // 2)
        return meter.average(now) < least and self.queue.keeps_another(transfer.id)

    def _unreachable(self, transfer: Transfer, ticket: int, error: Exception) -> None:
        machine = transfer.upload
        if machine.ticket != ticket:
            return
        now = self._ledger.now()
        if isinstance(error, UserOffline | NotConnected):
            effects = machine.peer_left(now)
        else:
            said = str(error) or "no answer in time"
            effects = machine.lost(said, now, self._ledger.jitter())
        self._ledger.apply(transfer, effects)

    def _report_speed(self, transfer: Transfer) -> None:
        """SendUploadSpeed: the server averages it into what others see of us (flows.rst, step 6)."""
        moved = transfer.meter.total if transfer.meter is not None else 0
        speed = int(min(transfer.average_speed, 0xFFFF_FFFF))
        if moved and speed and self._server.connected:
            try:
                self._server.send(to_server.SendUploadSpeed(speed))
            except NotConnected:
                pass

    def _forget_call(self, transfer: Transfer) -> None:
        for key in [key for key, value in self._called.items() if value is transfer]:
            del self._called[key]

    # Refusing.

    def _refuse(self, username: str, remote_path: str, reason: str, ticket: int | None) -> None:
        self.figures.rejected += 1
        if ticket is None:
            self._outbox.send(username, peer.PeerTransferQueueFailed(remote_path, reason))
        else:
            self._outbox.send(username, peer.PeerTransferReply(ticket, False, reason=reason))

    def _refuse_and_remember(
        self, username: str, remote_path: str, reason: str, ticket: int | None, remember: float | None = None
    ) -> None:
        self.door.refused(username, remote_path, reason, self._ledger.now(), remember=remember)
        self._refuse(username, remote_path, reason, ticket)


async def _close(file: ReadFile) -> None:
    await file.close()
