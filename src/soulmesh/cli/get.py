"""`soulmesh get "artist title"`: search, choose by rules, download, check; try the next source if need be."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from soulmesh.cli import lists, run, settings
from soulmesh.cli.access import Access, with_access
from soulmesh.cli.download import placed, require_same_server
from soulmesh.cli.goal_news import GoalNews, Look
from soulmesh.cli.hits import withheld
from soulmesh.cli.output import Column, JsonOption, Output, Transfers, clean, size
from soulmesh.cli.session import journal_path, open_client
from soulmesh.cli.through import stand_in
from soulmesh.cli.transfers import PriorityOption
from soulmesh.client import choose
from soulmesh.client.client import Client
from soulmesh.client.errors import ClientError
from soulmesh.client.events import Event, EventStream
from soulmesh.client.getting import MAY_MISS, whole_copy
from soulmesh.client.results import Hit
from soulmesh.client.searches import SearchFigures
from soulmesh.client.transfers import (
    Candidate,
    Goal,
    GoalDropped,
    GoalFailed,
    GoalFinished,
    GoalMoved,
    JournalInUse,
    Transfer,
    TransferMoved,
    TransferProgressed,
    candidate_of,
)
from soulmesh.client.transfers import Goals as AllGoals
from soulmesh.client.transfers.orders import give_order
from soulmesh.core.transfer import FINAL, State
from soulmesh.errors import NotFound, UsageError
from soulmesh.net.world import World

if TYPE_CHECKING:
    from soulmesh.cli.afar import Goals

__all__ = ["get"]

NEWS = (GoalMoved, GoalFinished, GoalFailed, GoalDropped, TransferMoved, TransferProgressed)
"""What happens to a goal."""

COLUMNS = [
    Column("username", "User"),
    Column("name", "File or folder", wide=True, keep_end=True),
    Column("files", "Files", right=True),
    Column("size", "Size", size, right=True),
    Column("bitrate", "kbit/s", right=True),
    Column("free_slot", "Free", lambda free: "yes" if free else ""),
    Column("queue", "Queue", right=True),
]


class NothingFound(NotFound):
    """Nobody has what was asked for, or nothing that the rules allow."""

    hint = "try other words, more time with --timeout, or fewer rules"

    def __init__(self, query: str, figures: SearchFigures) -> None:
        super().__init__(query)
        self.query = query
        self.figures = figures

    def __str__(self) -> str:
        held = withheld(self.figures)
        return f"nothing found for {self.query!r} that the rules allow" + (f" ({held})" if held else "")


class NotGot(NotFound):
    """Every source failed; ``here`` of ``files`` files came and are kept."""

    def __init__(self, query: str, reason: str, here: int, files: int) -> None:
        super().__init__(query, reason, here, files)
        self.query = query
        self.reason = reason
        self.here = here
        self.files = files
        if here:
            self.hint = "the same command goes on with what is here, as soon as somebody else has the rest"

    def __str__(self) -> str:
        kept = f"; {self.here} of {self.files} files are here and kept" if self.here else ""
        return f"{self.query}: no source is left; the last one said: {self.reason}{kept}"


class Dropped(NotFound):
    """Somebody cancelled it meanwhile."""

    def __init__(self, query: str) -> None:
        super().__init__(query)
        self.query = query

    def __str__(self) -> str:
        return f"{self.query}: it was cancelled meanwhile; what is here stays"


@run.command
@with_access
async def get(
    access: Access,
    query: Annotated[list[str] | None, typer.Argument(metavar="WORDS...", help="Artist and title.")] = None,
    album: Annotated[bool, typer.Option("--album", help="Get a whole album from one user.")] = False,
    best: Annotated[bool, typer.Option("--best", help="Quality before speed.")] = False,
    formats: Annotated[
        str | None, typer.Option("--format", metavar="KINDS", help="What to take, best first: flac,mp3.")
    ] = None,
    min_bitrate: Annotated[
        int, typer.Option("--min-bitrate", min=0, metavar="KBIT", help="For formats with losses.")
    ] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be taken, and stop.")] = False,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FILE", help="A list or CSV of wishes; those done before are skipped."
        ),
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="Seconds to search.")] = 10.0,
    into: Annotated[Path | None, typer.Option("--into", metavar="DIR", help="Put files below this.")] = None,
    priority: PriorityOption = 0,
    patience: Annotated[
        float | None,
        typer.Option(
            "--patience",
            metavar="MINUTES",
            min=1,
            help="So long a source may keep us in its queue while others stand by; 60 if not set.",
        ),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Get also what was got before.")] = False,
    json: JsonOption = False,
) -> None:
    """Find music, choose the best source by rules, download it and check it.

    When a source fails, the next one takes over.
    """
    out = run.output(json=json)
    wishes = [" ".join(query)] if query else []
    listed = lists.queries(source, album=album) if source is not None else []
    wishes += [wish for wish in listed if wish not in wishes]
    if not wishes:
        raise UsageError('say what you want: soulmesh get "artist title", or --from FILE')
    kinds = tuple(kind.strip().lower().lstrip(".") for kind in (formats or "").split(",") if kind.strip())
    rules = choose.Rules(kinds, min_bitrate, best)
    given = access.settings({"downloads.folder": into, "downloads.verify": True})
    running = await access.running(given)
    async with AsyncExitStack() as stack:
        afar = None
        if running is not None:
            from soulmesh.cli.afar import Goals

            there = await stack.enter_async_context(stand_in(*running))
            client, afar = cast(Client, there), await Goals.of(there.daemon, into)
        else:
            try:
                client = await stack.enter_async_context(open_client(given))
            except JournalInUse:
                if dry_run:
                    raise
                await _hand_over(
                    out,
                    given,
                    {wish: wish in listed for wish in wishes},
                    album=album,
                    formats=list(kinds),
                    min_bitrate=min_bitrate,
                    best=best,
                    timeout=timeout,
                    priority=priority,
                    again=again,
                    **({"patience": patience * 60} if patience is not None else {}),
                    **({"into": placed(into)["downloads"]} if into is not None else {}),
                )
                return
        failed: Exception | None = None
        for wish in wishes:
            try:
                await _get(
                    out,
                    client,
                    wish,
                    rules,
                    afar,
                    album=album,
                    timeout=timeout,
                    priority=priority,
                    patience=None if patience is None else patience * 60,
                    again=again,
                    listed=wish in listed,
                    dry_run=dry_run,
                )
            except (NotFound, ClientError) as error:
                if len(wishes) == 1:
                    raise
                failed = error
                out.note(f"error: {error}", style="red")
        if failed is not None:
            raise failed


async def _hand_over(out: Output, given: settings.Settings, wishes: Mapping[str, bool], **rules: Any) -> None:
    """Another soulmesh has our data: it is told what we want, and of each wish whether a list named it.

    Raises:
        ElsewhereOnline: it is logged in at another server than the one that is meant.
    """
    require_same_server(given)
    for wish, listed in wishes.items():
        order = {"verb": "get", "name": wish, "words": lists.words_for(wish), "listed": listed, **rules}
        await give_order(journal_path(given), order, World.real().wall_clock())
        out.note(
            f"another soulmesh of this account runs and will get {clean(wish)}:"
            " `soulmesh transfers` shows how far it is"
        )
        out.record({"kind": "ordered", "wish": wish})


async def _get(
    out: Output,
    client: Client,
    wish: str,
    rules: choose.Rules,
    afar: Goals | None,
    *,
    album: bool,
    timeout: float,
    priority: int,
    patience: float | None,
    again: bool,
    listed: bool,
    dry_run: bool,
) -> None:
    said = rules.said(album=album)
    known = afar.known if afar is not None else [_known(goal) for goal in client.transfers.goals]
    states = {state: identity for name, state, identity, by in known if (name, by) == (wish, said)}
    if "finished" in states and not again and not dry_run:
        files = await _files(client, afar, states["finished"])
        # What a list asks for is done once and for all, wherever its files were taken meanwhile.
        if listed or await _still_here(client, afar, states["finished"]):
            out.note(f"{clean(wish)}: done before; --again gets it anew")
            _tell(out, wish, "finished", None, files, [], len(files), len(files))
            return
        out.note(f"{clean(wish)}: done before, but its files are gone; getting it anew")
    begun = states.get("under way") or states.get("paused")
    if begun is not None and not dry_run:
        out.note(f"{clean(wish)}: going on with what was begun")
        await _go_on(out, client, afar, wish, begun)
        return
    asked = client.search(lists.words_for(wish), timeout=timeout)
    hits = [hit async for hit in asked]
    folders = choose.albums(hits, rules) if album else []
    found = [folder.hits for folder in folders] if album else [(hit,) for hit in choose.songs(hits, rules)]
    if not found:
        raise NothingFound(wish, asked.figures)
    if dry_run:
        out.table(COLUMNS, [_row(some, album=album) for some in found])
        return
    if album:
        files_of = afar.files_of if afar is not None else client.transfers.batches.files_of
        candidates = await asyncio.gather(*(whole_copy(folder, files_of) for folder in folders))
    else:
        candidates = [candidate_of(some) for some in found]
    failed = states.get("failed") or states.get("dropped")
    if failed is not None and not again:
        out.note(f"{clean(wish)}: going on with what is here of it already")
        await _go_on(out, client, afar, wish, failed, candidates)
        return
    if afar is not None:
        got = await afar.pursue(
            out,
            wish,
            candidates,
            folder=choose_name(folders[0].path.rpartition("\\")[2]) if album else None,
            whole=album,
            may_miss=MAY_MISS if album else (),
            priority=priority,
            patience=patience,
            rules=said,
        )
        _tell_afar(out, wish, got)
        return
    with client.events.stream(*NEWS) as news:
        goal = await client.transfers.goals.want(
            wish,
            candidates,
            whole=album,
            may_miss=MAY_MISS if album else (),
            priority=priority,
            patience=patience,
            rules=said,
        )
        await _pursue(out, client, goal, news)


def _known(goal: Goal) -> tuple[str, str, str, str]:
    return goal.name, goal.state, goal.id, goal.rules


async def _still_here(client: Client, afar: Goals | None, identity: str) -> bool:
    """Whether the files of a goal are where they were put, as far as who put them there can see."""
    if afar is not None:
        return await afar.gone(identity) == 0
    goal = client.transfers.goals.get(identity)
    return goal is not None and await client.transfers.goals.gone(goal) == 0


async def _files(client: Client, afar: Goals | None, identity: str) -> list[str]:
    """Where the files of a goal are."""
    if afar is not None:
        return await afar.paths(identity)
    goal = client.transfers.goals.get(identity)
    batch = client.transfers.batches.get(goal.batch) if goal is not None else None
    return [str(path) for path in await client.transfers.batches.places(batch)] if batch is not None else []


async def _go_on(
    out: Output,
    client: Client,
    afar: Goals | None,
    wish: str,
    identity: str,
    more: Sequence[Candidate] = (),
) -> None:
    """A goal of an earlier run, or of another command, is followed to its end; ``more`` sources join it."""
    if afar is not None:
        got = await afar.go_on(out, identity, more)
        _tell_afar(out, wish, got)
        return
    with client.events.stream(*NEWS) as news:
        goal = client.transfers.goals.get(identity)
        assert goal is not None
        for candidate in more:
            await client.transfers.goals.add(goal, candidate)
        if client.transfers.goals.resume(goal):
            out.note(f"{clean(wish)}: it was paused, and goes on")
        await _pursue(out, client, goal, news)


def choose_name(name: str) -> str:
    """A safe name for an album's folder."""
    from soulmesh.client.transfers.layout import safe_name

    return safe_name(name)


