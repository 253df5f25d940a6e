"""Published limits: first a notice that states the limit, then delay, then a ban for some time.

Rates are counted per account (searches, joins, messages, introductions,
everything else) and per address (connections, logins, wrong passwords). What all
accounts at one address do is summed up as well: an address may do so many times
what one account may, and is banned after so many times as many delays. When the
engine is off, none of this is on the way of a message: the handlers are used
as they are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, MutableSequence

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


def _sum_sentence(kind: str, limit: int) -> str:
    return f"All accounts at your address together may {_WORDS[kind].format(limit=limit)}."


class Rates:
    """What one account did lately."""

    __slots__ = ("address", "counts", "noticed", "queries", "receivers", "started", "strikes", "windows")

    def __init__(self, address: Address) -> None:
        self.address = address
        """Where it was last."""
        self.counts: dict[str, int] = {}
        self.started: dict[str, float] = {}
        self.noticed: dict[str, float] = {}
        self.strikes: deque[float] = deque()
        self.queries: dict[bytes, int] = {}
        self.receivers: dict[bytes, int] = {}
        self.windows: dict[str, float] = {}


class Address:
    """What one address did lately."""

    __slots__ = ("connects", "failures", "logins", "open", "since", "strikes", "sums", "told")

    def __init__(self, now: float) -> None:
        self.open = 0
        self.since = now
        self.connects = self.logins = self.failures = 0
        self.told: set[str] = set()
        self.sums: dict[str, int] = {}
        """What all accounts here did in this minute, by kind."""
        self.strikes: list[float] = []

    def turn(self, now: float) -> None:
        """Begin to count anew if a minute is over."""
        if now - self.since >= MINUTE:
            self.since = now
            self.connects = self.logins = self.failures = 0
            self.told.clear()
            self.sums.clear()


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
        published = {kind: _sentence(kind, limit) for kind, limit in limits.items()}
        times = f"{settings.address_factor:g} times what one account may"
        published["address"] = f"All accounts at one address together may do {times}, per minute."
        return published

    # ---- accounts

    def entered(self, connection: Connection, user: User) -> None:
        """A user is in: count on with what it did before."""
        address = self._address(connection.host, connection.gateway.seconds)
        rates = self._accounts.get(user.name)
        if rates is None:
            rates = self._accounts[user.name] = Rates(address)
        rates.address = address
        connection.account_rates = rates

    def limited(self, code: int, kind: str, handle: Handler) -> Handler:
        """The handler with its limit before it."""
        limit = self._limits[kind]
        limit_of_sum = int(limit * self._settings.address_factor)

        def check(session: Connection, data: bytes, pos: int, stop: int) -> None:
            rates = session.account_rates
            if isinstance(rates, Rates):
                now = session.gateway.seconds
                if now - rates.started.get(kind, -MINUTE) >= MINUTE:
                    rates.started[kind] = now
                    rates.counts[kind] = 0
                count = rates.counts[kind] = rates.counts[kind] + 1
                address = rates.address
                if now - address.since >= MINUTE:
                    address.turn(now)
                total = address.sums[kind] = address.sums.get(kind, 0) + 1
                if count > limit:
                    self._over(session, rates, kind, limit, now)
                elif total > limit_of_sum:
                    self._over_sum(session, rates, kind, limit_of_sum, now)
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
        """An account did too much."""
        user = session.user
        if user is None or self._warned(session, rates, kind, _sentence(kind, limit), now):
            return
        subject = show(user.name)
        sentence = _sentence(kind, limit)
        if self._struck(rates.strikes, self._settings.ban_after, now):
            self._ban_for_a_while(subject, "name", sentence)
        else:
            self._delay(session, subject, sentence)

    def _over_sum(self, session: Connection, rates: Rates, kind: str, limit: int, now: float) -> None:
        """The accounts at an address did too much together: whoever of them goes on is slowed."""
        sentence = _sum_sentence(kind, limit)
        if session.user is None or self._warned(session, rates, f"{kind} at one address", sentence, now):
            return
        patience = int(self._settings.ban_after * self._settings.address_factor)
        if self._struck(rates.address.strikes, patience, now):
            self._ban_for_a_while(session.host, "address", sentence)
        else:
            self._delay(session, show(session.user.name), sentence)

    def _warned(self, session: Connection, rates: Rates, kind: str, sentence: str, now: float) -> bool:
        """Whether a notice is enough: the first is given, and who is slowed already gets no more."""
        noticed = rates.noticed.get(kind)
        if noticed is not None and now - noticed <= MEMORY:
            return session.busy
        rates.noticed[kind] = now
        assert session.user is not None
        self._decide("notice", show(session.user.name), sentence)
        if not self._settings.dry_run:
            self._realm.notice(session, f"{sentence} Slow down, or you will be slowed and then banned.")
        return True

    def _struck(self, strikes: MutableSequence[float], patience: int, now: float) -> bool:
        """Add a strike; whether there are more than ``patience`` of late."""
        while strikes and now - strikes[0] > MEMORY:
            del strikes[0]
        strikes.append(now)
        if len(strikes) <= patience:
            return False
        strikes.clear()
        return True

    def _delay(self, session: Connection, subject: str, sentence: str) -> None:
        self._decide("delay", subject, f"{sentence} Delayed for {self._settings.delay_seconds:g} s.")
        if not self._settings.dry_run:
            session.busy = True
            session.slow_down()
            self._later(self._settings.delay_seconds, session.resume)

    def _ban_for_a_while(self, subject: str, kind: str, sentence: str) -> None:
        minutes = self._settings.ban_minutes
        self._decide("ban", subject, f"{sentence} Banned for {minutes:g} minutes.")
        if not self._settings.dry_run:
            self._moderation.ban(
                subject,
                until=int(self._realm.now() + minutes * 60),
                reason=f"{sentence} Come back in {minutes:g} minutes.",
                banned_by="abuse",
                kind=kind,
            )

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
            # Who is in already knew a right password, and may share the address: nobody is sent away.
            self._moderation.bans.add(
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
        else:
            address.turn(now)
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
