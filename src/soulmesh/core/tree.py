"""Our place in the tree that carries searches: one parent, some children, or a root.

flows.rst, "Distributed Network". The server feeds searches to the roots (level
0), everybody passes them on to the own children. This machine decides who our
parent is, who may be our child, and what passes; the edge opens and closes the
links and moves the bytes.

A link is whatever the edge uses as its name for one. The machine never reads a
search: it forwards the very bytes that came, and only looks whether it has seen
them a short while ago.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from soulmesh.wire import distributed, to_client, to_server
from soulmesh.wire.message import Message

__all__ = [
    "ConnectTo",
    "Drop",
    "Effect",
    "Forward",
    "Moved",
    "TellLink",
    "TellServer",
    "Tree",
    "TreeLimits",
    "children_allowed",
]

SEARCH_CODE = 3


@dataclass(frozen=True, slots=True)
class TreeLimits:
    """The numbers of our own choice. Seconds, unless said otherwise."""

    most_children: int = 10
    """However fast we are."""
    deepest_parent: int = 100
    """A candidate at this level or deeper is refused: such branches are broken."""
    most_candidates: int = 10
    settle: float = 3.0
    """From the first candidate that is ready until we choose, so that better ones can still show up."""
    candidate_timeout: float = 60.0
    """A candidate that has not told its level by then is dropped."""
    shun: float = 50.0
    """A candidate that failed, or a parent lost as soon as this, is not tried again for so long."""
    parent_silence: float = 300.0
    """A parent that says nothing at all for so long is given up (ParentInactivityTimeout changes it)."""
    root_proof: float = 10.0
    """Searches from the server this long after we told it of our parent mean: it sees us as a root."""
    remember: float = 30.0
    """For about this long the same search is a duplicate."""
    remember_most: int = 50_000


def children_allowed(avg_speed: int, min_speed: int, ratio: int, most: int) -> int:
    """How many children our upload speed can bear.

    ``avg_speed`` in bytes per second as the server knows it; ``min_speed`` (KiB/s) and
    ``ratio`` as ParentMinSpeed and ParentSpeedRatio give them.
    """
    if avg_speed < min_speed * 1024 or avg_speed <= 0:
        return 0
    if ratio <= 0:
        return most
    return min(most, int(avg_speed / (ratio / 10 * 1024)))


@dataclass(frozen=True, slots=True)
class ConnectTo:
    """Open a D link to this candidate; report to ``candidate_linked`` or ``candidate_failed``."""

    username: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Close this link."""

    link: object
    reason: str


@dataclass(frozen=True, slots=True)
class TellServer:
    """Send this to the server (if we are logged in: the rest is sent again at login)."""

    message: Message


@dataclass(frozen=True, slots=True)
class TellLink:
    """Send this over a D link."""

    link: object
    message: Message


