"""What a person wants, whoever has it: a goal goes from one candidate to the next until it is whole.

A candidate is a user with the files of one copy. One candidate is tried at a
time, never two of them in parallel: :mod:`soulmesh.core.goal` says when the
next one takes over. Files that are already here with the same name and size are
not fetched again; what does not belong to the copy that is fetched now is put
aside.

Goals are journaled and survive restarts: what is wanted, whose turn it is, who
refused what, and how long the present candidate has let us wait. Which files
are here is what the journal says of the transfers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from soulmesh.client.events import Event
from soulmesh.client.results import Hit
from soulmesh.client.transfers.batches import Batches
from soulmesh.client.transfers.layout import remote_parts
from soulmesh.client.transfers.ledger import Ledger
from soulmesh.client.transfers.settings import TransferSettings
from soulmesh.client.transfers.transfer import Transfer
from soulmesh.core.goal import PATIENCE, Copy, Situation, Standing, Vigil, following, situation, words
from soulmesh.core.reasons import reason_code
from soulmesh.core.story import clock
from soulmesh.core.transfer import State
from soulmesh.errors import UsageError
from soulmesh.net.disk import DiskError
from soulmesh.wire import raw, text

__all__ = [
    "Candidate",
    "Goal",
    "GoalDropped",
    "GoalFailed",
    "GoalFinished",
    "GoalMoved",
    "Goals",
    "candidate_of",
]

log = logging.getLogger(__name__)

CHECK_EVERY = 30.0
SAVE_EVERY = 60.0
"""Seconds of waiting after which it is written down how long a candidate has let us wait."""
_KIND = "goal"
_SHUT_OUT = frozenset({"banned", "blocked_country"})


@dataclass(frozen=True, slots=True)
class GoalMoved(Event):
    """A goal turned to another candidate; ``reason`` says what was wrong with the one before."""

    goal: str
    username: str
    reason: str


@dataclass(frozen=True, slots=True)
class GoalFinished(Event):
    """All files of a goal are here."""

    goal: str
    folder: str


@dataclass(frozen=True, slots=True)
class GoalFailed(Event):
    """No candidate is left; ``reason`` is what the last one said."""

    goal: str
    reason: str


@dataclass(frozen=True, slots=True)
class GoalDropped(Event):
    """A goal is wanted no longer: somebody cancelled it."""

    goal: str


@dataclass(slots=True)
class Candidate:
    """A user, and the files of the copy that it has (remote path, bytes)."""

    username: str
    files: list[tuple[str, int | None]]
    lengths: dict[str, int] = field(default_factory=dict)
    """Seconds by remote path, where the search told: another source must have the same."""
    tried: bool = False
    refused: dict[str, str] = field(default_factory=dict)
    """What it said of files that it does not give, by remote path: not asked for again by itself."""

    @property
    def copy(self) -> Copy:
        """Its files, for whoever asks what goes with them."""
        return Copy(_entry(path, size) for path, size in self.files)

    @property
    def folder(self) -> str:
        """The remote folder in which, or below which, all of its files lie; empty if there is none."""
        first, *others = (path.split("\\")[:-1] for path, _ in self.files)
        shared = first
        for parts in others:
            same = [one == other for one, other in zip(shared, parts, strict=False)]
            shared = shared[: [*same, False].index(False)]
        return "\\".join(shared)


@dataclass(slots=True)
class Goal:
    """What is wanted, and how far it is."""

    id: str
    name: str
    candidates: list[Candidate]
    destination: str | None = None
    whole: bool = False
    may_miss: list[str] = field(default_factory=list)
    patience: float = PATIENCE
    priority: int = 0
    """Higher goes first among the downloads from one user."""
    rules: str = ""
    """In the words of whoever wants it: by which rules it was chosen. Another choice is another goal."""
    turn: int = -1
    """Which candidate is being tried."""
    batch: str = ""
    here: list[tuple[str, int]] = field(default_factory=list)
    """Names and sizes of files that are here."""
    story: list[str] = field(default_factory=list)
    """One line per change."""
    steps: list[dict[str, str]] = field(default_factory=list)
    """What each line says, without its words: ``code`` (``trying``, ``done``, ``no_candidate``, ``dropped``)
    and what stands in it: ``user``; ``reason`` with ``reason_code``, and the ``file`` that it is about. Empty
    for a line of an older version."""
    state: str = "under way"
    """``under way``, ``finished``, ``failed`` or ``dropped``."""
    round: int = 0
    """How often all candidates had their turn."""
    waited: float = 0.0
    """Seconds for which the present candidate has let us wait without a byte, as far as written down."""

    @property
    def candidate(self) -> Candidate:
        """The candidate whose turn it is."""
        return self.candidates[self.turn]

    def tell(self, line: str, code: str, **params: str) -> None:
        """Add to the story."""
        self.story.append(line)
        self.steps.append({"code": code, **params})


def candidate_of(hits: Sequence[Hit]) -> Candidate:
    """The files of one user as the search found them, with what it told of their length."""
    return Candidate(
        hits[0].username,
        [(hit.file.remote_path, hit.file.size) for hit in hits],
        {hit.file.remote_path: hit.file.length for hit in hits if hit.file.length},
    )


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Why a goal turns to another candidate; empty for the first one."""

    reason: str = ""
    file: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}" if self.file else self.reason

    @property
    def params(self) -> dict[str, str]:
        given = {"file": self.file, "reason": self.reason, "reason_code": reason_code(self.reason)}
        return {name: value for name, value in given.items() if value}