def _row(hits: tuple[Hit, ...], *, album: bool) -> dict[str, object]:
    first = hits[0]
    return {
        "username": first.username,
        "name": choose.album_folder(first.file.folder) if album else first.file.remote_path,
        "files": len(hits),
        "size": sum(hit.file.size for hit in hits),
        "bitrate": first.file.bitrate,
        "free_slot": first.free_slot,
        "queue": first.queue,
    }


async def _pursue(out: Output, client: Client, goal: Goal, news: EventStream[Any]) -> None:
    """Show a goal's files until it is whole, or no source is left."""
    goals = client.transfers.goals

    async def look() -> Look:
        here, candidate = len(goals.here(goal)), goal.candidate
        situation = goals.situation(goal).value
        return Look(candidate.username, situation, goals.now(goal), here, len(candidate.files))

    stays = "it goes on when soulmesh runs; the same command shows it again"
    async with GoalNews(out, goal.name, look, stays) as told:
        await _show(out, goals, goal, news, told)
    batch = client.transfers.batches.get(goal.batch)
    files = [str(path) for path in await client.transfers.batches.places(batch)] if batch is not None else []
    here, wanted = len(goals.here(goal)), len(goal.candidate.files)
    _tell(out, goal.name, goal.state, goal.candidate.username, files, goal.story, here, wanted)


