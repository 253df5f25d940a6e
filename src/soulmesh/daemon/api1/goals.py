"""Goals over ``/api/v1``: what a person wants, from whoever has it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from soulmesh.client.transfers.goals import Candidate, Goal, Goals
from soulmesh.core.transfer import State
from soulmesh.daemon.api0.transfers import destination_below
from soulmesh.daemon.api1 import models
from soulmesh.daemon.api1.common import client_of, cut, see_that_they_stay
from soulmesh.daemon.api1.operations import Body, Operation, Page
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.routing import Access
from soulmesh.daemon.service import Service

__all__ = ["operations"]

Ending = Annotated[str, StringConstraints(min_length=1, max_length=16)]


class NewCandidate(Body):
    """A user, and the files of the copy that it has."""

    username: models.Name
    files: Annotated[list[models.Wanted], Field(min_length=1, max_length=10_000)]


class NewGoal(Body):
    """Something wanted, and who may have it, best first."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    candidates: Annotated[list[NewCandidate], Field(min_length=1, max_length=100)]
    destination: Annotated[str, StringConstraints(max_length=1000)] | None = None
    """A folder below the downloads. Without one the layout says where a single file or a whole folder ends;
    other files end in a folder called ``name``."""
    whole: bool = False
    """Nothing appears there before everything is here."""
    may_miss: Annotated[list[Ending], Field(max_length=50, default_factory=list)]
    """Endings of files that it can do without."""
    patience: Annotated[float, Field(ge=10, le=30 * 86400)] | None = None
    """Seconds in a queue without a byte after which the next candidate has its turn; if not given, as set."""
    priority: models.Precedence = 0
    rules: Annotated[str, StringConstraints(max_length=256)] = ""
    """By which rules it was chosen, in words of your own; given back as it is."""


class CandidateRow(BaseModel):
    """A user who has a copy."""

    username: str
    files: int
    size: int


class GoalStep(BaseModel):
    """One line of a goal's story, without its words."""

    code: str
    """``trying``, ``done``, ``no_candidate``, ``dropped``; empty for what an older version wrote."""
    params: dict[str, str]
    """What stands in it: ``user``, ``file``, ``reason``, ``reason_code``."""


class GoalRow(BaseModel):
    """A goal, and how far it is. ``done`` and ``size`` are bytes of the candidate whose turn it is."""

    id: str
    name: str
    state: str
    candidates: list[CandidateRow]
    turn: int
    """The place of that candidate, from 0."""
    done: int
    size: int
    files: int
    files_here: int
    destination: str | None
    situation: str
    """``whole``, ``coming``, ``queued``, ``away`` (offline, or to be tried later), ``ours`` (it waits for us:
    paused, no room, its turn) or ``over`` (nothing more comes): what the present candidate does."""
    now: str
    """One line: what the present candidate does for us, and when the next one has its turn."""
    gone: int | None = None
    """How many of the files that came are not where they were put any more; ``null`` in lists."""
    story: list[str]
    steps: list[GoalStep]
    """What each line of the story says."""
    transfers: list[str]
    """Ids of the transfers that serve it now."""
    rules: str
    batch: str | None
    """The batch of its files, see ``/batches/{id}``."""


class GoalRows(BaseModel):
    """All goals, the newest first."""

    items: list[GoalRow]
    next: str | None = None


