"""Why a transfer waits, in plain words.

The journal keeps what happened to each transfer as :class:`Chapter`; here they
become lines that a person reads: ``asked 14:02``, ``place 37``, ``next try
14:13, attempt 3``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from soulmesh.core.reasons import reason_code
from soulmesh.core.retry import NO_SUCH_USER
from soulmesh.core.transfer import Event, Owner, State

__all__ = ["Chapter", "Fact", "Standing", "fact", "facts", "tell", "why"]


@dataclass(frozen=True, slots=True)
class Chapter:
    """One thing that happened."""

    at: datetime
    event: Event
    state: State
    """Where the transfer stood afterwards."""
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """What a line says, without its words: for whoever has words in another language."""

    code: str
    """``download.delayed``: the direction and the state, or what happened. Codes stay what they are."""
    params: dict[str, str | int]
    """What stands in the line: ``user``, ``place``, ``detail``, ``done``, ``size``, ``attempt``, ``reason``
    (the words of the other side or of the system) with ``reason_code``. What is not known is left out."""
    at: datetime | None = None
    """When it happened, or when something happens by itself."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a transfer stands now, as far as the last line needs it."""

    direction: str
    state: State
    owner: Owner
    username: str
    reason: str = ""
    until: datetime | None = None
    """When something happens by itself: the next try, or the end of our patience."""
    attempts: int = 0
    place: int | None = None
    done: int = 0
    size: int | None = None
    held_back: str = ""
    """Finished, but its folder could not be moved to where it is wanted: why. ``until`` is the next try."""


_NO_SUCH_USER = "there is no user {user}"
_REASONED = frozenset({State.DELAYED, State.FAILED, State.NO_ROOM})
_DOWNLOAD = {
    Event.BEGAN: "connecting to {user} to ask for it",
    Event.ASKED: "asked {user} for it",
    Event.PLACED: "place {detail} in the queue of {user}",
    Event.OFFERED: "{user} offered to send {detail} bytes",
    Event.LINKED: "{user} connected; asked to start at byte {detail}",
    Event.MOVED_ON: "the first bytes came",
    Event.ALL_RECEIVED: "all bytes are here",
    Event.SAVED: "saved as {detail}",
    Event.REQUEUED: "{user} says that it is queued",
    Event.RESTARTED: "started anew: {reason}",
    Event.VANISHED: "lost: {reason}",
    Event.DISK_FILLED: "{reason}",
    Event.DISK_FREED: "the disk has room again",
    Event.TURNED_DOWN: "{user} offered it, and was told to keep it queued: {reason}",
}
_UPLOAD = {
    Event.CALLED: "its turn: offered it to {user}",
    Event.ACCEPTED: "{user} said yes",
    Event.LINKED: "connection for the file open",
    Event.MOVED_ON: "{user} asked to start at byte {detail}",
    Event.ALL_SENT: "all bytes are sent",
    Event.CLOSED: "{user} confirmed the end",
    Event.HAD_ALREADY: "{user} has it already",
    Event.REQUEUED: "{user} asked for it again",
}
_BOTH = {
    Event.PUT_OFF: "failed: {reason}",
    Event.GAVE_UP: "given up: {reason}",
    Event.PEER_LEFT: "{user} went offline",
    Event.PEER_CAME: "{user} is back online",
    Event.DUE: "time for the next try",
    Event.PAUSED: "paused",
    Event.RESUMED: "resumed",
    Event.RETRIED: "wanted again",
    Event.CANCELLED: "cancelled{detail}",
    Event.TOOK_OVER: "takes over from {detail}",
    Event.GATHERED: "its folder is whole; moved to {detail}",
    Event.RESTORED: "the program was started again",
}


def _never_there(told: Standing | Chapter) -> bool:
    return told.state is State.OFFLINE and told.reason == NO_SUCH_USER


def _told(chapters: Sequence[Chapter]) -> Iterator[Chapter]:
    """Those that are told: of a run of places in the queue the last one."""
    for index, chapter in enumerate(chapters):
        following = chapters[index + 1] if index + 1 < len(chapters) else None
        if chapter.event is not Event.PLACED or following is None or following.event is not Event.PLACED:
            yield chapter


