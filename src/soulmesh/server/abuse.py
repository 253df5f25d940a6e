"""Published limits: first a notice that states the limit, then delay, then a ban for some time.

Rates are counted per account (searches, joins, messages, introductions,
everything else) and per address (connections, logins, wrong passwords). When the
engine is off, none of this is on the way of a message: the handlers are used
as they are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from soulmesh import log
from soulmesh.server.frames import show
from soulmesh.server.gateway import Connection, Handler
from soulmesh.server.moderation import Moderation
from soulmesh.server.realm import Realm
from soulmesh.server.settings import AbuseSection
from soulmesh.server.state import User

__all__ = ["AbuseEngine", "Rates"]

MINUTE = 60.0
HOUR = 3600.0
MEMORY = 600.0
"""Seconds for which a notice or a delay counts."""

REMEMBERED = 200
"""Different searches or receivers counted per account."""

PRIVATE_MESSAGE = 22
FILE_SEARCH = 26
WISHLIST_SEARCH = 103

_WORDS = {
    "search": "search {limit} times per minute",
    "join": "join {limit} rooms per minute",
    "message": "write {limit} messages per minute",
    "connect": "ask to be connected {limit} times per minute",
    "request": "send {limit} requests per minute",
    "same search": "send the same search {limit} times per hour",
    "one receiver": "write {limit} messages to one user per minute",
}


def _sentence(kind: str, limit: int) -> str:
    return f"You may {_WORDS[kind].format(limit=limit)}."


class Rates:
    """What one account did lately."""

    __slots__ = ("counts", "noticed", "queries", "receivers", "started", "strikes", "windows")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.started: dict[str, float] = {}
        self.noticed: dict[str, float] = {}
        self.strikes: deque[float] = deque()
        self.queries: dict[bytes, int] = {}
        self.receivers: dict[bytes, int] = {}
        self.windows: dict[str, float] = {}


class Address:
    """What one address did lately."""

    __slots__ = ("connects", "failures", "logins", "open", "since", "told")

    def __init__(self, now: float) -> None:
        self.open = 0
        self.since = now
        self.connects = self.logins = self.failures = 0
        self.told: set[str] = set()


class AbuseEngine:
    """See the module. ``later(seconds, call)`` is the loop's timer."""

    def __init__(
        self,
        realm: Realm,
        moderation: Moderation,
        settings: AbuseSection,
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self._realm = realm
        self._moderation = moderation
        self._settings = settings
        self._later = later
        self._log = log.get("server.abuse")
        self._accounts: dict[bytes, Rates] = {}
        self._addresses: dict[str, Address] = {}
        self._limits = {
            "search": settings.searches_per_minute,
            "join": settings.joins_per_minute,
            "message": settings.messages_per_minute,
            "connect": settings.connections_asked_per_minute,
            "request": settings.requests_per_minute,
        }
        self.decisions = {"notice": 0, "delay": 0, "ban": 0, "refusal": 0}

    def published(self) -> dict[str, str]:
        """Every limit of an account, as a sentence."""
        settings = self._settings
        limits = {
            **self._limits,
            "same search": settings.same_search_per_hour,
            "one receiver": settings.messages_to_one_per_minute,
        }
        return {kind: _sentence(kind, limit) for kind, limit in limits.items()}

    # ---- accounts

    def entered(self, connection: Connection, user: User) -> None:
        """A user is in: count on with what it did before."""
        connection.account_rates = self._accounts.setdefault(user.name, Rates())

    def limited(self, code: int, kind: str, handle: Handler) -> Handler:
        """The handler with its limit before it."""
        limit = self._limits[kind]

        def check(session: Connection, data: bytes, pos: int, stop: int) -> None:
            rates = session.account_rates
            if isinstance(rates, Rates):
                now = session.gateway.seconds
                if now - rates.started.get(kind, -MINUTE) >= MINUTE:
                    rates.started[kind] = now
                    rates.counts[kind] = 0
                count = rates.counts[kind] = rates.counts[kind] + 1
                if count > limit:
                    self._over(session, rates, kind, limit, now)
                elif code == PRIVATE_MESSAGE:
                    self._count_receiver(session, rates, data, pos, now)
                elif kind == "search" and code != WISHLIST_SEARCH:
                    self._count_query(session, rates, code, data[pos:stop], now)
            handle(session, data, pos, stop)

        return check

    def _count_query(self, session: Connection, rates: Rates, code: int, body: bytes, now: float) -> None:
        # The ticket changes with each search; searches of a user or a room have a name before it.
        start = 4 if code == FILE_SEARCH else 8 + int.from_bytes(body[:4], "little")
        self._count(session, rates, rates.queries, body[start:], "same search", HOUR, now)

    def _count_receiver(self, session: Connection, rates: Rates, data: bytes, pos: int, now: float) -> None:
        length = int.from_bytes(data[pos : pos + 4], "little")
        name = data[pos + 4 : pos + 4 + min(length, 256)]
        self._count(session, rates, rates.receivers, name, "one receiver", MINUTE, now)

    def _count(
        self,
        session: Connection,
        rates: Rates,
        counts: dict[bytes, int],
        key: bytes,
        kind: str,
        window: float,
        now: float,
    ) -> None:
        if now - rates.windows.get(kind, -window) >= window:
            rates.windows[kind] = now
            counts.clear()
        if key not in counts and len(counts) >= REMEMBERED:
            del counts[next(iter(counts))]
        counts[key] = counts.get(key, 0) + 1
        settings = self._settings
        limit = (
            settings.same_search_per_hour if kind == "same search" else settings.messages_to_one_per_minute
        )
        if counts[key] > limit:
            self._over(session, rates, kind, limit, now)

    def _over(self, session: Connection, rates: Rates, kind: str, limit: int, now: float) -> None:
        user = session.user
        if user is None:
            return
        sentence = _sentence(kind, limit)
        noticed = rates.noticed.get(kind)
        if noticed is None or now - noticed > MEMORY:
            rates.noticed[kind] = now
            self._decide("notice", show(user.name), sentence)
            if not self._settings.dry_run:
                self._realm.notice(session, f"{sentence} Slow down, or you will be slowed and then banned.")
            return
        if session.busy:
            return
        while rates.strikes and now - rates.strikes[0] > MEMORY:
            rates.strikes.popleft()
        rates.strikes.append(now)
        if len(rates.strikes) > self._settings.ban_after:
            rates.strikes.clear()
            minutes = self._settings.ban_minutes
            self._decide("ban", show(user.name), f"{sentence} Banned for {minutes:g} minutes.")
            if not self._settings.dry_run:
                self._moderation.ban(
                    show(user.name),
                    until=int(self._realm.now() + minutes * 60),
                    reason=f"{sentence} Come back in {minutes:g} minutes.",
                    banned_by="abuse",
                    kind="name",
                )
            return
        self._decide("delay", show(user.name), f"{sentence} Delayed for {self._settings.delay_seconds:g} s.")
        if not self._settings.dry_run:
            session.busy = True
            session.slow_down()
            self._later(self._settings.delay_seconds, session.resume)

    # ---- addresses

    def opened(self, host: str, now: float) -> bool:
        """Somebody calls from ``host``; false if it may not."""
        address = self._address(host, now)
        address.open += 1
        address.connects += 1
        settings = self._settings
        if address.open > settings.connections_per_address:
            limit = settings.connections_per_address
            return self._refuse(address, host, f"more than {limit} connections at the same time")
        if address.connects > settings.connects_per_minute:
            return self._refuse(
                address, host, f"more than {settings.connects_per_minute} connections per minute"
            )
        return True

    def closed(self, host: str) -> None:
        """One connection from ``host`` less."""
        address = self._addresses.get(host)
        if address is not None:
            address.open = max(0, address.open - 1)

    def login(self, host: str, now: float) -> bool:
        """Somebody at ``host`` tries to log in; false if it may not."""
        address = self._address(host, now)
        address.logins += 1
        if address.logins > self._settings.logins_per_minute:
            return self._refuse(
                address, host, f"more than {self._settings.logins_per_minute} logins per minute"
            )
        return True

    def login_failed(self, host: str, now: float) -> None:
        """A wrong password from ``host``."""
        address = self._address(host, now)
        address.failures += 1
        limit = self._settings.failed_logins_per_minute
        if address.failures <= limit:
            return
        address.failures = 0
        minutes = self._settings.ban_minutes
        self._decide(
            "ban", host, f"more than {limit} wrong passwords per minute. Banned for {minutes:g} minutes."
        )
        if not self._settings.dry_run:
            self._moderation.ban(
                host,
                until=int(self._realm.now() + minutes * 60),
                reason="too many wrong passwords",
                banned_by="abuse",
                kind="address",
            )

    def _address(self, host: str, now: float) -> Address:
        address = self._addresses.get(host)
        if address is None:
            address = self._addresses[host] = Address(now)
        elif now - address.since >= MINUTE:
            address.since = now
            address.connects = address.logins = address.failures = 0
            address.told.clear()
        return address

    def _refuse(self, address: Address, host: str, why: str) -> bool:
        if why not in address.told:
            address.told.add(why)
            self._decide("refusal", host, why)
        return self._settings.dry_run

    # ---- both

    def _decide(self, action: str, subject: str, detail: str) -> None:
        self.decisions[action] += 1
        dry = self._settings.dry_run
        self._moderation.audit.record("abuse", f"would be: {action}" if dry else action, subject, detail)

    def tick(self, now: float) -> None:
        """Forget accounts and addresses that have been quiet. About once a minute."""
        for host, address in list(self._addresses.items()):
            if not address.open and now - address.since > MINUTE:
                del self._addresses[host]
        for name, rates in list(self._accounts.items()):
            user = self._realm.users.get(name)
            latest = max(rates.started.values(), default=0.0)
            if (user is None or user.session is None) and now - latest > HOUR:
                del self._accounts[name]
