"""What a person wants, whoever has it: a goal goes from one candidate to the next until it is whole.

A candidate is a user with the files of one copy. One candidate is tried at a
time, never two of them in parallel: the next one takes over when the present
one fails for good, or has not moved a byte for as long as the goal's patience.
Files that are already here with the same name and size are not fetched again.
Goals are journaled and survive restarts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from soulmesh.client.events import Event
from soulmesh.client.results import Hit
from soulmesh.client.transfers.batches import Batches
from soulmesh.client.transfers.layout import remote_parts
from soulmesh.client.transfers.ledger import Ledger
from soulmesh.client.transfers.transfer import Transfer
from soulmesh.core.reasons import reason_code
from soulmesh.core.transfer import ACTIVE, State
from soulmesh.errors import UsageError
from soulmesh.wire import raw, text

__all__ = ["Candidate", "Goal", "GoalFailed", "GoalFinished", "GoalMoved", "Goals", "candidate_of"]

log = logging.getLogger(__name__)

PATIENCE = 6 * 3600.0
"""Seconds without a byte after which the next candidate has its turn."""
GONE_FOR = 180.0
"""The same for one who is not there, or cannot be reached: nobody's queue is waited in."""
CHECK_EVERY = 60.0
GRACE = 3.0
"""Seconds in which files that the failing candidate does have may still begin."""
_KIND = "goal"
_STUCK = frozenset({State.PENDING, State.ASKING, State.QUEUED, State.DELAYED, State.OFFLINE, State.OFFERED})
_SHUT_OUT = frozenset({"banned", "blocked_country"})
_GONE = frozenset({State.PENDING, State.ASKING, State.DELAYED, State.OFFLINE})


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