def tell(chapters: Sequence[Chapter], direction: str, username: str, now: datetime) -> list[str]:
    """One line per chapter, oldest first. Runs of places in the queue become one line."""
    words = {**_BOTH, **(_DOWNLOAD if direction == "download" else _UPLOAD)}
    lines: list[str] = []
    for chapter in _told(chapters):
        text = words.get(chapter.event, str(chapter.event))
        if _never_there(chapter):
            text = _NO_SUCH_USER
        line = text.format(user=username, detail=chapter.detail, reason=chapter.reason or "no reason given")
        lines.append(f"{clock(chapter.at, now)} {line}")
    return lines


def facts(chapters: Sequence[Chapter], direction: str, username: str) -> list[Fact]:
    """What the lines of :func:`tell` say, one for each."""
    return [
        Fact(
            f"{direction}.happened.{'no_such_user' if _never_there(chapter) else chapter.event.name.lower()}",
            _params(user=username, detail=chapter.detail, reason=chapter.reason),
            chapter.at,
        )
        for chapter in _told(chapters)
    ]


def fact(standing: Standing) -> Fact:
    """What the sentence of :func:`why` says."""
    state = standing.state
    name = state.name.lower()
    if state is State.FINISHED and standing.held_back:
        name = "held_back"
    elif _never_there(standing):
        name = "no_such_user"
    return Fact(
        f"{standing.direction}.{name}",
        _params(
            user=standing.username,
            place=standing.place if state is State.QUEUED else None,
            done=standing.done if state is State.RUNNING else None,
            size=standing.size if state is State.RUNNING else None,
            attempt=standing.attempts + 1 if state is State.DELAYED else None,
            reason=standing.held_back or (standing.reason if state in _REASONED else ""),
        ),
        standing.until if state is State.DELAYED or name == "held_back" else None,
    )


def _params(**given: str | int | None) -> dict[str, str | int]:
    found = {name: value for name, value in given.items() if value is not None and value != ""}
    reason = found.get("reason")
    if isinstance(reason, str):
        found["reason_code"] = reason_code(reason)
    return found


def why(standing: Standing, now: datetime) -> str:
    """One sentence: where it stands, on whom that depends, what happens next."""
    user = standing.username
    download = standing.direction == "download"
    match standing.state:
        case State.PENDING:
            said = "waits for its turn to be asked for"
        case State.ASKING:
            said = f"connecting to {user}"
        case State.QUEUED if download:
            place = f", place {standing.place}" if standing.place is not None else ""
            said = f"queued at {user}{place}"
        case State.QUEUED:
            place = f", place {standing.place}" if standing.place is not None else ""
            said = f"waits for a free slot of ours{place}"
        case State.OFFERED:
            said = f"{user} has offered it; waiting for the connection"
        case State.CALLING:
            said = f"offered to {user}; waiting for the answer"
        case State.LINKING:
            said = f"opening a connection to {user}"
        case State.STARTING:
            said = f"connected to {user}, no byte yet"
        case State.RUNNING:
            said = f"{'receiving from' if download else 'sending to'} {user}{_progress(standing)}"
        case State.DRAINING:
            said = f"all sent; waiting for {user} to confirm"
        case State.SAVING:
            said = "all received; being saved"
        case State.DELAYED:
            when = f"; next try {clock(standing.until, now)}" if standing.until else ""
            said = f"{standing.reason or 'failed'}{when}, attempt {standing.attempts + 1}"
        case State.OFFLINE if _never_there(standing):
            said = f"{_NO_SUCH_USER.format(user=user)}; asked again at the next login"
        case State.OFFLINE:
            said = f"{user} is offline; goes on when {user} is back"
        case State.NO_ROOM:
            said = f"{standing.reason or 'the disk is full'}; goes on when there is room"
        case State.PAUSED:
            said = "paused until you resume it"
        case State.FINISHED if standing.held_back:
            when = f"; next try {clock(standing.until, now)}" if standing.until else ""
            said = f"all received, but its folder could not be moved: {standing.held_back}{when}"
        case State.FINISHED:
            said = "finished"
        case State.FAILED:
            said = f"failed: {standing.reason or 'no reason given'}; retry it when you think it can work"
        case State.CANCELLED:
            said = "cancelled"
    return said


def clock(at: datetime, now: datetime) -> str:
    """``14:02`` on the same day, else with the date."""
    return at.strftime("%H:%M") if at.date() == now.date() else at.strftime("%Y-%m-%d %H:%M")


def _progress(standing: Standing) -> str:
    if not standing.size:
        return ""
    return f", {100 * standing.done // standing.size} %"