class _Goals:
    """The work."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def _goals(self) -> Goals:
        return client_of(self._service).transfers.goals

    async def all(self, _call: Call, query: Page, _body: None) -> dict[str, Any]:
        page, more = cut(list(self._goals)[::-1], query)
        return {"items": [self._row(goal) for goal in page], **more}

    async def one(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        goal = self._goal(call)
        return {**self._row(goal), "gone": await self._goals.gone(goal)}

    async def want(self, _call: Call, _query: None, body: NewGoal) -> dict[str, Any]:
        target = destination_below(self._service, body.destination) if body.destination else None
        candidates = [await self._candidate(one) for one in body.candidates]
        goal = await self._goals.want(
            body.name,
            candidates,
            destination=target,
            whole=body.whole,
            may_miss=[ending.lower().lstrip(".") for ending in body.may_miss],
            patience=body.patience,
            priority=body.priority,
            rules=body.rules,
        )
        return self._row(goal)

    async def add(self, call: Call, _query: None, body: NewCandidate) -> dict[str, Any]:
        goal = self._goal(call)
        if goal.state == "finished":
            raise HttpError(409, f"The goal is {goal.state}")
        await self._goals.add(goal, await self._candidate(body))
        return self._row(goal)

    async def pause(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        return self._turn(call, "pause", lambda state: state is not State.PAUSED)

    async def resume(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        return self._turn(call, "resume", lambda state: state is State.PAUSED)

    def _turn(self, call: Call, verb: str, concerns: Any) -> dict[str, Any]:
        goal = self._goal(call)
        if goal.state != "under way":
            raise HttpError(409, f"The goal is {goal.state}")
        transfers = client_of(self._service).transfers
        for transfer in self._goals.transfers(goal):
            if not transfer.over and concerns(transfer.state):
                getattr(transfers, verb)(transfer.id)
        return self._row(goal)

    async def cancel(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        goal = self._goal(call)
        if goal.state in ("under way", "failed"):
            self._goals.drop(goal)
        return self._row(goal)

    async def _candidate(self, body: NewCandidate) -> Candidate:
        paths = [file.path for file in body.files]
        see_that_they_stay(paths, "body.candidates")
        names = await self._service.ledger.remembered(body.username, paths)
        return Candidate(
            body.username,
            [(names.get(f.path, f.name), f.size) for f in body.files],
            {names.get(f.path, f.path): f.length for f in body.files if f.length},
        )

    def _goal(self, call: Call) -> Goal:
        found = self._goals.get(call.path["id"])
        if found is None:
            raise HttpError(404, "There is no such goal")
        return found

    def _row(self, goal: Goal) -> dict[str, Any]:
        transfers = self._goals.transfers(goal) if goal.turn >= 0 else []
        candidate = goal.candidates[goal.turn] if 0 <= goal.turn < len(goal.candidates) else None
        waiting = [transfer for transfer in transfers if not transfer.over]
        state = goal.state
        if state == "under way" and waiting and all(one.state is State.PAUSED for one in waiting):
            state = "paused"
        files = candidate.files if candidate is not None else []
        size = sum(size or 0 for _, size in files)
        # Files that came before, from whomever, are not asked for again.
        came = self._goals.here(goal)
        here = sum(amount for _, amount in came)
        moving = sum(one.done for one in transfers if one.state is not State.FINISHED)
        return {
            "id": goal.id,
            "name": goal.name,
            "state": state,
            "candidates": [
                {"username": one.username, "files": len(one.files), "size": sum(s or 0 for _, s in one.files)}
                for one in goal.candidates
            ],
            "turn": goal.turn,
            "done": size if state == "finished" else min(size, here + moving) if size else here + moving,
            "size": size,
            "files": len(files),
            "files_here": len(came),
            "destination": goal.destination,
            "situation": self._goals.situation(goal).value if goal.turn >= 0 else "ours",
            "now": self._goals.now(goal) if goal.turn >= 0 else "",
            "story": list(goal.story),
            "steps": [{"code": step.get("code", ""), "params": _params(step)} for step in goal.steps],
            "transfers": [one.uuid for one in transfers],
            "rules": goal.rules,
            "batch": goal.batch or None,
        }


def _params(step: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in step.items() if name != "code"}


def operations(service: Service) -> list[Operation]:
    """What is served here."""
    work = _Goals(service)
    one = "/goals/{id}"

    def change(path: str, told: str, what: Any, **more: Any) -> Operation:
        return Operation("POST", path, told, what, GoalRow, Access.WRITE, refusals=(409, 503, 504), **more)

    candidate = {"username": "quiet.harbor", "files": [{"path": "music\\album\\01.flac", "size": 31457280}]}
    return [
        Operation(
            "GET", "/goals", "What is wanted, whoever has it", work.all, GoalRows, query=Page, refusals=(503,)
        ),
        change(
            "/goals",
            "Want one of several copies",
            work.want,
            body=NewGoal,
            status=201,
            example={"name": "Tidal Maps", "candidates": [candidate], "whole": True},
        ),
        Operation("GET", one, "One goal", work.one, GoalRow, refusals=(503,)),
        change(f"{one}/candidates", "Another copy was found", work.add, body=NewCandidate, example=candidate),
        change(f"{one}/pause", "Let it rest", work.pause),
        change(f"{one}/resume", "Go on with it", work.resume),
        change(f"{one}/cancel", "Want it no longer; what is here stays", work.cancel),
    ]
