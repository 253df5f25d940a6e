"""How two users meet: one attempt to open one link to one user.

flows.rst, "Connecting to a peer", knows three cases: we can connect to them; we
cannot, but they can connect to us; neither can. We ask for both ways at once, as
other clients do (or one after the other, see :class:`Order`), and take the link
that is there first.

The machine says what to do, the edge does it and reports. It may be told
anything in any order: a refusal that comes after the link, a link after the end,
a second link; the answer is then to drop something, or nothing at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

__all__ = [
    "Address",
    "AskAddress",
    "AskCallback",
    "Dial",
    "Drop",
    "Effect",
    "Failed",
    "Met",
    "Order",
    "Rendezvous",
    "State",
    "StopDialling",
]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a user listens, as the server says. Port 0: not there."""

    host: str
    port: int
    obfuscated_port: int = 0

    @property
    def known(self) -> bool:
        """Whether there is an address at all: 0.0.0.0 stands for a user who is offline."""
        return self.host not in ("", "0.0.0.0")


@dataclass(frozen=True, slots=True)
class AskAddress:
    """Send GetPeerAddress, report to :meth:`Rendezvous.located`."""

    username: str


@dataclass(frozen=True, slots=True)
class AskCallback:
    """Send ConnectToPeer with this ticket; who pierces with it is our user."""

    username: str
    ticket: int


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect to this place; report to ``linked`` or ``dial_failed``."""

    host: str
    port: int
    obfuscated: bool


@dataclass(frozen=True, slots=True)
class StopDialling:
    """The link is there already: give up connecting."""


@dataclass(frozen=True, slots=True)
class Met:
    """The attempt succeeded with this link."""

    link: object
    direct: bool


@dataclass(frozen=True, slots=True)
class Drop:
    """Nobody needs this link."""

    link: object


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt is over. Each reason says why that way failed; ``None``: it was not tried."""

    direct: str | None
    indirect: str | None
    offline: bool = False


Effect: TypeAlias = AskAddress | AskCallback | Dial | StopDialling | Met | Drop | Failed


class Order(Enum):
    """Which ways are tried, and when."""

    BOTH = "both"
    """At once, as most clients do."""
    DIRECT_FIRST = "direct-first"
    """Callback only after the direct way failed, as flows.rst has it."""
    DIRECT_ONLY = "direct-only"
    CALLBACK_ONLY = "callback-only"


class State(Enum):
    """Where an attempt stands."""

    NEW = auto()
    TRYING = auto()
    MET = auto()
    FAILED = auto()


class _Way:
    """One of the two ways: not tried, under way until a time, or failed for a reason."""

    __slots__ = ("reason", "tried", "until")

    def __init__(self) -> None:
        self.tried = False
        self.until: float | None = None
        self.reason: str | None = None

    def begin(self, until: float) -> None:
        self.tried = True
        self.until = until

    def fail(self, reason: str) -> None:
        self.tried = True
        self.until = None
        self.reason = reason


