"""The distributed network as the server sees it: who is a root, who may be whose parent.

The server knows of each client what it told: its branch root, its level, whether
it looks for a parent and takes children. From these it chooses possible parents
such that no loops form, and notices branches that hang in the air.
"""

from __future__ import annotations

from collections import deque

from soulmesh import wire
from soulmesh.server.frames import wire_name
from soulmesh.server.realm import Realm
from soulmesh.server.state import Session, User
from soulmesh.wire import to_client, to_server
from soulmesh.wire.structs import PotentialParent

__all__ = ["Tree"]

_STALE = 1.0
"""Seconds for which a list of candidates may be reused once the network is large."""

_LARGE = 200


class Tree:
    """See the module. :meth:`tick` is to be called about once a second, or at :attr:`deadline`."""

    def __init__(self, realm: Realm) -> None:
        self._realm = realm
        self._waiting: deque[tuple[float, Session, int]] = deque()
        self._turns: dict[Session, int] = {}
        self._turn = 0
        self._candidates: list[Session] = []
        self._collected = -1.0
        self._changed = True
        self._offset = 0
        self._doubtful: dict[Session, bytes] = {}
        self._next_check = 0.0

    def capacity(self, user: User) -> int:
        """Children that the user may have by its upload speed."""
        settings = self._realm.settings.distributed
        if user.speed < settings.parent_min_speed * 1024:
            return 0
        return int(user.speed / (settings.parent_speed_ratio / 10 * 1024))

    # ---- what clients tell

    def toggle_search(
        self, session: Session, user: User, message: to_server.ToggleParentSearch, now: float
    ) -> None:
        """Looks for a parent: a list at once, and again until it says stop."""
        self._changed = True
        session.seeking_parent = bool(message.enable)
        self._turns.pop(session, None)
        if session.seeking_parent:
            self._turn += 1
            self._turns[session] = self._turn
            self._offer(session, user, now)
            self._wait(session, now)

    def _wait(self, session: Session, now: float) -> None:
        interval = self._realm.settings.distributed.potential_parents_interval
        self._waiting.append((now + interval, session, self._turns[session]))

    def branch_level(self, session: Session, user: User, message: to_server.BranchLevel) -> None:
        """How far from its root. Anything from 2^31 up is a negative number of an odd client."""
        if message.level >= 1 << 31:
            return
        session.branch_level = message.level
        session.level_known = True
        self._place(session)

    def branch_root(self, session: Session, user: User, message: to_server.BranchRoot) -> None:
        """Who its root is; a root that is not there means that the branch is broken."""
        root = wire_name(wire.raw(message.username))
        found = self._realm.users.get(root)
        if found is None or found.session is None:
            session.send(wire.encode(to_client.ResetDistributed()))
            return
        session.branch_root = root
        session.level_known = True
        self._place(session)

    def child_depth(self, session: Session, user: User, message: to_server.ChildDepth) -> None:
        """How deep the tree below it is. Kept for the figures of administrators."""
        session.child_depth = message.depth

    def accept_children(self, session: Session, user: User, message: to_server.AcceptChildren) -> None:
        """Whether it takes children."""
        session.accepts_children = bool(message.accept)
        self._changed = True

    def _place(self, session: Session) -> None:
        self._changed = True
        roots = self._realm.roots
        root = session.branch_level == 0
        if root and session not in roots.members:
            roots.spill()
            roots.members[session] = None
        elif not root and session in roots.members:
            roots.spill()
            del roots.members[session]
        session.is_root = root

    def left(self, session: Session) -> None:
        """The session is gone."""
        self._changed = True
        self._turns.pop(session, None)
        self._doubtful.pop(session, None)

    # ---- choosing parents

    def _collect(self, now: float) -> list[Session]:
        """Who takes children and belongs to a level of its branch that has room, best first.

        Clients tell root and level, not their parent. So room is counted by branch and level: the children
        that all of a level may have, less those who stand one level below.
        """
        fresh = now - self._collected < _STALE
        if self._changed and not (fresh and len(self._candidates) >= _LARGE):
            sessions = self._realm.online.sessions()
            room: dict[tuple[bytes | None, int], int] = {}
            willing: list[tuple[Session, User, tuple[bytes | None, int]]] = []
            for session in sessions:
                user = session.user
                if user is None:
                    continue
                if session.branch_level > 0 and not session.seeking_parent:
                    above = (session.branch_root, session.branch_level - 1)
                    room[above] = room.get(above, 0) - 1
                capacity = self.capacity(user) if session.accepts_children and session.port else 0
                if capacity > 0:
                    root = session.branch_root if session.branch_level else user.name
                    place = (root, session.branch_level)
                    room[place] = room.get(place, 0) + capacity
                    willing.append((session, user, place))
            found = [
                # Near a root first, then by the order of magnitude of its speed, and otherwise by lot:
                # the server does not know which one of a level has its children already.
                (session.branch_level, -user.speed.bit_length(), self._realm.random.random(), session)
                for session, user, place in willing
                if room[place] > 0
            ]
            found.sort(key=lambda entry: entry[:3])
            self._candidates = [entry[3] for entry in found]
            self._collected = now
            self._changed = False
        return self._candidates

    def choose(self, session: Session, user: User, now: float) -> list[Session]:
        """Possible parents: near a root first, then fast ones; never the user itself or one below it."""
        limit = self._realm.settings.distributed.maximum_parents
        chosen: list[Session] = []
        candidates = self._collect(now)
        number = len(candidates)
        # In a large network begin somewhere else each time, so that not all ask the same ten.
        start = 0
        if number > limit * 4:
            start = self._offset = (self._offset + limit) % number
        for place in range(number):
            candidate = candidates[(start + place) % number]
            other = candidate.user
            if other is None or other is user:
                continue
            if candidate.branch_level > 0 and candidate.branch_root == user.name:
                continue
            # The same branch and further from its root: it may hang below.
            same = candidate.branch_root == session.branch_root
            if same and candidate.branch_level > session.branch_level > 0:
                continue
            if candidate.seeking_parent and session.seeking_parent and candidate.number > session.number:
                continue
            chosen.append(candidate)
            if len(chosen) == limit:
                break
        return chosen

    def _offer(self, session: Session, user: User, now: float) -> None:
        entries = []
        for candidate in self.choose(session, user, now):
            if candidate.user is not None:
                name = wire.text(candidate.user.name[4:])
                ip = ".".join(str(part) for part in reversed(candidate.ip))
                entries.append(PotentialParent(name, ip, candidate.port))
        session.send(wire.encode(to_client.PotentialParents(entries)))

    # ---- time

    @property
    def deadline(self) -> float | None:
        """When somebody is next due for a list."""
        return self._waiting[0][0] if self._waiting else None

    def tick(self, now: float) -> None:
        """Lists for those who are due, and a look at branches that hang in the air."""
        waiting = self._waiting
        while waiting and waiting[0][0] <= now:
            _, session, turn = waiting.popleft()
            if self._turns.get(session) != turn:
                continue
            if session.user is None:
                # Pushed out by a second login: nobody told us that it left.
                del self._turns[session]
                continue
            self._offer(session, session.user, now)
            self._wait(session, now)
        if now >= self._next_check:
            self._next_check = now + self._realm.settings.distributed.potential_parents_interval
            self._check_branches()

    def _check_branches(self) -> None:
        """Whoever has named a root for two rounds that is gone, or is none, begins anew."""
        doubtful: dict[Session, bytes] = {}
        for session in self._realm.online.sessions():
            if session.branch_level == 0 or session.branch_root is None or session.seeking_parent:
                continue
            root = self._realm.users.get(session.branch_root)
            if root is not None and root.session is not None and root.session.branch_level == 0:
                continue
            if self._doubtful.get(session) == session.branch_root:
                session.send(wire.encode(to_client.ResetDistributed()))
            else:
                doubtful[session] = session.branch_root
        self._doubtful = doubtful

    def describe(self) -> dict[str, int]:
        """Figures for administrators."""
        sessions = self._realm.online.sessions()
        return {
            "roots": len(self._realm.roots.members),
            "seeking": sum(1 for session in sessions if session.seeking_parent),
            "accepting": sum(1 for session in sessions if session.accepts_children),
            "deepest": max((session.branch_level for session in sessions), default=0),
        }
