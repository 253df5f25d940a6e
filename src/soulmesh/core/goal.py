"""When a goal goes on to its next source, and which files of the former one may stay.

A goal is what a person wants, and several users may have a copy of it. One of
them is asked at a time. What its files do decides how long that goes on:

=========  =============================================  =================================
situation  its files                                      the next source has its turn
=========  =============================================  =================================
WHOLE      all that must be here is here                  never
COMING     bytes move, or are being saved                 not now; a silent link ends itself
QUEUED     one is asked for or in the source's queue      after the patience
AWAY       they wait for the source, or for a next try    after the shorter patience
OURS       they wait for us: paused, no room, our turn    never: another source is no help
OVER       none that is missing goes on by itself         at once
=========  =============================================  =================================

One file that is refused for good does not end what else the source is sending:
those that are queued there may come, but only for the shorter patience. The
shorter one is for a source whose going costs nothing; where the next copy has
no use for what is here (other names, another kind of file) the longer counts.
A source that only kept us waiting is asked again when all others were, and each
round is twice as patient: who goes back and forth never gets to the head of a
queue.

No IO, no clock: ``now`` is a parameter, in seconds of any steady clock. Only
the time in which we are online and a source lets us wait is counted, so that
neither a restart nor an outage of ours counts for or against anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from soulmesh.core.transfer import FINAL, State

__all__ = [
    "AWAY",
    "PATIENCE",
    "SOUND",
    "Copy",
    "Situation",
    "Standing",
    "Vigil",
    "following",
    "situation",
    "title",
    "words",
]

PATIENCE = 3600.0
"""Seconds in a queue without a byte after which another source has its turn."""
AWAY = 600.0
"""Seconds for which a source may be offline or unreachable, or may let the rest wait after a refusal."""
MOST_ROUNDS = 6
"""After so many rounds patience grows no more."""

_ARRIVING = frozenset({State.STARTING, State.RUNNING, State.SAVING})
_ASKED = frozenset({State.ASKING, State.QUEUED, State.OFFERED})
_GONE = frozenset({State.OFFLINE, State.DELAYED})


class Situation(Enum):
    """What a source does for us, all its files together; see the module's table."""

    WHOLE = "whole"
    COMING = "coming"
    QUEUED = "queued"
    AWAY = "away"
    OURS = "ours"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Standing:
    """One file of the copy that is being fetched."""

    name: str
    state: State
    done: int = 0
    """Bytes that are here."""
    place: int | None = None
    reason: str = ""
    needed: bool = True
    """Without it the goal is not whole."""

    @property
    def missing(self) -> bool:
        """Whether the goal cannot be whole as it stands."""
        return self.needed and self.state is not State.FINISHED

    @property
    def over(self) -> bool:
        """Whether nothing happens to it by itself any more."""
        return self.state in FINAL


def situation(files: Iterable[Standing]) -> Situation:
    """What the files of one source amount to."""
    files = list(files)
    states = {file.state for file in files if not file.over}
    if not states:
        return Situation.OVER if any(file.missing for file in files) else Situation.WHOLE
    if states & _ARRIVING:
        return Situation.COMING
    if State.NO_ROOM in states:
        return Situation.OURS
    if states & _ASKED:
        return Situation.QUEUED
    return Situation.AWAY if states & _GONE else Situation.OURS