class Rendezvous:
    """One attempt to open one link to one user, directly or by callback.

    Args:
        username: whom we want to reach.
        ticket: of the ConnectToPeer; unused before in this session.
        address: where the user listens, if we know that already (PotentialParents says it).
        order: which ways to try.
        prefer_obfuscated: dial the obfuscated port where there is one.
        direct_timeout: seconds for finding the address and connecting.
        callback_timeout: seconds to wait for the other side; clients that cannot
            connect say so only after about a minute.
    """

    def __init__(
        self,
        username: str,
        ticket: int,
        *,
        address: Address | None = None,
        order: Order = Order.BOTH,
        prefer_obfuscated: bool = False,
        direct_timeout: float = 30.0,
        callback_timeout: float = 60.0,
    ) -> None:
        self.username = username
        self.ticket = ticket
        self.state = State.NEW
        self._address = address
        self._order = order
        self._prefer_obfuscated = prefer_obfuscated
        self._direct_timeout = direct_timeout
        self._callback_timeout = callback_timeout
        self._direct = _Way()
        self._callback = _Way()
        self._dialling = False
        self._second_port: tuple[int, bool] | None = None

    @property
    def address(self) -> Address | None:
        """Where the user listens, as far as we know by now."""
        return self._address

    @property
    def deadline(self) -> float | None:
        """When :meth:`tick` next has something to do."""
        pending = [way.until for way in (self._direct, self._callback) if way.until is not None]
        return min(pending, default=None)

    def start(self, now: float) -> list[Effect]:
        """Begin. Exactly once."""
        self.state = State.TRYING
        effects: list[Effect] = []
        if self._order is not Order.CALLBACK_ONLY:
            self._direct.begin(now + self._direct_timeout)
            if self._address is None:
                effects.append(AskAddress(self.username))
            else:
                effects += self.located(self._address, now)
        if self._order in (Order.BOTH, Order.CALLBACK_ONLY):
            effects += self._ask_back(now)
        return effects

    def located(self, address: Address, now: float) -> list[Effect]:
        """The server said where the user listens."""
        if self.state is not State.TRYING or self._direct.until is None or self._dialling:
            return []
        if not address.known:
            # flows.rst does not say it, servers do it: no address means not logged in,
            # so waiting for the user to call back is pointless.
            self.state = State.FAILED
            self._direct.until = self._callback.until = None
            return [Failed("offline", None, offline=True)]
        ports = [(address.port, False), (address.obfuscated_port, True)]
        if self._prefer_obfuscated:
            ports.reverse()
        usable = [(port, obfuscated) for port, obfuscated in ports if 0 < port < 65536]
        if not usable:
            return self._failed(self._direct, "the user does not listen on any port", now)
        self._dialling = True
        self._address = address
        self._second_port = usable[1] if len(usable) > 1 and self._prefer_obfuscated else None
        return [Dial(address.host, *usable[0])]

    def dial_failed(self, reason: str, now: float) -> list[Effect]:
        """Connecting did not work."""
        if self.state is not State.TRYING or self._direct.until is None:
            return []
        self._dialling = False
        if self._second_port is not None and self._address is not None:
            # The obfuscated port is a convenience; that it does not answer says little about the other one.
            port, obfuscated = self._second_port
            self._second_port = None
            self._dialling = True
            return [Dial(self._address.host, port, obfuscated)]
        return self._failed(self._direct, reason, now)

    def refused(self, now: float) -> list[Effect]:
        """CannotConnect came for our ticket, perhaps long after it mattered."""
        if self.state is not State.TRYING or self._callback.until is None:
            return []
        return self._failed(self._callback, "the user cannot connect to us", now)

    def linked(self, link: object, *, direct: bool) -> list[Effect]:
        """A connection is there: ours, or one that pierced with our ticket. The first one wins."""
        if self.state is not State.TRYING:
            return [Drop(link)]
        self.state = State.MET
        stop: list[Effect] = [StopDialling()] if self._dialling and not direct else []
        self._direct.until = self._callback.until = None
        self._dialling = False
        return [*stop, Met(link, direct)]

    def abandon(self, reason: str) -> list[Effect]:
        """Whoever wanted the link does not want it any more, or the server is gone."""
        if self.state is not State.TRYING:
            return []
        for way in (self._direct, self._callback):
            if way.until is not None:
                way.fail(reason)
        return self._give_up()

    def tick(self, now: float) -> list[Effect]:
        """Time has passed."""
        effects: list[Effect] = []
        if self.state is State.TRYING and self._direct.until is not None and now >= self._direct.until:
            if self._dialling:
                self._dialling = False
                effects.append(StopDialling())
                reason = "no answer to our connection"
            else:
                reason = "the server did not say where the user is"
            effects += self._failed(self._direct, reason, now)
        if self.state is State.TRYING and self._callback.until is not None and now >= self._callback.until:
            effects += self._failed(self._callback, "the user did not connect to us in time", now)
        return effects

    def _ask_back(self, now: float) -> list[Effect]:
        self._callback.begin(now + self._callback_timeout)
        return [AskCallback(self.username, self.ticket)]

    def _failed(self, way: _Way, reason: str, now: float) -> list[Effect]:
        way.fail(reason)
        if way is self._direct and self._order is Order.DIRECT_FIRST and not self._callback.tried:
            return self._ask_back(now)
        if self._direct.until is None and self._callback.until is None:
            return self._give_up()
        return []

    def _give_up(self) -> list[Effect]:
        self.state = State.FAILED
        stop: list[Effect] = [StopDialling()] if self._dialling else []
        self._dialling = False
        return [*stop, Failed(self._direct.reason, self._callback.reason)]