@dataclass(frozen=True, slots=True)
class Forward:
    """Write these bytes to these links: whole frames, as they came."""

    links: tuple[object, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Moved:
    """Our place changed. ``parent`` is ``None`` for a root."""

    parent: str | None
    level: int
    root: str
    reason: str


Effect: TypeAlias = ConnectTo | Drop | TellServer | TellLink | Forward | Moved


class _Candidate:
    """Somebody who may become our parent."""

    __slots__ = ("delivered", "level", "link", "root", "since", "username")

    def __init__(self, username: str, since: float) -> None:
        self.username = username
        self.since = since
        self.link: object | None = None
        self.level: int | None = None
        self.root: str | None = None
        self.delivered = False

    @property
    def ready(self) -> bool:
        """Level and root are known. A root (level 0) need not say its root: it is one itself."""
        return self.link is not None and self.level is not None and (self.level == 0 or self.root is not None)

    @property
    def branch_root(self) -> str:
        return self.username if self.level == 0 or self.root is None else self.root


class Tree:
    """Our parent, our children, and what passes between them.

    Args:
        username: our own name; a branch that hangs below ourselves has it as root.
        limits: our own numbers.
    """

    def __init__(self, username: str, limits: TreeLimits = TreeLimits()) -> None:
        self.username = username
        self.limits = limits
        self.level = 0
        self.root = username
        self.children: dict[object, str] = {}
        self.seen = 0
        """Searches that came from the parent or the server."""
        self.forwarded = 0
        """Copies that went to children."""
        self.duplicates = 0
        self._parent: _Candidate | None = None
        self._candidates: dict[str, _Candidate] = {}
        self._choose_at: float | None = None
        self._parent_heard = 0.0
        self._parent_since = 0.0
        self._shunned: dict[str, float] = {}
        self._told_server = 0.0
        self._silence = limits.parent_silence
        self._min_speed = 1
        self._ratio = 50
        self._avg_speed: int | None = None
        self._willing = True
        self._accepting = True
        self._recent: set[bytes] = set()
        self._older: set[bytes] = set()
        self._turn_at = 0.0

    # -- what we are

    @property
    def parent(self) -> str | None:
        """The user name of our parent, ``None`` while we have none."""
        return self._parent.username if self._parent is not None else None

    @property
    def most_children(self) -> int:
        """How many children we may have now."""
        if not self._willing:
            return 0
        if self._avg_speed is None:
            # The server's answer is on its way; whoever is offered to us meanwhile need not wait a minute.
            return self.limits.most_children
        return children_allowed(self._avg_speed, self._min_speed, self._ratio, self.limits.most_children)

    @property
    def measures(self) -> tuple[int | None, int, int]:
        """Our upload speed as the server sees it (bytes per second; ``None`` until it has told), and its two
        rules for children: the least speed (KiB/s), and the tenths of a KiB/s that each child needs."""
        return self._avg_speed, self._min_speed, self._ratio

    @property
    def deadline(self) -> float | None:
        """When :meth:`tick` next has something to do."""
        # Ready ones wait for the choice, which has a timer of its own.
        times = [c.since + self.limits.candidate_timeout for c in self._candidates.values() if not c.ready]
        if self._choose_at is not None:
            times.append(self._choose_at)
        if self._parent is not None:
            times.append(self._parent_heard + self._silence)
        return min(times, default=None)

    # -- the server

    def logged_in(self, now: float) -> list[Effect]:
        """What the server has to know after a login: at first that we have no parent, later what we have."""
        self._told_server = now
        self._accepting = self._has_room()
        return [
            TellServer(to_server.ToggleParentSearch(self._parent is None)),
            TellServer(to_server.BranchRoot(self.root)),
            TellServer(to_server.BranchLevel(self.level)),
            TellServer(to_server.AcceptChildren(self._accepting)),
        ]

    def rule(self, message: Message, now: float) -> list[Effect]:
        """One of the server's numbers: ParentMinSpeed, ParentSpeedRatio, ParentInactivityTimeout."""
        if isinstance(message, to_client.ParentMinSpeed):
            self._min_speed = message.speed
        elif isinstance(message, to_client.ParentSpeedRatio):
            self._ratio = message.ratio
        elif isinstance(message, to_client.ParentInactivityTimeout) and message.timeout > 0:
            self._silence = float(message.timeout)
        return self._room_changed()

    def speed_known(self, avg_speed: int) -> list[Effect]:
        """Our upload speed as the server sees it, bytes per second."""
        self._avg_speed = avg_speed
        return self._room_changed()

    def willing(self, yes: bool) -> list[Effect]:
        """Whether we want children at all."""
        self._willing = yes
        return self._room_changed()

    def offered(self, entries: Sequence[tuple[str, str, int]], now: float) -> list[Effect]:
        """PotentialParents: (username, host, port) of users who may become our parent. All are tried."""
        if self._parent is not None:
            return []
        effects: list[Effect] = []
        below = set(self.children.values())
        for username, host, port in entries:
            if len(self._candidates) >= self.limits.most_candidates:
                break
            if username == self.username or username in self._candidates or username in below:
                continue
            if self._shunned.get(username, now) > now:
                continue
            self._candidates[username] = _Candidate(username, now)
            effects.append(ConnectTo(username, host, port))
        return effects

    def reset(self, now: float) -> list[Effect]:
        """ResetDistributed: the server wants us to begin again, without parent and children."""
        effects: list[Effect] = [Drop(link, "the server reset the tree") for link in self.children]
        self.children.clear()
        effects += self._drop_candidates("the server reset the tree")
        if self._parent is not None:
            effects.append(Drop(self._parent.link, "the server reset the tree"))
            self._parent = None
        return effects + self._become_root("the server reset the tree", now)

    # -- candidates and parent

    def candidate_linked(self, username: str, link: object, now: float) -> list[Effect]:
        """A D link to somebody we were offered is open."""
        candidate = self._candidates.get(username)
        if candidate is None or candidate.link is not None:
            return [Drop(link, "no longer needed")]
        candidate.link = link
        return []

    def candidate_failed(self, username: str, now: float) -> list[Effect]:
        """No link to that candidate."""
        candidate = self._candidates.get(username)
        if candidate is not None and candidate.link is None:
            del self._candidates[username]
            self._shun(username, now)
            return self._choose_if_settled(now)
        return []

    def told_level(self, link: object, level: int, now: float) -> list[Effect]:
        """DistributedBranchLevel came over a link."""
        source = self._above(link)
        if source is None:
            return []
        self._heard(source, now)
        if level < 0 or level >= self.limits.deepest_parent:
            return self._refuse(source, f"its branch level is {level}", now)
        source.level = level
        return self._learnt(source, now)

    def told_root(self, link: object, root: str, now: float) -> list[Effect]:
        """DistributedBranchRoot came over a link."""
        source = self._above(link)
        if source is None:
            return []
        self._heard(source, now)
        if not 1 <= len(root) <= 256:
            return self._refuse(source, "its branch root has no usable name", now)
        source.root = root
        return self._learnt(source, now)

    def heard(self, link: object, now: float) -> None:
        """Anything else came over a link: its owner is alive."""
        source = self._above(link)
        if source is not None:
            self._heard(source, now)

    # -- children

    def child_linked(self, username: str, link: object, now: float) -> list[Effect]:
        """Somebody opened a D link to us, and wants to be our child."""
        if self._parent is not None and self._parent.username == username:
            return [Drop(link, "it is our parent")]
        if username in self._candidates:
            # Both of us look for a parent and were offered each other. Who asks us becomes our child;
            # as its own parent it would make a ring of two.
            effects = self._forget_candidate(username, "it wants to be our child")
        else:
            effects = []
        # Who opens a link both ways at once closes one of the two, and only it knows which.
        same = [other for other, name in self.children.items() if name == username]
        if len(same) > 1:
            del self.children[same[0]]
            effects.append(Drop(same[0], "the same user came again"))
        if not same and not self._has_room():
            return [*effects, Drop(link, "no room for another child")]
        self.children[link] = username
        effects += self._introduce(link)
        return effects + self._room_changed()

    # -- what any link can do

    def lost(self, link: object, now: float) -> list[Effect]:
        """A link broke, or the edge closed it."""
        if self.children.pop(link, None) is not None:
            return self._room_changed()
        if self._parent is not None and self._parent.link == link:
            name = self._parent.username
            self._parent = None
            if now < self._parent_since + self.limits.shun:
                self._shun(name, now)
            return self._become_root(f"the link to our parent {name} broke", now)
        for username, candidate in list(self._candidates.items()):
            if candidate.link == link:
                del self._candidates[username]
                self._shun(username, now)
                return self._choose_if_settled(now)
        return []

    def searches(self, link: object, frames: Sequence[bytes], now: float) -> tuple[list[Effect], list[bytes]]:
        """Search frames (whole, with code 3) came over a link.

        Returns:
            What to do, and the frames that are new to us and to be answered.
        """
        source = self._above(link)
        if source is None:
            # A child that sends searches upwards, or a link we are closing.
            return [], []
        self._heard(source, now)
        if source is not self._parent:
            source.delivered = True
            return self._choose_if_settled(now), []
        return self._pass_on(frames, now)

    def server_searches(self, frames: Sequence[bytes], now: float) -> tuple[list[Effect], list[bytes]]:
        """Searches that the server sent us as a root, already as distributed frames."""
        effects: list[Effect] = []
        if self._parent is not None and now >= self._told_server + self.limits.root_proof:
            gone = self._parent
            self._parent = None
            effects.append(Drop(gone.link, "the server sees us as a root"))
            effects += self._become_root("the server made us a root", now)
        passed, fresh = self._pass_on(frames, now)
        return effects + passed, fresh

    def tick(self, now: float) -> list[Effect]:
        """Time has passed."""
        effects: list[Effect] = []
        for username, candidate in list(self._candidates.items()):
            if not candidate.ready and now >= candidate.since + self.limits.candidate_timeout:
                effects += self._forget_candidate(username, "it did not tell its place in the tree")
                effects += self._choose_if_settled(now)
        if self._parent is not None and now >= self._parent_heard + self._silence:
            gone = self._parent
            self._parent = None
            effects.append(Drop(gone.link, "our parent went silent"))
            effects += self._become_root(f"our parent {gone.username} went silent", now)
        if self._choose_at is not None and now >= self._choose_at:
            effects += self._choose(now)
        return effects

    # -- inside

    def _above(self, link: object) -> _Candidate | None:
        if self._parent is not None and self._parent.link == link:
            return self._parent
        for candidate in self._candidates.values():
            if candidate.link == link:
                return candidate
        return None

    def _heard(self, source: _Candidate, now: float) -> None:
        if source is self._parent:
            self._parent_heard = now

    def _learnt(self, source: _Candidate, now: float) -> list[Effect]:
        if not source.ready:
            return []
        if source.branch_root == self.username and source.level != 0:
            # It hangs below us: as our parent it would close a ring.
            return self._refuse(source, "its branch hangs below us", now)
        if source is self._parent:
            return self._follow(source, f"our parent {source.username} moved", now)
        return self._choose_if_settled(now)

    def _shun(self, username: str, now: float) -> None:
        """Servers offer candidates at once to whoever asks: a bad one would be tried for ever."""
        if len(self._shunned) > 100:
            self._shunned = {name: until for name, until in self._shunned.items() if until > now}
        self._shunned[username] = now + self.limits.shun

    def _refuse(self, source: _Candidate, reason: str, now: float) -> list[Effect]:
        self._shun(source.username, now)
        if source is self._parent:
            self._parent = None
            return [Drop(source.link, reason), *self._become_root(reason, now)]
        return [*self._forget_candidate(source.username, reason), *self._choose_if_settled(now)]

    def _forget_candidate(self, username: str, reason: str) -> list[Effect]:
        candidate = self._candidates.pop(username, None)
        if candidate is None or candidate.link is None:
            return []
        return [Drop(candidate.link, reason)]

    def _drop_candidates(self, reason: str) -> list[Effect]:
        self._choose_at = None
        effects: list[Effect] = []
        for username in list(self._candidates):
            effects += self._forget_candidate(username, reason)
        return effects

    def _choose_if_settled(self, now: float) -> list[Effect]:
        """Choose at once if there is nothing to wait for, else when the time for it has passed."""
        if self._parent is not None:
            return []
        ready = [c for c in self._candidates.values() if c.ready]
        if not ready:
            self._choose_at = None
            return []
        if len(ready) == len(self._candidates):
            return self._choose(now)
        if self._choose_at is None:
            self._choose_at = now + self.limits.settle
        return []

    def _choose(self, now: float) -> list[Effect]:
        """Who really delivers goes before who only says to; then the shortest way to the root."""
        self._choose_at = None
        ready = [c for c in self._candidates.values() if c.ready]
        if not ready or self._parent is not None:
            return []
        best = min(ready, key=lambda c: (not c.delivered, c.level))
        del self._candidates[best.username]
        self._parent = best
        self._parent_heard = self._parent_since = now
        effects = self._drop_candidates("another parent was chosen")
        return effects + self._follow(best, f"{best.username} is our parent", now)

    def _follow(self, parent: _Candidate, reason: str, now: float) -> list[Effect]:
        level, root = (parent.level or 0) + 1, parent.branch_root
        if (level, root) == (self.level, self.root):
            return []
        return self._move(level, root, reason, now)

    def _become_root(self, reason: str, now: float) -> list[Effect]:
        """Nobody is above us. Children stay, as a branch of our own."""
        return self._move(0, self.username, reason, now)

    def _move(self, level: int, root: str, reason: str, now: float) -> list[Effect]:
        self.level, self.root = level, root
        self._told_server = now
        effects: list[Effect] = [Moved(self.parent, level, root, reason)]
        self._accepting = self._has_room()
        effects += [
            TellServer(to_server.BranchLevel(level)),
            TellServer(to_server.BranchRoot(root)),
            TellServer(to_server.ToggleParentSearch(self._parent is None)),
            TellServer(to_server.AcceptChildren(self._accepting)),
        ]
        for link in self.children:
            effects += self._introduce(link)
        return effects

    def _introduce(self, link: object) -> list[Effect]:
        return [
            TellLink(link, distributed.DistributedBranchLevel(self.level)),
            TellLink(link, distributed.DistributedBranchRoot(self.root)),
        ]

    def _has_room(self) -> bool:
        return len(set(self.children.values())) < self.most_children

    def _room_changed(self) -> list[Effect]:
        if self._has_room() == self._accepting:
            return []
        self._accepting = not self._accepting
        return [TellServer(to_server.AcceptChildren(self._accepting))]

    def _pass_on(self, frames: Sequence[bytes], now: float) -> tuple[list[Effect], list[bytes]]:
        if now >= self._turn_at or len(self._recent) >= self.limits.remember_most:
            self._older, self._recent = self._recent, set()
            self._turn_at = now + self.limits.remember
        self.seen += len(frames)
        fresh: list[bytes] = []
        for frame in frames:
            if frame in self._recent or frame in self._older:
                self.duplicates += 1
                continue
            self._recent.add(frame)
            fresh.append(frame)
        if not fresh or not self.children:
            return [], fresh
        self.forwarded += len(fresh) * len(self.children)
        return [Forward(tuple(self.children), b"".join(fresh))], fresh
