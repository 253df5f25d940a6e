"""Who is served next.

Uploads wait in groups of users. Groups stand on tiers: nobody of a lower tier
is served while somebody of a higher one can be (privileged users first, then
friends, then all others: conventions.md, "Etiquette"). Within a tier the order is
a setting. A user has one upload at a time unless the group says otherwise.

The queue knows neither files nor links: an upload is a key. Rules are data; give
:meth:`UploadQueue.set_rules` others and the same queue goes on under them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from soulmesh.core.retry import TOO_MANY_FILES, TOO_MANY_MEGABYTES
from soulmesh.errors import UsageError

__all__ = ["DEFAULT_GROUPS", "Group", "Order", "Person", "QueueRules", "UnknownUpload", "UploadQueue"]

Key = Hashable
MEGABYTE = 1_000_000


class Order(StrEnum):
    """Who goes first within a tier."""

    ROUND_ROBIN = "round robin"
    """One file of each user in turn."""
    FIRST_COME = "first come"
    """Strictly as they asked."""
    WEIGHTED = "weighted"
    """Groups in proportion to their weights, round robin within each."""


@dataclass(frozen=True, slots=True)
class Group:
    """How one group of users is served."""

    tier: int = 2
    """Lower tiers are served first."""
    weight: int = 1
    slots: int | None = None
    """Uploads of the whole group at a time, ``None`` for as many as there are slots."""
    slots_per_user: int = 1
    max_files: int | None = 500
    """Files that one user may have waiting."""
    max_bytes: int | None = 20_000 * MEGABYTE
    speed_limit: int | None = None
    """Bytes per second for all uploads of the group together."""
    users: frozenset[str] = frozenset()
    """Who belongs to it by name."""


DEFAULT_GROUPS: Mapping[str, Group] = MappingProxyType(
    {
        "privileged": Group(tier=0, max_files=None, max_bytes=None),
        "friends": Group(tier=1, max_files=None, max_bytes=None),
        "default": Group(tier=2),
        "leechers": Group(tier=3, slots=1, max_files=50, max_bytes=1_000 * MEGABYTE),
    }
)


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of a user when it has to be told which group that user is in."""

    username: str
    privileged: bool = False
    friend: bool = False
    files: int | None = None
    """How many files the user shares, as the server says; ``None`` if it has not said."""
    folders: int | None = None


@dataclass(frozen=True, slots=True)
class QueueRules:
    """All rules of the queue. A group that is not listed is treated as ``default``."""

    slots: int = 3
    order: Order = Order.ROUND_ROBIN
    groups: Mapping[str, Group] = field(default_factory=lambda: DEFAULT_GROUPS)
    leech_files: int = 0
    """Who shares fewer files than this is one of the ``leechers``; 0: nobody is."""
    leech_folders: int = 0

    def group(self, name: str) -> Group:
        """The group of this name, or the one for everybody."""
        return self.groups.get(name) or self.groups.get("default") or Group()

    def group_of(self, person: Person) -> str:
        """The group that a user is in.

        Who is named by a group is in that one, whatever else he is. Then come
        privileges, friendship, and what the user shares; of whom that is
        unknown nothing bad is assumed.
        """
        for name, group in self.groups.items():
            if person.username in group.users:
                return name
        if person.privileged:
            return "privileged"
        if person.friend:
            return "friends"
        few = person.files is not None and person.files < self.leech_files
        if few or (person.folders is not None and person.folders < self.leech_folders):
            return "leechers"
        return "default"

    def groups_of(self, person: Person) -> frozenset[str]:
        """All groups that a user belongs to, for what is decided by membership and not by turns.

        Each that names the user; ``privileged`` and ``friends`` for those who are; and the one
        that :meth:`group_of` serves the user in. So ``default`` has those who are in no other.
        """
        found = {name for name, group in self.groups.items() if person.username in group.users}
        found.add(self.group_of(person))
        if person.privileged:
            found.add("privileged")
        if person.friend:
            found.add("friends")
        return frozenset(found)


