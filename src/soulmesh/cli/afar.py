"""Searches, goals and downloads of a running daemon, as commands need them of a client."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from soulmesh.cli.goal_news import GoalNews, Look
from soulmesh.cli.output import Output, Transfers, clean
from soulmesh.client.filters import Filter
from soulmesh.client.results import FoundFile, Hit
from soulmesh.client.searches import SearchFigures
from soulmesh.client.transfers import Candidate
from soulmesh.core.allotment import Lack
from soulmesh.core.retry import FILE_NOT_SHARED, normal_reason
from soulmesh.core.transfer import State
from soulmesh.daemon.remote import Daemon, DaemonUnreachable, NotThere, Told
from soulmesh.errors import NetworkError, Refused, UsageError

if TYPE_CHECKING:
    from soulmesh.cli.standin import StandIn

__all__ = ["Following", "Heard", "Search", "below", "row_of", "tell_whole_folder"]

_OVER = frozenset({"finished", "failed", "cancelled"})
_WAITING = frozenset({State.QUEUED.value, State.DELAYED.value, State.OFFLINE.value, State.NO_ROOM.value})


class Search:
    """A search that a daemon makes for us; iterate over it for hits as they come."""

    def __init__(
        self,
        client: StandIn,
        query: str,
        *,
        timeout: float,
        username: str | None = None,
        room: str | None = None,
        keep: Filter | None = None,
        limit: int | None = None,
    ) -> None:
        self.query = query
        self.figures = SearchFigures()
        self._client = client
        self._timeout = timeout
        self._where = {"username": username, "room": room}
        self._keep = keep
        self._limit = limit
        self._id: str | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._forget()

    async def _forget(self) -> None:
        key, self._id = self._id, None
        if key is not None:
            with contextlib.suppress(NotThere):
                await self._client.daemon.searches.forget(key)

    async def __aiter__(self) -> AsyncIterator[Hit]:
        from soulmesh.cli.standin import hit

        daemon = self._client.daemon
        found = await daemon.searches.begin(
            self.query,
            silence=max(self._timeout, 0.1),
            response_limit=100_000,
            file_limit=1_000_000,
            username=self._where["username"],
            room=self._where["room"],
        )
        self._id = found["id"]
        end = asyncio.get_running_loop().time() + self._timeout
        users: set[str] = set()
        seen = 0
        while True:
            over = asyncio.get_running_loop().time() >= end
            while True:
                page = await daemon.searches.files(found["id"], offset=seen, limit=1000)
                for row in page["items"]:
                    seen += 1
                    one = hit(row)
                    users.add(one.username)
                    self.figures.users = len(users)
                    if self._keep is not None and not self._keep(one):
                        self.figures.filtered += 1
                        continue
                    self.figures.hits += 1
                    yield one
                    if self._limit is not None and self.figures.hits >= self._limit:
                        await self._look(found["id"])
                        await self._forget()
                        return
                if len(page["items"]) < 1000:
                    break
            if await self._look(found["id"]) or over:
                break
            await self._news(found["id"], end)
        await self._forget()

    async def _look(self, search: str) -> bool:
        """Whether it is over; what was held back so far goes into the figures."""
        known = await self._client.daemon.searches.get(search)
        held, figures = known["withheld"], self.figures
        figures.rules = held["rules"]
        figures.suspicious = sum(held["rules"].values())
        for kind in ("blocked", "turned_away", "cut", "unreadable", "unreached"):
            setattr(figures, kind, held[kind])
        return bool(known["complete"])

    async def _news(self, search: str, end: float) -> None:
        """Until more has come, or the time is over."""
        try:
            async with asyncio.timeout_at(end):
                await self._client.changed(search)
        except TimeoutError:
            pass


class Heard:
    """What a daemon tells from now on, without a gap."""

    def __init__(self, daemon: Daemon, kinds: Sequence[str]) -> None:
        self._daemon = daemon
        self._kinds = kinds
        self._queue: asyncio.Queue[Told | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        heard = asyncio.Event()
        self._task = asyncio.create_task(self._listen(heard))
        waiting = asyncio.create_task(heard.wait())
        await asyncio.wait({self._task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._task.done():
            self._task.result()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            if not self._task.cancelled():
                self._task.exception()

    async def _listen(self, heard: asyncio.Event) -> None:
        try:
            async for told in self._daemon.events(kinds=self._kinds, listening=heard.set):
                self._queue.put_nowait(told)
        finally:
            self._queue.put_nowait(None)

    async def next(self) -> Told:
        """The next event.

        Raises:
            DaemonUnreachable: the daemon went away.
        """
        told = await self._queue.get()
        if told is None:
            assert self._task is not None
            await self._task
            raise DaemonUnreachable(self._daemon.url, "it ended")
        return told


class Waits(NetworkError):
    """A download waits for something that may take long, and the command was told not to."""

    hint = "it stays with the daemon: go on with --wait, or look with `soulmesh transfers` and `soulmesh why`"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(name, why)
        self.name = name
        self.why = why

    def __str__(self) -> str:
        return f"{self.name}: {self.why}"


class NotDone(Refused):
    """A transfer of the daemon was given up."""

    def __init__(self, username: str, path: str, reason: str, *, upload: bool = False) -> None:
        super().__init__(username, path, reason)
        self.username = username
        self.path = path
        self.reason = reason
        self.verb = "take" if upload else "send"

    def __str__(self) -> str:
        return f"{self.username} did not {self.verb} {self.path}: {self.reason}"


def row_of(row: dict[str, Any]) -> dict[str, Any]:
    """A transfer for machines, as other commands print it."""
    return {
        "kind": row["direction"],
        "id": row["number"],
        "username": row["username"],
        "remote_path": row["path"],
        "state": row["state"],
        "reason": row["reason"],
        "size": row["size"],
        "done": row["done"],
        "speed": round(row["speed"]),
        "local_path": row["local_path"],
    }


@dataclass(slots=True)
class _Shown:
    row: dict[str, Any]
    bar: int | None = None
    told: str = ""


async def tell_whole_folder(out: Output, daemon: Daemon, heard: Heard, batch: str) -> None:
    """Files of a whole folder are where they are wanted only when all of it is: wait for that, and tell.

    Args:
        heard: listening since before the batch was wanted.
    """
    while (found := await daemon.batches.get(batch))["moving"]:
        # The move ends with an event, well or not; one that we missed is as good as one for another batch.
        told = await heard.next()
        while told.kind != "missed" and told.data.get("batch") != batch:
            told = await heard.next()
    if found["state"] == "held back":
        out.note(
            f"{clean(found['name'])} could not be moved to {found['destination']}: {clean(found['reason'])}; "
            "that is tried again while soulmesh runs"
        )
    async for row in daemon.batches.files(batch):
        if row["state"] == State.FINISHED.value:
            out.record(row_of(row))
            if found["state"] in ("held back", "finished"):
                out.line(str(row["local_path"]))


class Following:
    """Shows transfers of a daemon until all are over.

    Args:
        heard: listening since before they began.
        gathered: those of whole folders: where they are is told by :func:`tell_whole_folder`.
        otherwise: by their ids, those whose name may be written in other bytes: how to want them under those,
            which gives the ids of what comes instead.
    """

    def __init__(
        self,
        out: Output,
        daemon: Daemon,
        heard: Heard,
        *,
        wait: bool,
        gathered: Collection[str] = (),
        otherwise: Mapping[str, Callable[[], Awaitable[list[str]]]] | None = None,
    ) -> None:
        self._otherwise = dict(otherwise or {})
        self._gathered = gathered
        self._out = out
        self._daemon = daemon
        self._heard = heard
        self._wait = wait
        self._shown: dict[str, _Shown] = {}
        self._failed: Exception | None = None

    async def follow(self, keys: Iterable[str]) -> None:
        """Until the last one is over.

        Raises:
            NotDone, Waits: the first that will not be finished; the others are waited for.
        """
        for key in keys:
            self._shown[key] = _Shown(await self._daemon.transfers.get(key))
        with self._out.transfers() as bars:
            rows = [shown.row for shown in self._shown.values()]
            bars.expect(len(rows), sum(row["size"] or 0 for row in rows))
            for key in list(self._shown):
                await self._see(bars, key)
            while self._shown:
                told = await self._heard.next()
                if told.kind == "transfer.progress":
                    for key, done, size, speed, _ in told.data["rows"]:
                        shown = self._shown.get(key)
                        if shown is not None:
                            shown.row |= {"done": done, "size": size, "speed": speed}
                            await self._see(bars, key)
                elif told.kind == "missed":
                    for key, shown in list(self._shown.items()):
                        shown.row = await self._daemon.transfers.get(key)
                        await self._see(bars, key)
                elif told.data.get("id") in self._shown:
                    key = told.data["id"]
                    self._shown[key].row = told.data.get("row") or await self._daemon.transfers.get(key)
                    await self._see(bars, key)
        if self._failed is not None:
            raise self._failed

    async def _see(self, bars: Transfers, key: str) -> None:
        shown = self._shown.get(key)
        if shown is None:
            return
        row = shown.row
        name = row["path"].rpartition("\\")[2]
        if row["state"] == State.RUNNING.value and row["size"]:
            if shown.bar is None:
                shown.bar = bars.add(name, row["size"], row["done"])
            bars.update(shown.bar, row["done"], rate=row["speed"])
        elif row["state"] in _OVER:
            if not await self._under_another_name(bars, key, row):
                self._end(bars, key, shown)
        elif row["state"] in _WAITING:
            why = (await self._daemon.transfers.why(key))["now"]
            lacks_room = row["state"] == State.NO_ROOM.value and row["reason"] != Lack.PROMISED
            if not self._wait and (lacks_room or row["state"] in (State.DELAYED.value, State.OFFLINE.value)):
                self._failed = self._failed or Waits(name, why)
                del self._shown[key]
            elif why != shown.told:
                shown.told = why
                self._out.note(f"{clean(name)}: {clean(why)}")

    async def _under_another_name(self, bars: Transfers, key: str, row: dict[str, Any]) -> bool:
        """Who has no file of that name may have one that looks the same."""
        want = self._otherwise.pop(key, None)
        unknown = normal_reason(row["reason"] or "") == normal_reason(FILE_NOT_SHARED)
        if want is None or row["state"] != State.FAILED.value or not unknown:
            return False
        instead = await want()
        del self._shown[key]
        await self._daemon.transfers.remove(key)
        for one in instead:
            self._shown[one] = _Shown(await self._daemon.transfers.get(one))
            await self._see(bars, one)
        return True

    def _end(self, bars: Transfers, key: str, shown: _Shown) -> None:
        row = shown.row
        del self._shown[key]
        finished = row["state"] == State.FINISHED.value
        _end_bar(bars, shown.bar, row)
        if finished and key in self._gathered:
            return  # where it is, is known when its folder is whole
        self._out.record(row_of(row))
        upload = row["direction"] == "upload"
        if finished and upload:
            self._out.line(f"sent {clean(row['path'].rpartition(chr(92))[2])} to {clean(row['username'])}")
        elif finished:
            self._out.line(str(row["local_path"]))
        else:
            reason = row["reason"] or row["state"]
            self._failed = self._failed or NotDone(row["username"], row["path"], reason, upload=upload)


def below(folder: Path | None, downloads: str) -> str | None:
    """A folder below the daemon's downloads, from a path or from what is below them already.

    Raises:
        UsageError: it lies elsewhere.
    """
    if folder is None:
        return None
    path = folder.expanduser()
    if not path.is_absolute():
        path = Path.cwd() / path
    if path == Path(downloads):
        return None
    if not path.is_relative_to(downloads):
        error = UsageError(f"the daemon puts what it downloads below {downloads}, not into {path}")
        error.hint = "name a folder below it, or go online without the daemon: --daemon none"
        raise error
    return str(path.relative_to(downloads))


class Goals:
    """Goals of a daemon, as ``soulmesh get`` needs them."""

    def __init__(self, daemon: Daemon, into: str | None, known: list[tuple[str, str, str, str]]) -> None:
        self._daemon = daemon
        self._into = into
        self.known = known
        """Names, states and ids of those that there are, and the rules by which they were chosen."""

    @classmethod
    async def of(cls, daemon: Daemon, into: Path | None) -> Self:
        """Those of a daemon; what is got is put ``into`` a folder below its downloads."""
        downloads = (await daemon.settings.setup())["downloads_folder"]
        known = [_known(row) async for row in daemon.goals.all()]
        known.reverse()  # the newest of a name counts
        return cls(daemon, below(into, downloads), known)

    async def files_of(self, username: str, folder: str) -> list[FoundFile]:
        """The files of a folder, asked of its owner."""
        from soulmesh.cli.standin import found_file

        found = await self._daemon.users.folder(username, folder)
        return [found_file(row) for one in found for row in one["files"]]

    async def pursue(
        self,
        out: Output,
        name: str,
        candidates: Sequence[Candidate],
        *,
        folder: str | None,
        whole: bool,
        may_miss: Iterable[str],
        priority: int = 0,
        patience: float | None = None,
        rules: str = "",
    ) -> dict[str, Any]:
        """Want something, and show it until it is whole or no source is left."""
        async with Heard(self._daemon, ["goal", "transfer"]) as heard:
            goal = await self._daemon.goals.want(
                name,
                [_copy(one) for one in candidates],
                # Without a word from us the layout says where.
                destination="/".join(part for part in (self._into, folder) if part) if self._into else None,
                whole=whole,
                may_miss=may_miss,
                priority=priority,
                patience=patience,
                rules=rules,
            )
            return await self._to_the_end(out, goal["id"], heard)

    async def go_on(self, out: Output, goal: str, more: Sequence[Candidate] = ()) -> dict[str, Any]:
        """Show a goal that is under way until it is whole or no source is left; ``more`` sources join it."""
        async with Heard(self._daemon, ["goal", "transfer"]) as heard:
            for one in more:
                await self._daemon.goals.add(goal, *_copy(one))
            return await self._to_the_end(out, goal, heard)

    async def _to_the_end(self, out: Output, goal: str, heard: Heard) -> dict[str, Any]:
        found = await self._daemon.goals.get(goal)
        if found["state"] == "paused":
            await self._daemon.goals.resume(goal)
            out.note(f"{clean(found['name'])}: it was paused, and goes on")
        stays = "the daemon goes on with it: soulmesh goals list"
        async with GoalNews(out, found["name"], partial(self._look, goal), stays) as news:
            await self._follow(out, goal, heard, news)
        found = await self._daemon.goals.get(goal)
        # The next wish of a list may be the same one.
        self.known.append(_known(found))
        files = await self._paths(found)
        return {**found, "username": _username(found), "paths": files}

    async def _look(self, goal: str) -> Look:
        row = await self._daemon.goals.get(goal)
        told = row["situation"], row["now"], row["files_here"], row["files"]
        return Look(_username(row), *told)

    async def gone(self, goal: str) -> int:
        """How many of a goal's files are not where the daemon put them any more."""
        gone: int = (await self._daemon.goals.get(goal))["gone"] or 0
        return gone

    async def paths(self, goal: str) -> list[str]:
        """Where the files of a goal are that are here."""
        return await self._paths(await self._daemon.goals.get(goal))

    async def _paths(self, row: dict[str, Any]) -> list[str]:
        if not row["batch"]:
            return []
        rows = self._daemon.batches.files(row["batch"])
        return [one["local_path"] async for one in rows if one["state"] == State.FINISHED.value]

    async def _follow(self, out: Output, goal: str, heard: Heard, news: GoalNews) -> None:
        keys: dict[str, int] = {}
        with out.transfers() as bars:
            coming = await self._coming(goal, bars)
            while (await self._daemon.goals.get(goal))["state"] in ("under way", "paused"):
                told = await heard.next()
                while told.kind.partition(".")[0] != "goal":
                    if told.kind == "transfer.progress":
                        for key, done, size, speed, _ in told.data["rows"]:
                            if key in coming and size:
                                if key not in keys:
                                    keys[key] = bars.add(coming[key], size, done)
                                bars.update(keys[key], done, rate=speed)
                    elif (row := told.data.get("row")) is None or row["state"] not in _OVER:
                        pass
                    elif coming.pop(row["id"], None) is not None and (
                        # What is left for another source is told once for all files.
                        row["state"] != State.CANCELLED.value or row["id"] in keys
                    ):
                        _end_bar(bars, keys.get(row["id"]), row)
                    told = await heard.next()
                if told.kind == "goal.GoalMoved" and told.data["goal"] == goal:
                    if told.data["reason"]:
                        news.moved(told.data["username"], told.data["reason"])
                    coming = await self._coming(goal, bars)

    async def _coming(self, goal: str, bars: Transfers) -> dict[str, str]:
        """Names of the files that the present source is to send, by their ids."""
        found = []
        for key in (await self._daemon.goals.get(goal))["transfers"]:
            with contextlib.suppress(NotThere):
                found.append(await self._daemon.transfers.get(key))
        bars.expect(len(found), sum(row["size"] or 0 for row in found))
        return {row["id"]: row["path"].rpartition("\\")[2] for row in found if row["state"] not in _OVER}


def _username(row: dict[str, Any]) -> str:
    """Whose turn it is."""
    candidates = row["candidates"]
    return str(candidates[min(row["turn"], len(candidates) - 1)]["username"])


def _known(row: dict[str, Any]) -> tuple[str, str, str, str]:
    return row["name"], row["state"], row["id"], row["rules"]


def _copy(one: Candidate) -> tuple[str, list[tuple[str, int | None, int | None]]]:
    return one.username, [(path, size, one.lengths.get(path)) for path, size in one.files]


def _end_bar(bars: Transfers, key: int | None, row: dict[str, Any]) -> None:
    finished = row["state"] == State.FINISHED.value
    failed = None if finished else row["reason"] or row["state"]
    if key is not None:
        bars.finish(key, failed=failed, rate=row["speed"])
    else:
        bars.passed(row["path"].rpartition("\\")[2], row["size"] or 0, failed=failed)
