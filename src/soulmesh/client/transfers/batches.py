"""Files that belong together: a folder, an album, a list.

A batch has a destination of its own and is finished when every file that it
must have is there. A batch that is wanted *whole* gathers in a folder apart and
appears at its destination in one move, when nothing that must be there is
missing; kinds of files may be named that need not be (pictures, texts).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from soulmesh.client.ports import Links
from soulmesh.client.results import FoundFile
from soulmesh.client.transfers.downloads import Downloads
from soulmesh.client.transfers.events import BatchFinished, BatchNotMoved
from soulmesh.client.transfers.folders import Browse, FolderNotFound, Folders
from soulmesh.client.transfers.journal import Record
from soulmesh.client.transfers.layout import numbered, remote_parts, safe_name
from soulmesh.client.transfers.ledger import Ledger
from soulmesh.client.transfers.room import LOOK_FOR_ROOM_EVERY
from soulmesh.client.transfers.settings import TransferSettings
from soulmesh.client.transfers.transfer import Transfer
from soulmesh.core.retry import RetryClass
from soulmesh.core.story import Chapter
from soulmesh.core.transfer import Event, State
from soulmesh.net.disk import DiskError, DiskFull, FileExists, FileMissing, NameRefused

__all__ = ["Batch", "Batches", "FolderNotFound", "state_of"]

log = logging.getLogger(__name__)

OTHER_COPY = "other copy"
"""Where files wait while the batch gathers that do not belong to its present copy."""
_KIND = "batch"
_RETRIED = frozenset({State.DELAYED, State.OFFLINE, State.NO_ROOM, State.FAILED, State.CANCELLED})


@dataclass(slots=True)
class Batch:
    """Some files that are wanted together."""

    id: str
    name: str
    destination: str
    """The folder where the files end."""
    staging: str = ""
    """Where they gather until all are there; empty if they go to the destination one by one."""
    may_miss: list[str] = field(default_factory=list)
    """Extensions, without dot, of files that the batch can do without."""
    files: list[int] = field(default_factory=list)
    """Ids of its transfers."""
    finished: bool = False
    reason: str = ""
    """Why it is not at its destination although all files are there: what the disk said."""
    attempts: int = 0
    """Moves that failed in a row."""
    next_try: float | None = None
    """Seconds of the wall clock (Unix time) when it is moved again."""
    added: float = 0.0
    """Seconds of the wall clock (Unix time) when it was wanted."""
    shared: dict[str, str] = field(default_factory=dict)
    """Files that come for another batch: their ids, and the folders where this one wants a copy."""
    copies: dict[str, str] = field(default_factory=dict)
    """Where the copies are that were made of such files."""
    aside: list[int] = field(default_factory=list)
    """Ids of files that are here of another copy, and do not belong to the one that is fetched now."""
    apart: str = ""
    """The folder where those were put when the batch was whole."""

    @property
    def whole(self) -> bool:
        """Whether its files appear together, in one move at the end."""
        return bool(self.staging)


def state_of(batch: Batch, states: Iterable[State], *, moving: bool = False) -> str:
    """Where a batch stands whose transfers are in ``states``, in a word or two.

    ``under way``, ``paused``, ``held back`` (all is here, but not where it is wanted), ``failed`` (nothing of
    it goes on by itself) or ``finished``. ``moving``: its folder is on its way to its place right now.
    """
    if moving:
        return "under way"
    if batch.finished:
        return "finished"
    if batch.next_try is not None:
        return "held back"
    going_on = set(states) - {State.FINISHED, State.FAILED, State.CANCELLED}
    if going_on == {State.PAUSED}:
        return "paused"
    return "under way" if going_on else "failed"


class Batches:
    """All batches, finished ones included until they are forgotten."""

    def __init__(
        self, ledger: Ledger, links: Links, downloads: Downloads, settings: Callable[[], TransferSettings]
    ) -> None:
        self._ledger = ledger
        self._folders = Folders(ledger, links)
        self._downloads = downloads
        self._settings = settings
        self._batches: dict[str, Batch] = {}
        self._moves: dict[str, asyncio.Task[None]] = {}
        self._delayed: dict[str, asyncio.Task[None]] = {}
        self._copying: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._sharing: set[str] = set()
        """Batches that want copies of what comes for others."""
        self._cancelled: dict[int, Record] = {}
        """Files of unfinished batches that were cancelled in an earlier run: the journal alone has them."""
        downloads.on_over.append(self._over)

    async def start(self) -> None:
        """Load what the journal has; finish what was whole when the program ended."""
        for name, body in (await self._ledger.journal.kept(_KIND)).items():
            with contextlib.suppress(TypeError):
                self._batches[name] = Batch(**body)
        # In the order in which they were wanted, as they are listed.
        self._batches = dict(sorted(self._batches.items(), key=lambda named: named[1].added))
        self._sharing = {batch.id for batch in self if batch.shared}
        waiting = {number for batch in self if not batch.finished for number in batch.files}
        if waiting:
            cancelled = await self._ledger.journal.cancelled_of_batches()
            self._cancelled = {record.id: record for record in cancelled if record.id in waiting}
        for batch in list(self._batches.values()):
            if not batch.finished:
                self._look(batch)

    @property
    def browse(self) -> Browse | None:
        """How to find a folder's files when the user does not answer for the folder alone."""
        return self._folders.browse

    @browse.setter
    def browse(self, browse: Browse | None) -> None:
        self._folders.browse = browse

    def __iter__(self) -> Iterator[Batch]:
        return iter(list(self._batches.values()))

    @property
    def downloads(self) -> Path:
        """The folder of all downloads."""
        return self._settings().downloads

    def get(self, batch: str) -> Batch | None:
        """The batch of this name, while it is known."""
        return self._batches.get(batch)

    def transfers(self, batch: Batch) -> list[Transfer]:
        """The batch's transfers that are in memory."""
        found = (self._ledger.get(number) for number in batch.files)
        return [transfer for transfer in found if transfer is not None]

    async def records(self, batch: Batch) -> list[Record]:
        """What the journal has of a batch: its files, and those that have made room for others; copies as
        they lie here."""
        records = await self._ledger.journal.of_batch(batch.id)
        for number, path in batch.copies.items():
            original = await self._ledger.journal.get(int(number))
            if original is not None:
                records.append(replace(original, batch=batch.id, local_path=path))
        return records

    async def places(self, batch: Batch) -> list[Path]:
        """Where the files of a batch are that are here, those of earlier runs included."""
        records = await self.records(batch)
        here = {record.id: record.local_path for record in records if record.state is State.FINISHED}
        return [Path(here[number]) for number in batch.files if number in here]

    # What people want.

    async def folder(
        self,
        username: str,
        folder: str,
        *,
        destination: Path | None = None,
        whole: bool = False,
        may_miss: Iterable[str] = (),
        priority: int = 0,
    ) -> Batch:
        """Want all files of a remote folder and of those below it.

        Asked for by folder contents, and by browsing all that the user shares: most programs answer with
        the folder itself alone, and do not say whether there are others below it. One of the two is enough.

        Raises:
            FolderNotFound: there are no files.
            ClientError: the user cannot be asked.
        """
        folder = folder.rstrip("\\/")
        files = await self._folders.all_below(username, folder)
        if not files:
            raise FolderNotFound(username, folder)
        root = len(remote_parts(folder))
        below = self.folders_below([file.remote_path for file in files], root)
        name = (remote_parts(folder) or [username])[-1]
        return await self.make(
            [(username, file.remote_path, file.size) for file in files],
            name=name,
            destination=destination or self.folder_for(username, folder),
            whole=whole,
            may_miss=may_miss,
            priority=priority,
            below=below,
            lengths={file.remote_path: file.length for file in files if file.length},
        )

    async def make(
        self,
        files: Sequence[tuple[str, str, int | None]],
        *,
        name: str,
        destination: Path | None = None,
        whole: bool = False,
        may_miss: Iterable[str] = (),
        priority: int = 0,
        below: dict[str, list[str]] | None = None,
        lengths: Mapping[str, int] | None = None,
        by_layout: bool = False,
    ) -> Batch:
        """Want files (user, remote path, size) that belong together.

        ``below`` gives the folders under the destination for a remote path,
        ``lengths`` its seconds where they are known. ``by_layout``: each file
        ends where it would end alone, and no destination is asked for.
        """
        settings = self._settings()
        identity = self._identity()
        target = destination or settings.downloads / settings.layout.safe(name)
        staging = str(await self._staging(identity, target)) if whole else ""
        kinds = sorted({kind.lower().lstrip(".") for kind in may_miss})
        batch = Batch(identity, name, str(target), staging, kinds, added=self._now())
        return await self._fill(
            batch, files, below=below, lengths=lengths, priority=priority, by_layout=by_layout
        )

    async def go_on(
        self,
        batch: Batch,
        files: Sequence[tuple[str, str, int | None]],
        *,
        below: dict[str, list[str]] | None = None,
        lengths: Mapping[str, int] | None = None,
        priority: int = 0,
        by_layout: bool = False,
        takes: Callable[[tuple[str, int]], bool] = lambda file: True,
        destination: Path | None = None,
    ) -> None:
        """Want other files in the place of those that a batch did not get; what is here stays in it.

        ``takes`` tells of a file (name, bytes) whether it belongs to the new ones; what does not is put
        aside, and comes back if it belongs to others later. ``destination``: where the batch is wanted from
        now on, if nothing stays that it must have: what one began keeps its place.
        """
        known = {*batch.files, *batch.aside}
        here: list[int] = []
        aside: list[int] = []
        begun = False
        for record in await self._ledger.journal.of_batch(batch.id):
            transfer = self._ledger.get(record.id)
            state = record.state if transfer is None else transfer.state
            if record.id in known and state is State.FINISHED:
                size = (record.size if transfer is None else transfer.size) or 0
                name = record.remote_path.rpartition("\\")[2]
                belongs = takes((name, size))
                if belongs and record.id in batch.files and _extension(name) not in batch.may_miss:
                    begun = True
                (here if belongs else aside).append(record.id)
                if batch.whole:
                    await self._put(batch, record, aside=not belongs)
        here += [int(number) for number in batch.copies]
        # What has come for others meanwhile, and is still to be copied, counts as here.
        shared = {number: inner for number, inner in batch.shared.items() if await self._came(number, takes)}
        here += [int(number) for number in shared]
        batch.files, batch.aside, batch.shared, batch.reason = here, aside, shared, ""
        if destination is not None and not begun:
            batch.destination = str(destination)
        await self._fill(batch, files, below=below, lengths=lengths, priority=priority, by_layout=by_layout)

    async def _came(self, number: str, takes: Callable[[tuple[str, int]], bool]) -> bool:
        """Whether a file that came for another batch is here, and belongs to what is wanted now."""
        found: Transfer | Record | None = self._ledger.get(int(number))
        found = found or await self._ledger.journal.get(int(number))
        if found is None or found.state is not State.FINISHED:
            return False
        return takes((found.remote_path.rpartition("\\")[2], found.size or 0))

    def folders_below(self, paths: Iterable[str], root: int) -> dict[str, list[str]]:
        """For each remote path the folders under the one that its first ``root`` parts are, safe as names."""
        safe = self._settings().layout.safe
        return {path: [safe(part) for part in remote_parts(path)[root:-1]] for path in paths}

    def folder_for(self, username: str, folder: str) -> Path:
        """Where the layout puts a remote folder: there, where it puts a file that lies in it."""
        settings = self._settings()
        return settings.layout.path(settings.downloads, username, folder + "\\_").parent

    async def adopt(
        self, identity: str, name: str, transfers: Iterable[Transfer], *, destination: Path | None = None
    ) -> Batch:
        """Make one batch of downloads that were wanted one by one; they stay where they are going.

        ``destination`` is told of it; if none is given, the folder that all of them end in or below.
        """
        chosen = list(transfers)
        if destination is None:
            places = [self._downloads.target(transfer).parent for transfer in chosen]
            destination = Path(os.path.commonpath(places)) if places else self.downloads
        batch = Batch(identity, name, str(destination), added=self._now())
        for transfer in chosen:
            transfer.batch = identity
            self._ledger.record(transfer)
            batch.files.append(transfer.id)
        self._batches[identity] = batch
        self._save(batch)
        # The last of them may have come already.
        self._look(batch)
        await self._ledger.journal.committed()
        return batch

    async def _fill(
        self,
        batch: Batch,
        files: Sequence[tuple[str, str, int | None]],
        *,
        below: dict[str, list[str]] | None = None,
        lengths: Mapping[str, int] | None = None,
        priority: int = 0,
        by_layout: bool = False,
    ) -> Batch:
        self._batches[batch.id] = batch
        for username, path, size in files:
            inner = Path(batch.staging or batch.destination, *(below or {}).get(path, []))
            more: dict[str, object] = {} if by_layout else {"folder": str(inner)}
            known = self._of_another(batch, username, path)
            if known is not None:
                # It stays with those who wanted it first, and this batch gets a copy.
                if by_layout:
                    inner = self._settings().layout.path(self.downloads, username, path).parent
                batch.shared[str(known.id)] = str(inner)
                batch.files.append(known.id)
                self._downloads.add(username, path, size, priority=priority)
                continue
            if lengths and path in lengths:
                more["length"] = lengths[path]
            transfer = self._downloads.add(username, path, size, priority=priority, batch=batch.id, more=more)
            batch.files.append(transfer.id)
        if by_layout and files:
            places = [self._downloads.target(transfer).parent for transfer in self.transfers(batch)]
            batch.destination = os.path.commonpath(places)
        self._save(batch)
        await self._ledger.journal.committed()
        return batch

    # All of it together.

    def pause(self, batch: Batch) -> None:
        """Let rest what is not over, but for what comes for another batch."""
        for transfer in self.transfers(batch):
            if transfer.batch == batch.id and not transfer.over and transfer.state is not State.SAVING:
                self._ledger.apply(transfer, transfer.download.pause(self._ledger.now()))

    def resume(self, batch: Batch) -> None:
        """Go on with what rests."""
        for transfer in self.transfers(batch):
            if transfer.state is State.PAUSED:
                self._ledger.apply(transfer, transfer.download.resume(self._ledger.now()))

    async def retry(self, batch: Batch) -> None:
        """Try now what waits, has failed or was cancelled; if all is here, the move of its folder."""
        if self.try_now(batch):
            await self.settled(batch)
            return
        for place, number in enumerate(batch.files):
            record = self._cancelled.pop(number, None)
            if record is not None and self._ledger.get(number) is None:
                again = self._ledger.find("download", record.username, record.remote_path)
                again = again or self._ledger.restore(record, self._settings().retries)
                again.batch = batch.id
                batch.files[place] = again.id
        self._save(batch)
        for transfer in self.transfers(batch):
            if transfer.state in _RETRIED:
                self._ledger.apply(transfer, transfer.download.retry(self._ledger.now()))
        await self._ledger.journal.committed()

    async def cancel(self, batch: Batch) -> None:
        """Give up what is not here yet, unfinished parts included; what is here stays."""
        for transfer in self.transfers(batch):
            if not transfer.over and not self.let_go(batch, transfer):
                self._ledger.apply(transfer, transfer.download.cancel(self._ledger.now()))
                await self._downloads.delete_part(transfer)
        await self._ledger.journal.committed()

    def let_go(self, batch: Batch, transfer: Transfer) -> bool:
        """A batch wants a file no longer; true if another one does, for which it goes on."""
        if transfer.batch != batch.id:
            if batch.shared.pop(str(transfer.id), None) is not None:
                batch.files.remove(transfer.id)
                self._save(batch)
            return True
        for other in [self._batches[name] for name in self._sharing]:
            folder = other.shared.pop(str(transfer.id), None) if not other.finished else None
            if folder is not None:
                batch.files.remove(transfer.id)
                self._save(batch)
                transfer.batch = other.id
                self._downloads.add(transfer.username, transfer.remote_path, more={"folder": folder})
                self._save(other)
                return True
        return False

    def moving(self, batch: Batch) -> bool:
        """Whether all is here, and on its way to where it is wanted just now."""
        return batch.id in self._moves

    async def settled(self, batch: Batch) -> None:
        """Return when a batch with all its files is where it is wanted, or its ``reason`` says why not."""
        move = self._moves.get(batch.id)
        if move is not None:
            await asyncio.wait([move])

    async def gathered(self, batch: Batch) -> None:
        """As :meth:`settled`, but as long as the move is tried again when the disk refuses it."""
        while (
            work := self._moves.get(batch.id) or self._delayed.get(batch.id) or self._copy_of(batch)
        ) is not None:
            await asyncio.wait([work])

    def try_now(self, batch: Batch) -> bool:
        """Move a batch at once that waits for its next try; false if it waits for none."""
        delayed = self._delayed.pop(batch.id, None)
        if delayed is None:
            return False
        delayed.cancel()
        self._look(batch)
        return True

    def replace(self, old: Transfer, new: Transfer) -> None:
        """Another source has taken over a file of a batch: the batch waits for that one."""
        batch = self._batches.get(old.batch or "")
        if batch is not None:
            batch.files = [new.id if number == old.id else number for number in batch.files]
            self._save(batch)
            old.batch = None
        for other in [self._batches[name] for name in self._sharing]:
            folder = other.shared.pop(str(old.id), None)
            if folder is not None:
                other.shared[str(new.id)] = folder
                other.files = [new.id if number == old.id else number for number in other.files]
                self._save(other)

    async def clear(self, batch: Batch) -> None:
        """Remove what is here of files that were given up, since others came in their place."""
        for transfer in self._ledger:
            if transfer.is_download and transfer.batch == batch.id and transfer.state is State.CANCELLED:
                await self._downloads.delete_part(transfer)

    def forget(self, batch: Batch) -> None:
        """Take a batch off the list; its transfers stay."""
        delayed = self._delayed.pop(batch.id, None)
        if delayed is not None:
            delayed.cancel()
        self._batches.pop(batch.id, None)
        self._sharing.discard(batch.id)
        self._ledger.journal.keep(_KIND, batch.id, None)

    # Within.

    def _identity(self) -> str:
        return str(uuid.UUID(int=self._ledger.world.random.getrandbits(128), version=4))

    def _now(self) -> float:
        return self._ledger.wall().timestamp()

    async def files_of(self, username: str, folder: str) -> list[FoundFile]:
        """The files in a folder, with what their owner says of them; empty if there is none.

        Of those below it as many as the owner's program adds by itself.

        Raises:
            ClientError: the user cannot be asked.
        """
        return await self._folders.own(username, folder)

    async def files_below(self, username: str, folder: str) -> list[FoundFile]:
        """The files in a folder and in those below it; empty if there is none.

        Raises:
            ClientError: the user cannot be asked.
        """
        return await self._folders.all_below(username, folder)

    async def _staging(self, identity: str, target: Path) -> Path:
        """Where a whole batch gathers: from another file system it could not be moved in one go."""
        root = self._settings().incomplete_root
        try:
            near = await self._ledger.world.disk.same_filesystem(root, target)
        except DiskError:
            near = True
        return root / f"batch-{identity}" if near else target.parent / f".batch-{identity}"

    def _over(self, transfer: Transfer) -> None:
        # Those that want a copy come first: the others may move it away.
        key = str(transfer.id)
        for other in [self._batches[name] for name in self._sharing]:
            if key in other.shared and not other.finished:
                self._look(other)
        batch = self._batches.get(transfer.batch or "")
        if batch is not None and not batch.finished and batch.id not in self._delayed:
            self._look(batch)

    def _of_another(self, batch: Batch, username: str, path: str) -> Transfer | None:
        """A file that is on its way for another batch."""
        known = self._ledger.find("download", username, path)
        owner = self._batches.get(known.batch or "") if known is not None else None
        if known is None or owner is None or owner is batch or owner.finished:
            return None
        return known if known.state is not State.FINISHED and known.id in owner.files else None

    def _copy_of(self, batch: Batch) -> asyncio.Task[None] | None:
        return next((task for (owner, _), task in self._copying.items() if owner == batch.id), None)

    def _copy(self, batch: Batch, number: int) -> None:
        key = batch.id, number
        if key not in self._copying:
            task = self._ledger.tasks.start(self._take_copy(batch, number), f"a copy for {batch.name}")
            if task is not None:
                self._copying[key] = task

    async def _take_copy(self, batch: Batch, number: int) -> None:
        """What came for another batch is wanted here, too."""
        found: Transfer | Record | None = self._ledger.get(number) or await self._ledger.journal.get(number)
        folder = Path(batch.shared.get(str(number), batch.destination))
        made: Path | None = None
        try:
            if found is not None and found.local_path:
                made = await self._downloads.copy_to(Path(found.local_path), folder, found)
        except DiskError as error:
            log.warning("%s cannot be copied for %s: %s", found and found.remote_path, batch.name, error)
        self._copying.pop((batch.id, number), None)
        if batch.shared.pop(str(number), None) is None or batch.id not in self._batches:
            return  # it is not wanted any more
        if made is not None:
            batch.copies[str(number)] = str(made)
        elif found is not None:
            # Then it is fetched once more, and whatever is wrong with the disk is told of that.
            again = self._downloads.add(
                found.username, found.remote_path, found.size, batch=batch.id, more={"folder": str(folder)}
            )
            batch.files = [again.id if one == number else one for one in batch.files]
        self._save(batch)
        self._look(batch)

    def _look(self, batch: Batch) -> None:
        """Is all there that must be? What came for others is copied as soon as it is there."""
        complete = True
        for number in batch.files:
            transfer = self._ledger.get(number)
            here = transfer is None or transfer.state is State.FINISHED
            if here and str(number) in batch.shared and number not in self._cancelled:
                self._copy(batch, number)
                complete = False
            elif transfer is None:
                # Finished and forgotten, or not needed.
                cancelled = self._cancelled.get(number)
                if cancelled is not None and _extension(cancelled.remote_path) not in batch.may_miss:
                    complete = False
            elif transfer.state is not State.FINISHED and not (
                transfer.over and _extension(transfer.name) in batch.may_miss
            ):
                complete = False
        if not complete:
            return
        batch.finished = True
        if batch.whole:
            task = self._ledger.tasks.start(self._move(batch), f"moving {batch.name}")
            if task is not None:
                self._moves[batch.id] = task
                task.add_done_callback(lambda done: self._move_ended(batch, done))
        else:
            self._save(batch)
            self._ledger.events.emit(BatchFinished(batch.id, batch.destination))

    def _move_ended(self, batch: Batch, task: asyncio.Task[None] | None = None) -> None:
        if task is None or self._moves.get(batch.id) is task:
            self._moves.pop(batch.id, None)

    def _tell_not_moved(self, batch: Batch) -> None:
        # Whoever hears of it and looks must not find it on its way.
        self._move_ended(batch)
        told = BatchNotMoved(batch.id, batch.destination, batch.reason, batch.next_try)
        self._ledger.events.emit(told)

    async def _move(self, batch: Batch) -> None:
        """All at once: a reader of the downloads folder sees the whole batch or nothing of it."""
        disk = self._ledger.world.disk
        source, target = Path(batch.staging), Path(batch.destination)
        copying = [task for (_, number), task in self._copying.items() if number in batch.files]
        if copying:
            await asyncio.wait(copying)
        try:
            await disk.make_directory(target.parent)
            await self._part(batch, source / OTHER_COPY, target.with_name(f"{target.name} ({OTHER_COPY})"))
            chosen = await self._rename(source, target)
        except FileMissing:
            await self._lost(batch, source)
            return
        except DiskError as error:
            log.warning("%s stays in %s: %s", batch.name, source, error)
            self._put_off(batch, error)
            return
        batch.destination = str(chosen)
        batch.reason, batch.attempts, batch.next_try = "", 0, None
        for number, copy in batch.copies.items():
            if Path(copy).is_relative_to(source):
                batch.copies[number] = str(chosen / Path(copy).relative_to(source))
        for transfer in self.transfers(batch):
            self._lies_in(transfer, source, chosen)
        if any(self._ledger.get(number) is None for number in batch.files):
            await self._move_records(batch, source, chosen)
        self._save(batch)
        self._move_ended(batch)
        self._ledger.events.emit(BatchFinished(batch.id, batch.destination))

    def _lies_in(self, transfer: Transfer, source: Path, chosen: Path) -> None:
        """A folder was moved, and the file with it."""
        if transfer.local_path is not None and transfer.local_path.is_relative_to(source):
            transfer.local_path = chosen / transfer.local_path.relative_to(source)
            self._ledger.record(transfer)
            where = str(transfer.local_path)
            chapter = Chapter(self._ledger.wall(), Event.GATHERED, transfer.state, "", where)
            self._ledger.journal.note(transfer.id, chapter)

    async def _put(self, batch: Batch, record: Record, *, aside: bool) -> None:
        """See that a file of a gathering batch lies apart or not; where it cannot be moved, it stays."""
        transfer = self._ledger.get(record.id)
        path = Path(record.local_path) if transfer is None else transfer.local_path
        staging, apart = Path(batch.staging), Path(batch.staging, OTHER_COPY)
        if path is None or not path.is_relative_to(staging) or path.is_relative_to(apart) is aside:
            return
        target = apart / path.relative_to(staging) if aside else staging / path.relative_to(apart)
        try:
            await self._ledger.world.disk.make_directory(target.parent)
            chosen = await self._rename(path, target)
            if not aside:
                await self._remove_empty(path.parent, apart)
        except DiskError as error:
            log.warning("%s stays where it is: %s", path, error)
            return
        if transfer is not None:
            transfer.local_path = chosen
            self._ledger.record(transfer)
        else:
            self._ledger.journal.put(replace(record, local_path=str(chosen)))

    async def _remove_empty(self, folder: Path, root: Path) -> None:
        """Remove folders up to ``root`` as far as nothing is left in them."""
        while folder.is_relative_to(root) and not await self._ledger.world.disk.list(folder):
            await self._ledger.world.disk.remove_directory(folder)
            folder = folder.parent

    async def _part(self, batch: Batch, source: Path, target: Path) -> None:
        """What came of another copy appears beside the batch's own folder, not in it."""
        if not batch.aside:
            return
        try:
            chosen = await self._rename(source, target)
        except FileMissing:
            return
        batch.apart = str(chosen)
        for number in batch.aside:
            transfer = self._ledger.get(number)
            if transfer is not None:
                self._lies_in(transfer, source, chosen)
        await self._move_records(batch, source, chosen)

    async def _rename(self, source: Path, target: Path) -> Path:
        """Move to ``target``, or to the same name with a number; in a form that the disk takes."""
        disk = self._ledger.world.disk
        for name in numbered(target.name):
            chosen = target.with_name(name)
            try:
                await disk.rename_new(source, chosen)
            except FileExists:
                continue
            except NameRefused:
                portable = safe_name(target.name, portable=True)
                if portable == target.name:
                    raise
                return await self._rename(source, target.with_name(portable))
            return chosen
        raise AssertionError("numbers never end")

    async def _lost(self, batch: Batch, source: Path) -> None:
        """Somebody took the folder away in which the files gathered: they are not here, and say so."""
        reason = f"its folder is gone from {source}, where it waited for the rest"
        log.warning("%s: %s", batch.name, reason)
        # Files of an earlier run are in the journal alone.
        for record in await self._ledger.journal.of_batch(batch.id):
            gathered = record.state is State.FINISHED and Path(record.local_path).is_relative_to(source)
            if gathered and self._ledger.get(record.id) is None:
                self._ledger.restore(record, self._settings().retries)
        for transfer in self.transfers(batch):
            path = transfer.local_path
            if transfer.finished and path is not None and path.is_relative_to(source):
                transfer.local_path = None
                self._ledger.apply(transfer, transfer.download.vanished(reason, self._ledger.now()))
        batch.finished = False
        batch.reason, batch.attempts, batch.next_try = reason, 0, None
        self._save(batch)
        self._tell_not_moved(batch)

    async def _move_records(self, batch: Batch, source: Path, chosen: Path) -> None:
        """Files that were finished in an earlier run are in the journal alone."""
        journal = self._ledger.journal
        for record in await journal.of_batch(batch.id):
            path = Path(record.local_path)
            if self._ledger.get(record.id) is None and path.is_relative_to(source):
                where = str(chosen / path.relative_to(source))
                journal.put(replace(record, local_path=where))
                journal.note(record.id, Chapter(self._ledger.wall(), Event.GATHERED, record.state, "", where))

    def _put_off(self, batch: Batch, error: DiskError) -> None:
        """The disk said no: the same move is made later, as with a file that could not be saved."""
        batch.finished = False
        batch.reason = str(error)
        batch.attempts += 1
        jitter = self._ledger.jitter()
        delay = self._settings().retries.delay(RetryClass.LOCAL, batch.attempts, jitter)
        batch.next_try = None if delay is None else self._ledger.wall().timestamp() + delay
        self._save(batch)
        if batch.id in self._batches and delay is not None:
            again = self._again(batch, delay, full=isinstance(error, DiskFull))
            task = self._ledger.tasks.start(again, f"moving {batch.name} later")
            if task is not None:
                self._delayed[batch.id] = task
        self._tell_not_moved(batch)

    async def _again(self, batch: Batch, delay: float, *, full: bool) -> None:
        """Move a batch when ``delay`` seconds are over; after a full disk as soon as it has room again."""
        due = self._ledger.now() + delay
        # A quota says "full" where the disk shows room: then only time helps.
        full = full and not await self._has_room(Path(batch.destination))
        while (left := due - self._ledger.now()) > 0:
            await asyncio.sleep(min(left, LOOK_FOR_ROOM_EVERY) if full else left)
            if full and await self._has_room(Path(batch.destination)):
                break
        del self._delayed[batch.id]
        self._look(batch)

    async def _has_room(self, target: Path) -> bool:
        """A move takes no more than the names: any room above the reserve will do."""
        try:
            return await self._ledger.world.disk.free_space(target.parent) > self._settings().reserve
        except DiskError:
            return False

    def _save(self, batch: Batch) -> None:
        if batch.shared and batch.id in self._batches:
            self._sharing.add(batch.id)
        else:
            self._sharing.discard(batch.id)
        self._ledger.journal.keep(_KIND, batch.id, asdict(batch))


def _extension(name: str) -> str:
    stem, dot, ext = name.rpartition(".")
    return ext.lower() if dot and stem else ""