class UnknownUpload(UsageError):
    """The upload was never queued, or has left the queue."""

    def __init__(self, key: Key) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"no such upload in the queue: {self.key}"


class _User:
    """What one user has waiting, in the order of asking."""

    __slots__ = ("active", "bytes", "group", "keys", "numbers", "sizes", "turn")

    def __init__(self, group: str, turn: int) -> None:
        self.group = group
        self.turn = turn
        self.numbers: list[int] = []
        self.keys: dict[int, Key] = {}
        self.sizes: dict[int, int] = {}
        self.bytes = 0
        self.active = 0


class UploadQueue:
    """The uploads that wait, and how many run."""

    def __init__(self, rules: QueueRules | None = None) -> None:
        self.rules = rules or QueueRules()
        self._users: dict[str, _User] = {}
        self._where: dict[Key, tuple[str, int]] = {}
        self._running: dict[Key, tuple[str, str]] = {}
        self._lent: set[Key] = set()
        self._running_in_group: dict[str, int] = {}
        self._served: dict[str, int] = {}
        self._next_number = 0
        self._next_turn = 0

    def set_rules(self, rules: QueueRules) -> None:
        """Go on under other rules. What is already queued stays, what runs runs."""
        self.rules = rules

    def __len__(self) -> int:
        """How many uploads wait."""
        return len(self._where)

    def __contains__(self, key: Key) -> bool:
        return key in self._where

    @property
    def running(self) -> int:
        """How many uploads hold a slot."""
        return len(self._running) - len(self._lent)

    @property
    def free_slots(self) -> int:
        """Uploads that could start at once."""
        return max(0, self.rules.slots - self.running)

    def waiting_of(self, username: str) -> tuple[int, int]:
        """How many files, and how many bytes, a user has waiting."""
        user = self._users.get(username)
        return (len(user.numbers), user.bytes) if user else (0, 0)

    def refusal(self, username: str, group: str, size: int) -> str | None:
        """Why one more file of ``size`` bytes may not be queued, in the exact words; ``None`` if it may."""
        limits = self.rules.group(group)
        files, total = self.waiting_of(username)
        if limits.max_files is not None and files >= limits.max_files:
            return TOO_MANY_FILES
        # A single file above the limit could never be had, so the first one always may.
        if limits.max_bytes is not None and files and total + size > limits.max_bytes:
            return TOO_MANY_MEGABYTES
        return None

    def add(self, key: Key, username: str, group: str, size: int) -> None:
        """Put an upload at the end. Limits were asked for with :meth:`refusal`."""
        if key in self._where:
            return
        user = self._users.get(username)
        if user is None:
            self._next_turn += 1
            user = self._users[username] = _User(group, self._next_turn)
        user.group = group
        self._next_number += 1
        number = self._next_number
        user.numbers.append(number)
        user.keys[number] = key
        user.sizes[number] = size
        user.bytes += size
        self._where[key] = (username, number)

    def regroup(self, username: str, group: str) -> None:
        """The user belongs to another group from now on: became a friend, bought privileges."""
        user = self._users.get(username)
        if user is not None:
            user.group = group

    def discard(self, key: Key) -> None:
        """Take an upload out, whether it waits or runs. Unknown ones are no error."""
        place = self._where.pop(key, None)
        if place is not None:
            username, number = place
            user = self._users[username]
            del user.numbers[bisect_left(user.numbers, number)]
            del user.keys[number]
            user.bytes -= user.sizes.pop(number)
            self._forget(username, user)
        self.ended(key)

    def start_next(self) -> Key | None:
        """Take the next upload out of the queue and give it a slot; ``None`` if nobody can be served."""
        if self.running >= self.rules.slots:
            return None
        chosen = self._choose()
        if chosen is None:
            return None
        username, user = chosen
        number = user.numbers.pop(0)
        key = user.keys.pop(number)
        user.bytes -= user.sizes.pop(number)
        del self._where[key]
        user.active += 1
        self._next_turn += 1
        user.turn = self._next_turn
        self._running[key] = (username, user.group)
        self._running_in_group[user.group] = self._running_in_group.get(user.group, 0) + 1
        self._served[user.group] = self._served.get(user.group, 0) + 1
        return key

    def ended(self, key: Key) -> None:
        """An upload that held a slot is over, however it ended."""
        place = self._running.pop(key, None)
        if place is None:
            return
        username, group = place
        if key in self._lent:
            self._lent.discard(key)
        else:
            self._running_in_group[group] -= 1
        user = self._users[username]
        user.active -= 1
        self._forget(username, user)

    def lend(self, key: Key) -> None:
        """Let others have the slot of an upload that has nothing left to send, until it has ended.

        Its own user still has no more uploads at a time than before.
        """
        place = self._running.get(key)
        if place is not None and key not in self._lent:
            self._lent.add(key)
            self._running_in_group[place[1]] -= 1

    def keeps_another(self, key: Key) -> bool:
        """Whether somebody else would be served in place of this upload, who is not as it stands."""
        if key not in self._running or key in self._lent:
            return False
        username, mine = self._running[key]
        full = self.running >= self.rules.slots
        for other, user in self._users.items():
            group = self.rules.group(user.group)
            if other == username or not user.numbers or user.active >= group.slots_per_user:
                continue
            running = self._running_in_group.get(user.group, 0)
            if group.slots is None or running < group.slots:
                if full:
                    return True
            elif user.group == mine and running == group.slots:
                return True
        return False

    def place(self, key: Key) -> int:
        """How many uploads go before this one, plus one.

        The place can change by more than one at a time: a user who leaves
        takes every upload queued for it along. With weights it is an estimate.

        Raises:
            UnknownUpload: the upload was never queued, or is over.
        """
        if key in self._running:
            return 1
        try:
            username, number = self._where[key]
        except KeyError:
            raise UnknownUpload(key) from None
        mine = self._users[username]
        tier = self.rules.group(mine.group).tier
        index = bisect_left(mine.numbers, number)
        before = index
        weighted = self.rules.order is Order.WEIGHTED
        for other in self._users.values():
            if other is mine or not other.numbers:
                continue
            group = self.rules.group(other.group)
            if group.tier != tier:
                before += len(other.numbers) if group.tier < tier else 0
            elif self.rules.order is Order.FIRST_COME:
                before += bisect_left(other.numbers, number)
            else:
                turns = index + (1 if other.turn < mine.turn else 0)
                if weighted and other.group != mine.group:
                    turns = turns * group.weight // max(1, self.rules.group(mine.group).weight)
                before += min(len(other.numbers), turns)
        return before + 1

    def waiting(self) -> Iterator[Key]:
        """The keys that wait, user by user."""
        for user in self._users.values():
            yield from user.keys.values()

    # Within.

    def _choose(self) -> tuple[str, _User] | None:
        """The user to be served: best tier, then by the order that is set."""
        best: tuple[str, _User] | None = None
        best_rank: tuple[float, ...] = ()
        for username, user in self._users.items():
            if not user.numbers:
                continue
            group = self.rules.group(user.group)
            if user.active >= group.slots_per_user:
                continue
            if group.slots is not None and self._running_in_group.get(user.group, 0) >= group.slots:
                continue
            rank = self._rank(user, group)
            if best is None or rank < best_rank:
                best, best_rank = (username, user), rank
        return best

    def _rank(self, user: _User, group: Group) -> tuple[float, ...]:
        match self.rules.order:
            case Order.FIRST_COME:
                return (group.tier, user.numbers[0])
            case Order.WEIGHTED:
                return (group.tier, self._served.get(user.group, 0) / max(1, group.weight), user.turn)
            case Order.ROUND_ROBIN:
                return (group.tier, user.turn)

    def _forget(self, username: str, user: _User) -> None:
        """Keep no record of users who have nothing here: anybody can send us names.

        A user who comes back at once keeps no turn, but its place at the end is
        the same that a newcomer gets.
        """
        if not user.numbers and not user.active:
            del self._users[username]
            if not self._users:
                self._served.clear()