@dataclass(slots=True)
class Candidate:
    """A user, and the files of the copy that it has (remote path, bytes)."""

    username: str
    files: list[tuple[str, int | None]]
    lengths: dict[str, int] = field(default_factory=dict)
    """Seconds by remote path, where the search told: another source must have the same."""

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
    waited: float = 0.0
    """Seconds for which the present candidate has not moved a byte, while the program ran."""
    turn: int = -1
    """Which candidate is being tried."""
    batch: str = ""
    here: list[tuple[str, int]] = field(default_factory=list)
    """Names and sizes of files that are here."""
    story: list[str] = field(default_factory=list)
    """One line per change."""
    steps: list[dict[str, str]] = field(default_factory=list)
    """What each line says, without its words: ``code`` (``trying``, ``done``, ``no_candidate``) and what
    stands in it: ``user``; ``reason`` with ``reason_code``, and the ``file`` that it is about. Empty for a
    line of an older version."""
    state: str = "under way"
    """``under way``, ``finished``, ``failed`` or ``dropped``."""

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

    def __init__(self, ledger: Ledger, batches: Batches) -> None:
        self._ledger = ledger
        self._batches = batches
        self._goals: dict[str, Goal] = {}
        self._moved_at: dict[str, float] = {}
        self._done_at: dict[str, int] = {}
        self._failing: set[str] = set()
        self._finishing: set[str] = set()
        self._watching = False

    async def start(self) -> None:
        """Load the goals of earlier runs and go on with them."""
        for name, body in (await self._ledger.journal.kept(_KIND)).items():
            with contextlib.suppress(TypeError, KeyError, ValueError):
                self._goals[name] = _loaded(body)
        for goal in self:
            if goal.state == "under way":
                self._moved_at[goal.id] = self._ledger.now() - goal.waited
                # What came in an earlier run is no news.
                self._done_at[goal.id] = self._done(goal)
                self._watch()
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
        patience: float = PATIENCE,
        priority: int = 0,
        rules: str = "",
    ) -> Goal:
        """Want one of several copies, best first.

        Without a ``destination`` the layout says where a single file ends, and where the folder of a
        ``whole`` copy does; other files end in a folder with the goal's name.

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
            patience,
            priority,
            rules,
        )
        self._goals[identity] = goal
        self._watch()
        await self._next(goal, _Trouble())
        return goal

    async def add(self, goal: Goal, candidate: Candidate) -> None:
        """Another copy was found: it is tried when those before it have failed.

        Of a goal that failed or was dropped it is tried at once, and what is here of the same files is
        kept for it. If a person had the last one tried again meanwhile, that comes first.
        """
        goal.candidates.append(candidate)
        if goal.state in ("failed", "dropped"):
            goal.state = "under way"
            if all(transfer.over for transfer in self.transfers(goal)):
                await self._next(goal, _Trouble("another candidate was found"))
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
        """Want it no longer. Files that are here stay."""
        goal.state = "dropped"
        self._stop(goal)
        self._save(goal)

    def transfers(self, goal: Goal) -> list[Transfer]:
        """The transfers of the candidate that is being tried."""
        batch = self._batches.get(goal.batch)
        return self._batches.transfers(batch) if batch is not None else []

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

    def _look(self, goal: Goal) -> None:
        """Is it whole, or has its candidate failed?"""
        missing = False
        for transfer in self.transfers(goal):
            entry = (transfer.name, transfer.size or 0)
            if transfer.state is State.FINISHED:
                if entry not in goal.here:
                    goal.here.append(entry)
                continue
            if entry in goal.here:
                goal.here.remove(entry)  # it was, and is gone again
            if transfer.over and transfer.name.rpartition(".")[2].lower() in goal.may_miss:
                continue
            if transfer.over:
                missing = True
                if goal.id not in self._failing:
                    self._failing.add(goal.id)
                    work = self._after_failure(goal, _Trouble(transfer.reason, transfer.name))
                    self._ledger.tasks.start(work, f"next source of {goal.name}")
            else:
                missing = True
        if missing:
            return
        if goal.id not in self._finishing:
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
        user = goal.candidate.username
        goal.tell(f"all files of {user} are here", "done", user=user)
        self._save(goal)
        self._ledger.events.emit(GoalFinished(goal.id, batch.destination if batch is not None else ""))

    async def _after_failure(self, goal: Goal, trouble: _Trouble) -> None:
        """Turn to the next candidate, but first let come what is already on its way."""
        turn = goal.turn
        await asyncio.sleep(GRACE)
        while goal.turn == turn and goal.state == "under way":
            # What came whole is kept: the next candidate need not send it.
            coming = [one for one in self.transfers(goal) if self._useful(goal, one)]
            active = next((one for one in coming if one.state in ACTIVE), None)
            if active is None:
                if not any(one.state in _STUCK for one in coming):
                    break
                # Between two files of one user none is on its way for a moment.
                await asyncio.sleep(GRACE)
                if not any(one.state in ACTIVE for one in coming):
                    break
                continue
            await active.settled()
            await active.left(State.SAVING)
        self._failing.discard(goal.id)
        if goal.turn == turn and goal.state == "under way":
            await self._next(goal, trouble)

    def _useful(self, goal: Goal, transfer: Transfer) -> bool:
        """Whether a file that the failing candidate sends serves the goal although it goes on elsewhere."""
        following = goal.candidates[goal.turn + 1 :]
        if not following or transfer.state is State.SAVING:
            return True
        entry = (transfer.name, transfer.size or 0)
        return any(_entry(path, size) == entry for one in following[:1] for path, size in one.files)

    def _done(self, goal: Goal) -> int:
        return sum(transfer.done for transfer in self.transfers(goal))

    async def _next(self, goal: Goal, trouble: _Trouble) -> None:
        """Turn to the next candidate."""
        reason = str(trouble)
        before = self._batches.get(goal.batch)
        self._stop(goal)
        if before is not None and before.finished:
            # What it gave up on is what the goal can do without.
            goal.batch = before.id
            self._look(goal)
            return
        if goal.turn + 1 >= len(goal.candidates):
            # If one more is found, what is here goes on to it.
            goal.batch = before.id if before is not None else ""
            goal.state = "failed"
            goal.tell(f"no candidate is left; the last one: {reason}", "no_candidate", **trouble.params)
            self._save(goal)
            self._ledger.events.emit(GoalFailed(goal.id, reason))
            return
        goal.turn += 1
        candidate = goal.candidate
        line = f"{reason}; trying {candidate.username}" if reason else f"trying {candidate.username}"
        goal.tell(line, "trying", user=candidate.username, **trouble.params)
        self._moved_at[goal.id] = self._ledger.now()
        self._done_at[goal.id] = 0
        goal.waited = 0.0
        here = set(goal.here)
        files = [
            (candidate.username, path, size)
            for path, size in candidate.files
            if _entry(path, size) not in here
        ]
        folder = candidate.folder
        below = self._batches.folders_below((path for path, _ in candidate.files), len(remote_parts(folder)))
        one = all(len(copy.files) == 1 for copy in goal.candidates)
        by_layout = goal.destination is None and not goal.whole and one
        target = Path(goal.destination) if goal.destination is not None else None
        if goal.destination is None and goal.whole and folder:
            # It has the name of the copy that comes, not of one that failed.
            target = self._batches.folder_for(candidate.username, folder)
        batch = before
        if batch is not None:
            await self._batches.go_on(
                batch,
                files,
                below=below,
                lengths=candidate.lengths,
                priority=goal.priority,
                by_layout=by_layout,
                destination=target,
                copy={_entry(path, size) for path, size in candidate.files},
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
        self._save(goal)
        self._ledger.events.emit(GoalMoved(goal.id, candidate.username, reason))
        self._look(goal)

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
            now = self._ledger.now()
            for goal in self:
                if goal.state != "under way":
                    continue
                waiting = [transfer for transfer in self.transfers(goal) if not transfer.over]
                done = self._done(goal)
                stuck = waiting and all(transfer.state in _STUCK for transfer in waiting)
                if done != self._done_at.get(goal.id) or not stuck:
                    self._done_at[goal.id] = done
                    self._moved_at[goal.id] = now
                    goal.waited = 0.0
                    continue
                if goal.turn + 1 >= len(goal.candidates):
                    continue
                goal.waited = now - self._moved_at[goal.id]
                self._save(goal)
                gone = all(transfer.state in _GONE for transfer in waiting)
                if goal.waited >= (min(GONE_FOR, goal.patience) if gone else goal.patience):
                    waited = f"no byte of {goal.candidate.username} in {_duration(goal.waited)}"
                    await self._next(goal, _Trouble(waited))

    def _save(self, goal: Goal) -> None:
        body = asdict(goal)
        # Remote names are bytes; JSON has text only.
        body["candidates"] = [
            [
                c.username,
                [[raw(path).hex(), size, c.lengths.get(path)] for path, size in c.files],
            ]
            for c in goal.candidates
        ]
        self._ledger.journal.keep(_KIND, goal.id, body)


def _entry(path: str, size: int | None) -> tuple[str, int]:
    return path.rpartition("\\")[2], size or 0


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.2g} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"


def _loaded(body: dict[str, Any]) -> Goal:
    candidates = []
    for username, files in body.pop("candidates"):
        known = [(text(bytes.fromhex(path)), size, *length) for path, size, *length in files]
        lengths = {path: rest[0] for path, _, *rest in known if rest and rest[0]}
        candidates.append(Candidate(username, [(path, size) for path, size, *_ in known], lengths))
    here = [(name, size) for name, size in body.pop("here")]
    goal = Goal(candidates=candidates, here=here, **body)
    goal.steps[:0] = [{} for _ in range(len(goal.story) - len(goal.steps))]
    return goal