async def _show(out: Output, goals: AllGoals, goal: Goal, news: EventStream[Any], told: GoalNews) -> None:
    """Show bars, and whom it turns to, until it is not under way any more."""
    keys: dict[int, int] = {}
    with out.transfers() as bars:

        def expect() -> dict[int, Transfer]:
            mine = goals.transfers(goal)
            bars.expect(len(mine), sum(transfer.size or 0 for transfer in mine))
            return {transfer.id: transfer for transfer in mine if not transfer.finished}

        coming = expect()
        if goal.state == "under way":
            async for event in news:
                if isinstance(event, TransferProgressed) and event.size and event.transfer in coming:
                    key = keys.get(event.transfer)
                    if key is None:
                        name = coming[event.transfer].name
                        key = keys[event.transfer] = bars.add(name, event.size, event.done)
                    bars.update(key, event.done, rate=event.speed)
                elif isinstance(event, TransferMoved):
                    if event.transfer in coming and event.new is State.CANCELLED:
                        # Left for another source: that is told once for all of them.
                        left = coming.pop(event.transfer)
                        if event.transfer in keys:
                            _end(bars, keys[event.transfer], left)
                    elif event.transfer in coming and event.new in FINAL:
                        _end(bars, keys.get(event.transfer), coming.pop(event.transfer))
                elif _concerns(event, goal):
                    if isinstance(event, GoalMoved) and event.reason:
                        told.moved(event.username, event.reason)
                        coming = expect()
                    if goal.state != "under way":
                        break


