"""Transfers as the API shows them: those under way from the client, finished ones from the database.

A finished transfer is written once, with its body as it will be sent, so that
a list of a hundred thousand of them is put together without touching each;
see :mod:`soulmesh.daemon.shelf`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any

from soulmesh.client.events import Event
from soulmesh.client.transfers.events import TransferAdded, TransferEvent, TransferMoved, TransferRemoved
from soulmesh.client.transfers.journal_file import stored
from soulmesh.client.transfers.transfer import Transfer
from soulmesh.core.transfer import FINAL, State
from soulmesh.daemon.api0.shapes import directory_of, transfer_form
from soulmesh.daemon.everything import Everything
from soulmesh.daemon.gathering import Gathering
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.replies import portions
from soulmesh.daemon.lengths import Lengths
from soulmesh.daemon.ports import Engine
from soulmesh.daemon.shelf import Folders, Piece, Shelf
from soulmesh.daemon.shelves import Shelves, marked
from soulmesh.daemon.store import Store
from soulmesh.daemon.written import to_json
from soulmesh.errors import SoulmeshError
from soulmesh.wire import raw, text

__all__ = ["Failure", "Ledger", "Listed", "Wanted"]

FRESH = 0.1
"""Seconds that a list of running transfers may be old: progress comes four times a second."""
LOOK_AGAIN = timedelta(seconds=60)
"""What we tell of a user who is offline; in truth the server tells us when it is back."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that somebody wants downloaded."""

    filename: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that was not taken, and why."""

    filename: str
    message: str


@dataclass(slots=True)
class _Live:
    """What we know of a transfer beside what it knows itself."""

    transfer: Transfer
    enqueued: datetime | None = None
    offline: datetime | None = None
    asked_place: int | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A list as it will be sent, and a mark that others with the same mark share its contents."""

    parts: list[Piece]
    mark: str