class Goals:
    """All goals."""

    def __init__(
        self,
        ledger: Ledger,
        batches: Batches,
        settings: Callable[[], TransferSettings],
        online: Callable[[], bool],
    ) -> None:
        self._ledger = ledger
        self._batches = batches
        self._settings = settings
        self._online = online
        self._goals: dict[str, Goal] = {}
        self._vigils: dict[str, Vigil] = {}
        self._lost: dict[str, list[Standing]] = {}
        """Files of a goal's candidate that were given up in an earlier run: the journal alone has them."""
        self._turning: set[str] = set()
        self._finishing: set[str] = set()
        self._watching = False

    async def start(self) -> None:
        """Load the goals of earlier runs and go on with them."""
        for name, body in (await self._ledger.journal.kept(_KIND)).items():
            with contextlib.suppress(TypeError, KeyError, ValueError):
                self._goals[name] = goal_of(body)
        for goal in self:
            if goal.state == "under way":
                await self._remember(goal)
                self._watch()
                self._wait_for(goal)
                self._look(goal)

    def __iter__(self) -> Iterator[Goal]:
        return iter(list(self._goals.values()))

    @property
    def downloads(self) -> Path:
        """The folder of all downloads, for goals that need none of their own."""
        return self._batches.downloads

    def get(self, goal: str) -> Goal | None:
        """The goal of this name, while it is known."""
        return self._goals.get(goal)

    async def want(
        self,
        name: str,
        candidates: Sequence[Candidate],
        *,
        destination: Path | None = None,
        whole: bool = False,
        may_miss: Iterable[str] = (),
        patience: float | None = None,
        priority: int = 0,
        rules: str = "",
    ) -> Goal:
        """Want one of several copies, best first.

        Without a ``destination`` the layout says where a single file ends, and where the folder of a
        ``whole`` copy does; other files end in a folder with the goal's name.

        Args:
            name: what it is called.
            candidates: who has it.
            destination: the folder where its files end.
            whole: they appear there all at once.
            may_miss: kinds of files that it can do without.
            patience: seconds in a queue without a byte after which another candidate has its turn;
                what is set if not given.
            priority: higher goes first among the downloads from one user.
            rules: see :class:`Goal`.

        Raises:
            UsageError: there is no candidate, or one without files.
        """
        if not candidates or not all(candidate.files for candidate in candidates):
            raise UsageError(f"nothing to choose from for {name!r}")
        identity = str(uuid.UUID(int=self._ledger.world.random.getrandbits(128), version=4))
        goal = Goal(
            identity,
            name,
            list(candidates),
            str(destination) if destination is not None else None,
            whole,
            sorted(may_miss),
            self._settings().patience if patience is None else patience,
            priority,
            rules,
        )
        self._goals[identity] = goal
        self._watch()
        await self._turn_now(goal, _Trouble())
        return goal

    async def add(self, goal: Goal, candidate: Candidate) -> None:
        """Another copy was found: it is tried when those before it have failed.

        Of a goal that failed or was dropped it is tried at once, and what is here of the same files is kept
        for it; if a person had the last one tried again meanwhile, that comes first. A candidate that is
        known already is asked again for what it refused.
        """
        same = [(raw(path), size) for path, size in candidate.files]
        known = next(
            (
                one
                for one in goal.candidates
                if one.username == candidate.username
                and [(raw(path), size) for path, size in one.files] == same
            ),
            None,
        )
        if known is not None:
            known.refused, known.tried = {}, False
        else:
            goal.candidates.append(candidate)
        if goal.state in ("failed", "dropped"):
            goal.state = "under way"
            self._watch()
            await self._remember(goal)
            if all(transfer.over for transfer in self.transfers(goal)):
                place = next(n for n, one in enumerate(goal.candidates) if one is (known or candidate))
                await self._turn_now(goal, _Trouble("another candidate was found"), place)
        self._save(goal)

    def askable(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Those who gave none of their files up for good, and did not shut us out.

        Of the others nothing is asked by itself (``Banned``, ``File not shared.``, tries used up): a person
        may ask.
        """
        failed = [one for one in self._ledger if one.is_download and one.state is State.FAILED]
        refused = {(one.username, one.remote_path) for one in failed}
        shut = {one.username for one in failed if reason_code(one.reason) in _SHUT_OUT}
        return [
            one
            for one in candidates
            if one.username not in shut and not any((one.username, path) in refused for path, _ in one.files)
        ]

    def drop(self, goal: Goal) -> None:
        """Want it no longer. Files that are here stay, unfinished ones go."""
        goal.state = "dropped"
        goal.tell("cancelled", "dropped")
        self._vigils.pop(goal.id, None)
        batch = self._batches.get(goal.batch)
        self._note_refusals(goal)
        self._stop(goal)
        if batch is not None:
            goal.batch = batch.id
            self._ledger.tasks.start(self._batches.clear(batch), f"parts of {goal.name}")
        self._save(goal)
        self._ledger.events.emit(GoalDropped(goal.id))

    def resume(self, goal: Goal) -> bool:
        """Go on with what rests of it; false if nothing did."""
        resting = [one for one in self.transfers(goal) if one.state is State.PAUSED]
        for transfer in resting:
            self._ledger.apply(transfer, transfer.download.resume(self._ledger.now()))
        return bool(resting)

    def situation(self, goal: Goal) -> Situation:
        """What the present candidate does for us."""
        return situation(self._standings(goal))

    def transfers(self, goal: Goal) -> list[Transfer]:
        """The transfers of the candidate that is being tried."""
        batch = self._batches.get(goal.batch)
        return self._batches.transfers(batch) if batch is not None else []

    async def gone(self, goal: Goal) -> int:
        """How many of the files that came are not where they were put any more."""
        batch = self._batches.get(goal.batch)
        if batch is None:
            return 0
        missing = 0
        for path in await self._batches.places(batch):
            try:
                missing += not await self._ledger.world.disk.exists(path)
            except DiskError as error:
                log.info("cannot see whether %s is there: %s", path, error)
        return missing

    def here(self, goal: Goal) -> list[tuple[str, int]]:
        """Names and sizes of the present candidate's files that are here, from whomever they came."""
        mine = {_entry(path, size) for path, size in goal.candidate.files} if goal.turn >= 0 else set()
        came = {(one.name, one.size or 0) for one in self.transfers(goal) if one.state is State.FINISHED}
        return [file for file in goal.here if file in came or file in mine]

    def now(self, goal: Goal) -> str:
        """One line: what the present candidate does for us, and when the next one has its turn."""
        if goal.state != "under way":
            return goal.story[-1] if goal.story else goal.state
        files = self._standings(goal)
        said = words(files, goal.candidate.username)
        vigil = self._vigil(goal)
        vigil.look(files, self._ledger.now(), online=self._online())
        after = self._following(goal)
        left = vigil.left(files, useful=self._useful(goal, after)) if after is not None else None
        if not left or after is None:
            return said
        wall = self._ledger.wall().astimezone()
        at = clock(wall + timedelta(seconds=left), wall)
        return f"{said}; {goal.candidates[after].username} has its turn at {at} if no byte comes"

    def over(self, transfer: Transfer) -> None:
        """A download ended, in whatever way."""
        for goal in self:
            batch = self._batches.get(goal.batch) if goal.state in ("under way", "failed") else None
            if batch is None or transfer.id not in batch.files:
                continue
            if goal.state == "failed" and all(one.finished for one in self.transfers(goal)):
                # A person had it tried again, and it came.
                goal.state = "under way"
            if goal.state == "under way":
                self._look(goal)

    # Within.

    async def _remember(self, goal: Goal) -> None:
        """What the journal alone knows after a start: which files are here, and which were given up."""
        batch = self._batches.get(goal.batch)
        if batch is None:
            return
        known = {*batch.files, *batch.aside}
        self._lost.pop(goal.id, None)
        for record in await self._batches.records(batch):
            if record.id not in known or self._ledger.get(record.id) is not None:
                continue
            name = _name(record.remote_path)
            if record.state is State.FINISHED:
                if (name, record.size or 0) not in goal.here:
                    goal.here.append((name, record.size or 0))
            elif record.id in batch.files and record.state is State.CANCELLED:
                lost = Standing(name, record.state, reason=record.reason, needed=self._needed(goal, name))
                self._lost.setdefault(goal.id, []).append(lost)

    def _needed(self, goal: Goal, name: str) -> bool:
        return name.rpartition(".")[2].lower() not in goal.may_miss

    def _standings(self, goal: Goal) -> list[Standing]:
        """How the files of the present candidate stand that are not here from somebody else."""
        transfers = self.transfers(goal)
        found = [
            Standing(
                one.name,
                # What our own disk refused is no fault of the candidate's.
                State.NO_ROOM if one.disk_error is not None and one.state is State.DELAYED else one.state,
                one.done,
                one.place,
                one.reason,
                self._needed(goal, one.name),
            )
            for one in transfers
        ]
        asked, here = {one.key for one in transfers}, set(goal.here)
        candidate = goal.candidate
        refused = [
            Standing(_name(path), State.FAILED, reason=reason, needed=self._needed(goal, _name(path)))
            for path, size in candidate.files
            if (reason := candidate.refused.get(path)) is not None
            and (candidate.username, raw(path)) not in asked
            and _entry(path, size) not in here
        ]
        return [*found, *refused, *self._lost.get(goal.id, ())]

    def _vigil(self, goal: Goal) -> Vigil:
        vigil = self._vigils.get(goal.id)
        if vigil is None:
            vigil = self._vigils[goal.id] = Vigil(round=goal.round, waited=goal.waited)
        vigil.patience, vigil.away = goal.patience, self._settings().away
        return vigil

    def _helpful(self, goal: Goal, candidate: Candidate) -> bool:
        """Whether turning to a candidate may bring something: it is new, or has what it did not refuse."""
        if not candidate.tried:
            return True
        here = set(goal.here)
        return any(
            self._needed(goal, _name(path)) and _entry(path, size) not in here
            for path, size in candidate.files
            if path not in candidate.refused
        )

    def _following(self, goal: Goal) -> int | None:
        return following(goal.turn, [self._helpful(goal, one) for one in goal.candidates])

    def _useful(self, goal: Goal, after: int | None) -> bool:
        """Whether the next copy takes what is here of the present one."""
        if after is None:
            return True
        copy = goal.candidates[after].copy
        return all(copy.takes(file) for file in self.here(goal) if self._needed(goal, file[0]))

    def _look(self, goal: Goal) -> None:
        """Is it whole, or has its candidate failed?"""
        for transfer in self.transfers(goal):
            entry = (transfer.name, transfer.size or 0)
            if transfer.state is State.FINISHED:
                if entry not in goal.here:
                    goal.here.append(entry)
            elif entry in goal.here:
                goal.here.remove(entry)  # it was, and is gone again
        files = self._standings(goal)
        found = situation(files)
        if found is Situation.OVER:
            failed = next(file for file in files if file.missing)
            self._turn(goal, _Trouble(failed.reason or str(failed.state), failed.name))
        elif found is Situation.WHOLE and goal.id not in self._finishing:
            self._finishing.add(goal.id)
            self._ledger.tasks.start(self._finish(goal), f"the end of {goal.name}")

    async def _finish(self, goal: Goal) -> None:
        """All files are here; a whole batch has still to be moved to its place."""
        batch = self._batches.get(goal.batch)
        if batch is not None:
            await self._batches.gathered(batch)
        self._finishing.discard(goal.id)
        if goal.state != "under way" or (batch is not None and batch.reason):
            return
        goal.state = "finished"
        self._vigils.pop(goal.id, None)
        user = goal.candidate.username
        line = f"all files of {user} are here"
        if batch is not None and batch.apart:
            line += f"; what came of another copy is in {batch.apart}"
        goal.tell(line, "done", user=user)
        self._save(goal)
        self._ledger.events.emit(GoalFinished(goal.id, batch.destination if batch is not None else ""))
        if batch is not None:
            await self._batches.clear(batch)

    def _turn(self, goal: Goal, trouble: _Trouble) -> None:
        if goal.id not in self._turning:
            work = self._turn_now(goal, trouble)
            self._ledger.tasks.start(work, f"next source of {goal.name}")

    async def _turn_now(self, goal: Goal, trouble: _Trouble, place: int | None = None) -> None:
        """Turn to the next candidate, and see what that brings."""
        if goal.id in self._turning:
            return
        self._turning.add(goal.id)
        try:
            if goal.state == "under way":
                await self._next(goal, trouble, place)
        finally:
            self._turning.discard(goal.id)
        if goal.state == "under way":
            self._look(goal)

    async def _next(self, goal: Goal, trouble: _Trouble, place: int | None = None) -> None:
        """Turn to the next candidate."""
        reason = str(trouble)
        before = self._batches.get(goal.batch)
        if goal.turn >= 0 and place is None:
            self._note_refusals(goal)
        self._stop(goal)
        if before is not None and before.finished:
            # What it gave up on is what the goal can do without.
            goal.batch = before.id
            return
        after = place if place is not None else self._following(goal)
        if after is None:
            # If one more is found, what is here goes on to it.
            goal.batch = before.id if before is not None else ""
            goal.state = "failed"
            goal.tell(f"no candidate is left; the last one: {reason}", "no_candidate", **trouble.params)
            self._save(goal)
            self._ledger.events.emit(GoalFailed(goal.id, reason))
            return
        if after <= goal.turn and place is None:
            goal.round += 1
        goal.turn, goal.waited = after, 0.0
        candidate = goal.candidate
        candidate.tried = True
        self._vigil(goal).begin(round=goal.round)
        self._lost.pop(goal.id, None)
        line = f"{reason}; trying {candidate.username}" if reason else f"trying {candidate.username}"
        goal.tell(line, "trying", user=candidate.username, **trouble.params)
        await self._ask(goal, before.id if before is not None else "")
        self._save(goal)
        self._ledger.events.emit(GoalMoved(goal.id, candidate.username, reason))

    def _note_refusals(self, goal: Goal) -> None:
        candidate = goal.candidate
        for transfer in self.transfers(goal):
            over = transfer.state in (State.FAILED, State.CANCELLED)
            if over and transfer.username == candidate.username:
                candidate.refused[transfer.remote_path] = transfer.reason or str(transfer.state)
        lost = {one.name for one in self._lost.get(goal.id, ())}
        candidate.refused.update({path: "cancelled" for path, _ in candidate.files if _name(path) in lost})

    async def _ask(self, goal: Goal, before: str) -> None:
        """Want the files of the candidate that are not here yet."""
        candidate = goal.candidate
        copy = candidate.copy
        here = set(goal.here)
        files = [
            (candidate.username, path, size)
            for path, size in candidate.files
            if _entry(path, size) not in here and path not in candidate.refused
        ]
        folder = candidate.folder
        below = self._batches.folders_below((path for path, _ in candidate.files), len(remote_parts(folder)))
        one = all(len(copy.files) == 1 for copy in goal.candidates)
        by_layout = goal.destination is None and not goal.whole and one
        target = Path(goal.destination) if goal.destination is not None else None
        if goal.destination is None and goal.whole and folder:
            # It has the name of the copy that comes, not of one that failed.
            target = self._batches.folder_for(candidate.username, folder)
        batch = self._batches.get(before)
        if batch is not None:
            await self._batches.go_on(
                batch,
                files,
                below=below,
                lengths=candidate.lengths,
                priority=goal.priority,
                by_layout=by_layout,
                takes=copy.takes,
                destination=target,
            )
        else:
            batch = await self._batches.make(
                files,
                name=goal.name,
                destination=target,
                whole=goal.whole,
                may_miss=goal.may_miss,
                below=below,
                lengths=candidate.lengths,
                priority=goal.priority,
                by_layout=by_layout,
            )
        goal.batch = batch.id

    def _stop(self, goal: Goal) -> None:
        """Ask the present candidate for nothing more."""
        batch, stopping = self._batches.get(goal.batch), self.transfers(goal)
        goal.batch = ""
        for transfer in stopping:
            if transfer.over or transfer.state is State.SAVING:
                continue
            if batch is None or not self._batches.let_go(batch, transfer):
                self._ledger.apply(transfer, transfer.download.cancel(self._ledger.now()))

    def _watch(self) -> None:
        if not self._watching:
            self._watching = True
            self._ledger.tasks.start(self._lose_patience(), "patience of goals")

    async def _lose_patience(self) -> None:
        while True:
            await asyncio.sleep(CHECK_EVERY)
            for goal in self:
                if goal.state == "under way" and goal.id not in self._turning:
                    self._wait_for(goal)

    def _wait_for(self, goal: Goal) -> None:
        """Has the present candidate let us wait for too long?"""
        vigil, files = self._vigil(goal), self._standings(goal)
        found = vigil.look(files, self._ledger.now(), online=self._online())
        if vigil.waited < goal.waited or vigil.waited - goal.waited >= SAVE_EVERY:
            goal.waited = vigil.waited
            self._save(goal)
        if found not in (Situation.QUEUED, Situation.AWAY):
            return
        after = self._following(goal)
        # What it can do without is waited for no longer than that, whoever else there is.
        if after is None and any(file.missing for file in files):
            return
        if vigil.left(files, useful=self._useful(goal, after)) == 0:
            waited = f"no byte of {goal.candidate.username} in {_span(vigil.waited)}"
            said = words(files, goal.candidate.username) if found is Situation.AWAY else ""
            self._turn(goal, _Trouble(waited + (f" ({said})" if said else "")))

    def _save(self, goal: Goal) -> None:
        body = asdict(goal)
        # Remote names are bytes; JSON has text only.
        body["candidates"] = [
            [
                c.username,
                [[raw(path).hex(), size, c.lengths.get(path)] for path, size in c.files],
                {
                    "tried": c.tried,
                    "refused": {raw(path).hex(): reason for path, reason in c.refused.items()},
                },
            ]
            for c in goal.candidates
        ]
        self._ledger.journal.keep(_KIND, goal.id, body)


def goal_of(body: dict[str, Any]) -> Goal:
    """A goal from what the journal keeps of it."""
    candidates = []
    stored = body.pop("candidates")
    for number, (username, files, *more) in enumerate(stored):
        known = [(text(bytes.fromhex(path)), size, *length) for path, size, *length in files]
        lengths = {path: rest[0] for path, _, *rest in known if rest and rest[0]}
        # An older version went through them once, in their order.
        told = more[0] if more else {"tried": number <= body["turn"]}
        refused = {text(bytes.fromhex(path)): reason for path, reason in told.get("refused", {}).items()}
        candidates.append(
            Candidate(
                username,
                [(path, size) for path, size, *_ in known],
                lengths,
                told.get("tried", False),
                refused,
            )
        )
    here = [(name, size) for name, size in body.pop("here")]
    goal = Goal(candidates=candidates, here=here, **body)
    goal.steps[:0] = [{} for _ in range(len(goal.story) - len(goal.steps))]
    return goal


def _name(path: str) -> str:
    return path.rpartition("\\")[2]


def _entry(path: str, size: int | None) -> tuple[str, int]:
    return _name(path), size or 0


def _span(seconds: float) -> str:
    """``2 h`` or ``10 min``: whole minutes below an hour, halves of hours above."""
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{round(seconds / 1800) / 2:g} h"