def _end(bars: Transfers, key: int | None, transfer: Transfer) -> None:
    failed = None if transfer.finished else transfer.reason or transfer.state.value
    if key is not None:
        bars.finish(key, failed=failed, rate=transfer.speed)
    else:
        bars.passed(transfer.name, transfer.size or 0, failed=failed)


def _tell_afar(out: Output, wish: str, got: dict[str, Any]) -> None:
    told = (got["state"], got["username"], got["paths"], got["story"], got["files_here"], got["files"])
    _tell(out, wish, *told)


def _tell(
    out: Output,
    wish: str,
    state: str,
    username: str | None,
    files: list[str],
    story: list[str],
    here: int,
    wanted: int,
) -> None:
    if state == "finished":
        for file in files:
            out.line(file)
        apart = story[-1].partition("; ")[2] if story else ""
        if apart:
            out.note(clean(apart))
    out.record({"wish": wish, "state": state, "username": username, "files": files, "story": story})
    if state == "dropped":
        raise Dropped(wish)
    if state != "finished":
        raise NotGot(wish, story[-1].rpartition("the last one: ")[2], here, wanted)


def _concerns(event: Event, goal: Goal) -> bool:
    about = GoalMoved | GoalFinished | GoalFailed | GoalDropped
    return isinstance(event, about) and event.goal == goal.id