class Ledger:
    """All transfers of the daemon, as its API shows them."""

    def __init__(self, engine: Engine, store: Store, wall_clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._store = store
        self._wall_clock = wall_clock
        self._live: dict[str, _Live] = {}
        self._by_number: dict[int, str] = {}
        self._shelves = Shelves(store)
        self._everything = Everything(store, self._shelves)
        self.gathering = Gathering(engine, store)
        self.lengths = Lengths()
        self._revision = 0
        self._lists_made: dict[str, tuple[int, float, Listed]] = {}
        self.on_finished: Callable[[Transfer, dict[str, Any]], None] = lambda transfer, body: None
        """Called when a transfer has succeeded, with its body."""

    # -- keeping up with the client

    def start(self) -> None:
        """Take in what the client knows already; again, when another client took over."""
        self._live.clear()
        self._by_number.clear()
        self._revision += 1
        for transfer in self._engine.transfers:
            if not transfer.over:
                self._enter(transfer)

    def notice(self, event: Event) -> None:
        """Something happened; called for every event of the client, in order."""
        if not isinstance(event, TransferEvent):
            return
        if isinstance(event, TransferRemoved):
            self._forget(event)
            return
        if not isinstance(event, TransferAdded | TransferMoved):
            return
        try:
            transfer = self._engine.transfers.get(event.transfer)
        except SoulmeshError:
            return
        self._revision += 1
        live = self._live.get(transfer.uuid) or self._enter(transfer, new=isinstance(event, TransferAdded))
        if isinstance(event, TransferMoved):
            self._moved(live, event)

    def _enter(self, transfer: Transfer, *, new: bool = False) -> _Live:
        live = self._live[transfer.uuid] = _Live(transfer)
        self._by_number[transfer.id] = transfer.uuid
        if not transfer.is_download:
            live.enqueued = transfer.added
        if transfer.state is State.OFFLINE:
            live.offline = self._wall_clock()
        if not new:
            # A person may have had a finished one tried again.
            self._store.post(lambda db: db.execute("DELETE FROM transfers WHERE id = ?", (transfer.uuid,)))
            directory = directory_of(transfer.remote_path)
            self._shelves.change(transfer.direction, transfer.username, directory)
            self._everything.change(transfer.direction, transfer.username, directory)
        return live

    def _moved(self, live: _Live, event: TransferMoved) -> None:
        transfer = live.transfer
        now = self._wall_clock()
        if event.new is State.QUEUED and event.old is not State.QUEUED and transfer.is_download:
            live.enqueued = now
        live.offline = (live.offline or now) if event.new is State.OFFLINE else None
        if transfer.state in FINAL and event.new is transfer.state:
            self._finish(live, now)

    def _finish(self, live: _Live, now: datetime) -> None:
        transfer = live.transfer
        if self._live.pop(transfer.uuid, None) is None:
            return
        form = self._form(live, now)
        body = to_json(form)
        directory = directory_of(transfer.remote_path)
        row = (
            transfer.uuid,
            transfer.direction,
            transfer.username,
            directory,
            raw(transfer.remote_path),
            form["state"],
            form["size"],
            form["bytesTransferred"],
            transfer.added.timestamp(),
            live.enqueued.timestamp() if live.enqueued else None,
            transfer.started.timestamp() if transfer.started else None,
            (transfer.ended or now).timestamp(),
            float(form["averageSpeed"]),
            form.get("exception"),
            transfer.batch,
            stored(str(transfer.local_path)) if transfer.local_path else None,
            body,
        )
        self._store.post(
            lambda db: db.execute(
                "INSERT OR REPLACE INTO transfers (id, direction, username, directory, filename, state, size,"
                " done, requested, enqueued, started, ended, speed, exception, batch, local_path, body)"
                " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                row,
            )
        )
        self._revision += 1
        self._shelves.add(transfer.direction, transfer.username, directory, body)
        self._everything.add(transfer.direction, transfer.username, directory, body)
        if transfer.finished:
            if self.gathering.holds(transfer):
                self.gathering.note(transfer)
            self.on_finished(transfer, form)

    def _forget(self, event: TransferRemoved) -> None:
        """The client does not list it any more; we keep its record, hidden."""
        key = self._by_number.pop(event.transfer, None)
        if key is None:
            return
        live = self._live.get(key)
        if live is not None:
            self._finish(live, self._wall_clock())
        self._hide([key], event.direction, event.username, directory_of(event.remote_path))

    def _hide(self, keys: Iterable[str], direction: str, username: str, directory: str) -> None:
        gone = list(keys)
        self._store.post(
            lambda db: db.executemany(
                "UPDATE transfers SET removed = 1 WHERE id = ?", [(key,) for key in gone]
            )
        )
        self._revision += 1
        self._shelves.change(direction, username, directory)
        self._everything.change(direction, username, directory)

    # -- looking

    def _form(self, live: _Live, now: datetime) -> dict[str, Any]:
        transfer = live.transfer
        place = None
        if transfer.state is State.QUEUED:
            place = (
                live.asked_place if live.asked_place is not None else self._engine.transfers.place(transfer)
            )
        return transfer_form(
            transfer, now=now, enqueued=live.enqueued, next_attempt=self._next_attempt(live, now), place=place
        )

    def _next_attempt(self, live: _Live, now: datetime) -> datetime | None:
        machine = live.transfer.machine
        if machine.state is State.DELAYED and machine.deadline is not None:
            left = max(0.0, machine.deadline - asyncio.get_running_loop().time())
            return now + timedelta(seconds=round(left, 1))
        if machine.state in (State.OFFLINE, State.NO_ROOM):
            since = live.offline or now
            return since + LOOK_AGAIN * ((now - since) // LOOK_AGAIN + 1)
        return None

    def running(self, direction: str | None = None) -> list[Transfer]:
        """Those that are not over."""
        return [
            live.transfer
            for live in self._live.values()
            if direction is None or live.transfer.direction == direction
        ]

    async def listed(self, direction: str, *, include_removed: bool = False) -> Listed:
        """All users with their transfers, as pieces of one JSON array."""
        if include_removed:
            shelf = await self._everything.get(direction)
            live = self._live_bodies(direction)
            return Listed(shelf.pieces(live), _mark(shelf, live))
        loop = asyncio.get_running_loop()
        made = self._lists_made.get(direction)
        if made is not None and made[0] == self._revision and loop.time() - made[1] < FRESH:
            return made[2]
        shelf = await self._shelves.get(direction)
        live = self._live_bodies(direction)
        found = Listed(list(portions(shelf.pieces(live))), _mark(shelf, live))
        self._lists_made[direction] = (self._revision, loop.time(), found)
        return found

    async def user(self, direction: str, username: str) -> Listed | None:
        """The transfers with one user; ``None`` if none is listed."""
        shelf = await self._shelves.get(direction)
        live = self._live_bodies(direction, username)
        parts = shelf.user(username, live.get(username, {}))
        return Listed(parts, _mark(shelf, live)) if parts else None

    async def get(self, key: str) -> dict[str, Any] | bytes | None:
        """One transfer, listed or not; ``None`` if there is no such id."""
        live = self._live.get(key)
        if live is not None:
            return self._form(live, self._wall_clock())
        row = await self._store.run(
            lambda db: db.execute("SELECT body, removed FROM transfers WHERE id = ?", (key,)).fetchone()
        )
        return None if row is None else marked(*row)

    async def of_batch(self, batch: str) -> list[bytes]:
        """The transfers of a batch."""
        now = self._wall_clock()
        # Before the question: what ends while it is asked is in neither place, otherwise.
        live = {
            key: to_json(self._form(x, now)) for key, x in self._live.items() if x.transfer.batch == batch
        }
        rows = await self._store.run(
            lambda db: db.execute(
                "SELECT id, body, removed FROM transfers WHERE batch = ? ORDER BY requested", (batch,)
            ).fetchall()
        )
        for key, *_ in rows:
            live.pop(key, None)
        return [marked(*row[1:]) for row in rows] + list(live.values())

    def find_live(self, key: str) -> Transfer | None:
        """A transfer that is not over."""
        live = self._live.get(key)
        return live.transfer if live is not None else None

    def name_of(self, number: int) -> str | None:
        """The id of a transfer in the API, by the client's number."""
        return self._by_number.get(number)

    def number(self, key: str) -> int | None:
        """The client's number of a transfer that it still knows."""
        for transfer in self._engine.transfers:
            if transfer.uuid == key:
                return transfer.id
        return None

    def place_told(self, key: str, place: int) -> None:
        """The uploader told the place in its queue."""
        live = self._live.get(key)
        if live is not None:
            live.asked_place = place
            self._revision += 1

    def _live_bodies(self, direction: str, username: str | None = None) -> dict[str, dict[str, list[bytes]]]:
        now = self._wall_clock()
        found: dict[str, dict[str, list[bytes]]] = {}
        for live in self._live.values():
            transfer = live.transfer
            if transfer.direction != direction or (username is not None and transfer.username != username):
                continue
            folder = directory_of(transfer.remote_path)
            body = to_json(self._form(live, now))
            found.setdefault(transfer.username, {}).setdefault(folder, []).append(body)
        return found

    async def keep_lists(self) -> None:
        """Have the lists of finished transfers ready, on disk where that is worth it."""
        for direction in ("download", "upload"):
            await self._shelves.keep(direction)
            await self._everything.keep(direction)
        self._everything.forget_unasked()

    # -- changing

    async def enqueue(
        self,
        username: str,
        files: list[Wanted],
        *,
        batch: str | None = None,
        folder: str | None = None,
        lengths: Mapping[str, int] | None = None,
        same: bool = False,
        priority: int = 0,
    ) -> tuple[list[dict[str, Any]], list[Failure]]:
        """Want files of a user who is online; ``lengths`` are their seconds where those are known.

        A record of the same file that is over gives way to a new one, with a new id; with ``same`` one that
        failed or was cancelled is tried again instead, and keeps its id and its story.

        Raises:
            HttpError: 500, we are not connected or the user is offline, in slskd's words.
        """
        if not self._engine.link.logged_in:
            raise HttpError(500, "The server connection must be connected and logged in")
        status = await self._engine.user_status(username)
        if status.presence == "Offline":
            raise HttpError(500, f"User {username} appears to be offline")
        transfers = self._engine.transfers
        names = await self.remembered(username, [file.filename for file in files])
        taken: list[tuple[str, int | None, dict[str, object]]] = []
        failures: list[Failure] = []
        for file in files:
            name = names.get(file.filename, file.filename)
            known = transfers.find("download", username, name)
            if known is not None and not known.over:
                failures.append(Failure(file.filename, "Already in progress"))
                continue
            if known is not None and not (same and known.state in (State.FAILED, State.CANCELLED)):
                if (live := self._live.get(known.uuid)) is not None:
                    # The event that tells of its end is on its way; its record must be there to give way.
                    self._finish(live, self._wall_clock())
                await transfers.remove(known.id)
            await self._supersede(username, name)
            more: dict[str, object] = {"folder": folder} if folder is not None else {}
            length = (lengths or {}).get(file.filename) or self.lengths.of(username, name, file.size)
            if length:
                more["length"] = length
            taken.append((name, file.size, more))
        # Together, so that all of them wait for one write to the disk.
        added = await asyncio.gather(
            *(
                transfers.download(username, name, size, priority=priority, batch=batch, more=more)
                for name, size, more in taken
            ),
            return_exceptions=True,
        )
        forms: list[dict[str, Any]] = []
        wanted: list[Transfer] = []
        now = self._wall_clock()
        for (name, _, _), outcome in zip(taken, added, strict=True):
            if isinstance(outcome, SoulmeshError):
                failures.append(Failure(name, str(outcome)))
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                wanted.append(outcome)
                live = self._live.get(outcome.uuid) or _Live(outcome)
                forms.append(self._form(live, now))
        if batch is not None and wanted:
            place = Path(folder) if folder is not None else None
            name = place.name if place is not None else name_of_batch(wanted)
            await transfers.batches.adopt(batch, name, wanted, destination=place)
        return forms, failures

    async def _supersede(self, username: str, name: str) -> None:
        rows = await self._store.run(
            lambda db: db.execute(
                "SELECT id FROM transfers WHERE direction = 'download' AND username = ? AND directory = ?"
                " AND filename = ? AND removed = 0",
                (username, directory_of(name), raw(name)),
            ).fetchall()
        )
        if rows:
            self._hide((row[0] for row in rows), "download", username, directory_of(name))

    async def cancel(self, key: str, *, remove: bool, keep_part: bool = False) -> None:
        """Give a transfer up if it is under way; with ``remove`` it is not listed any more.

        ``keep_part`` leaves what came of a download on the disk.

        Unknown ids are fine.
        """
        live = self._live.get(key)
        if live is not None:
            await self._engine.transfers.cancel(live.transfer.id, delete_part=not keep_part)
            if key in self._live:
                # The event is on its way; the answer must not be older than the deed.
                self._finish(live, self._wall_clock())
        if remove:
            known = await self._store.run(
                lambda db: db.execute(
                    "SELECT direction, username, directory FROM transfers WHERE id = ?", (key,)
                ).fetchone()
            )
            if known is not None:
                self._hide([key], *known)
            number = self.number(key)
            if number is not None:
                await self._engine.transfers.remove(number)

    async def clear(self, direction: str) -> None:
        """List no transfer any more that is over."""
        self._everything.clear(direction)
        self._store.post(
            lambda db: db.execute(
                "UPDATE transfers SET removed = 1 WHERE direction = ? AND removed = 0", (direction,)
            )
        )
        self._shelves.clear(direction)
        self._revision += 1
        await self._store.run(lambda db: None)

    # -- names that are no UTF-8

    def remember(self, username: str, names: Iterable[str]) -> None:
        """Names whose bytes are not what JSON will make of them."""
        odd = [(str(name), username, raw(name)) for name in names if raw(name) != str.encode(name)]
        if odd:
            self._store.post(lambda db: db.executemany("INSERT OR REPLACE INTO names VALUES (?, ?, ?)", odd))

    async def remembered(self, username: str, names: list[str]) -> dict[str, str]:
        """The names among these that a peer wrote in other bytes, as it wrote them."""
        odd = [name for name in names if not name.isascii()]
        if not odd:
            return {}

        def read(db: sqlite3.Connection) -> dict[str, str]:
            found: dict[str, str] = {}
            for name in odd:
                row = db.execute(
                    "SELECT bytes FROM names WHERE shown = ? AND username = ?", (str(name), username)
                ).fetchone()
                if row is not None:
                    found[name] = text(row[0])
            return found

        return await self._store.run(read)


def name_of_batch(transfers: Sequence[Transfer]) -> str:
    """The remote folder where the first file lies, else whose it is."""
    first = transfers[0]
    return directory_of(first.remote_path).rpartition("\\")[2] or first.username


def _mark(shelf: Shelf, live: Mapping[str, Folders]) -> str:
    found = blake2b(shelf.version.encode(), digest_size=12)
    for username, folders in live.items():
        found.update(username.encode("utf-8", "surrogatepass") + b"\0")
        for bodies in folders.values():
            for body in bodies:
                found.update(body)
    return found.hexdigest()