@dataclass(slots=True)
class Vigil:
    """How long the present source has let us wait, and whether that is enough.

    Args:
        patience: seconds for a queue.
        away: seconds for a source that is not there.
        waited: seconds that it has let us wait already, as they were written down.
    """

    patience: float = PATIENCE
    away: float = AWAY
    round: int = 0
    """How often all sources had their turn before."""
    waited: float = 0.0
    _most: int | None = field(default=None, init=False)
    _seen: float | None = field(default=None, init=False)

    def begin(self, *, round: int) -> None:
        """Another source has its turn."""
        self.round, self.waited, self._most = round, 0.0, None

    def look(self, files: Sequence[Standing], now: float, *, online: bool) -> Situation:
        """Take note of how the files stand. To be called whenever something changes, and now and then."""
        passed = 0.0 if self._seen is None else now - self._seen
        self._seen = now
        found = situation(files)
        done = sum(file.done for file in files)
        if self._most is None:
            self._most = done
        elif done > self._most:
            # A file that begins anew again and again brings nothing.
            self._most, self.waited = done, 0.0
            return found
        if online and found in (Situation.QUEUED, Situation.AWAY):
            self.waited += passed
        return found

    def limit(self, files: Sequence[Standing], *, useful: bool = True) -> float | None:
        """Seconds of waiting after which the next source has its turn; ``None`` for never.

        ``useful``: the next copy has use for what is here already.
        """
        match situation(files):
            case Situation.OVER:
                return 0.0
            case Situation.AWAY:
                short = useful
            case Situation.QUEUED:
                short = useful and any(file.missing and file.over for file in files)
            case _:
                return None
        seconds = min(self.away, self.patience) if short else self.patience
        return seconds * 2.0 ** min(self.round, MOST_ROUNDS)

    def left(self, files: Sequence[Standing], *, useful: bool = True) -> float | None:
        """Seconds until the next source has its turn; ``None`` for never."""
        limit = self.limit(files, useful=useful)
        return None if limit is None else max(0.0, limit - self.waited)


def following(turn: int, helpful: Sequence[bool]) -> int | None:
    """Which source comes after ``turn``: the next one that may help, from the beginning again at the end."""
    count = len(helpful)
    order = [(turn + step) % count for step in range(1, count + 1)] if count else []
    return next((place for place in order if helpful[place] and place != turn), None)


SOUND = frozenset(
    {"flac", "wav", "aiff", "aif", "ape", "wv", "alac", "mp3", "m4a", "ogg", "opus", "aac", "wma"}
)
"""Kinds of files that are songs."""


class Copy:
    """The files (name, bytes) of one source, as far as those of another one that are here are concerned."""

    def __init__(self, files: Iterable[tuple[str, int]]) -> None:
        self.files = frozenset(files)
        self._names = {name.casefold() for name, _ in self.files}
        self._kinds = {_kind(name) for name, _ in self.files} & SOUND
        self._titles = {title(name) for name, _ in self.files if _kind(name) in SOUND}

    def takes(self, file: tuple[str, int]) -> bool:
        """Whether a file that is here may stay with the files of this copy.

        It is one of them (the same name and size), or in nobody's way: no other file of the copy has its
        name, and if it is a song, the copy has songs of its kind alone, and none of its title.
        """
        if file in self.files:
            return True
        name, _ = file
        if name.casefold() in self._names:
            return False
        kind = _kind(name)
        if kind not in SOUND or not self._kinds:
            return True
        return kind in self._kinds and title(name) not in self._titles


def title(name: str) -> str:
    """What a song is called without number and kind: the same for ``01 - Ebb.flac`` and ``1. ebb.mp3``."""
    stem = name.rpartition(".")[0] or name
    said = "".join(sign if sign.isalnum() else " " for sign in stem.casefold()).split()
    while len(said) > 1 and said[0].isdigit():
        del said[0]
    return " ".join(said)


def _kind(name: str) -> str:
    stem, dot, kind = name.rpartition(".")
    return kind.lower() if dot and stem else ""


def words(files: Sequence[Standing], username: str) -> str:
    """One line: what the source does for us now."""
    match situation(files):
        case Situation.WHOLE:
            return f"all files of {username} are here"
        case Situation.COMING:
            return f"receiving from {username}"
        case Situation.QUEUED:
            places = [file.place for file in files if file.place is not None and file.state is State.QUEUED]
            return f"queued at {username}" + (f", place {min(places)}" if places else "")
        case Situation.AWAY:
            if any(file.state is State.OFFLINE for file in files):
                return f"{username} is offline"
            reason = next((file.reason for file in files if file.state is State.DELAYED and file.reason), "")
            return f"{username} is to be tried again" + (f": {reason}" if reason else "")
        case Situation.OURS:
            open_ = [file for file in files if not file.over]
            full = next((file.reason for file in open_ if file.state is State.NO_ROOM), None)
            if full is not None:
                return full or "the disk is full"
            if all(file.state is State.PAUSED for file in open_):
                return "paused until you resume it"
            return f"waits for its turn to be asked for at {username}"
        case Situation.OVER:
            reason = next((file.reason for file in files if file.missing and file.reason), "")
            return f"nothing more comes from {username}" + (f": {reason}" if reason else "")
