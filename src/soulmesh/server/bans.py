"""Who is kept out: accounts, addresses, networks; until when, and why."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from soulmesh.errors import UsageError
from soulmesh.server.realm import Realm

__all__ = ["KINDS", "MUTE", "Ban", "Bans", "address_of", "subject_of"]

KINDS = ("name", "address", "network")

MUTE = "mute"
"""Kind of the rows about who may come in and not talk; see :mod:`soulmesh.server.moderation`."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NetworkOf = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Ban:
    """One ban. ``kind`` is ``name``, ``address`` or ``network``; ``until`` 0 is for ever."""

    kind: str
    subject: str
    until: int
    reason: str
    banned_by: str
    created: int


def address_of(host: str) -> Address | None:
    """A host as an address; IPv4 also if it came mapped into IPv6."""
    try:
        return ipaddress.ip_address(host.removeprefix("::ffff:"))
    except ValueError:
        return None


def subject_of(kind: str, subject: str) -> str:
    """The one way to write the subject of a ban of that kind.

    Raises:
        UsageError: an address or network that is none.
    """
    if kind == "address":
        address = address_of(subject)
        if address is None:
            raise UsageError(f"{subject} is no address")
        return str(address)
    if kind == "network":
        try:
            return str(ipaddress.ip_network(subject, strict=False))
        except ValueError as error:
            raise UsageError(f"{subject} is no network such as 10.1.0.0/16") from error
    return subject


class Bans:
    """All bans, looked up by name and by address."""

    def __init__(self, realm: Realm) -> None:
        self._realm = realm
        self._bans: dict[tuple[str, str], Ban] = {}
        self._networks: dict[NetworkOf, Ban] = {}
        for row in realm.store.read("bans"):
            if row[0] != MUTE:
                self._put(Ban(*row))

    def all(self) -> list[Ban]:
        """Those in force, oldest first."""
        self._forget_old()
        return sorted(self._bans.values(), key=lambda ban: (ban.created, ban.kind, ban.subject))

    def add(self, subject: str, *, until: int, reason: str, banned_by: str, kind: str | None = None) -> Ban:
        """Ban a name, an address or a network; what it is shows by itself unless ``kind`` says.

        Raises:
            UsageError: an address or network that is none.
        """
        if kind is None:
            kind = "name"
            if address_of(subject) is not None:
                kind = "address"
            elif "/" in subject:
                kind = "network"
        subject = subject_of(kind, subject)
        ban = Ban(kind, subject, until, reason, banned_by, int(self._realm.now()))
        self._put(ban)
        self._realm.store.save("bans", (kind, subject, until, reason, banned_by, ban.created))
        self._realm.outbox.wake_store()
        return ban

    def remove(self, subject: str) -> Ban | None:
        """Lift a ban; ``None`` if there was none."""
        for kind in KINDS:
            try:
                ban = self._bans.get((kind, subject_of(kind, subject)))
            except UsageError:
                continue
            if ban is not None:
                self._drop(ban)
                return ban
        return None

    def of_name(self, name: bytes) -> Ban | None:
        """The ban on an account (bytes of its name without length)."""
        if not self._bans:
            return None
        return self._in_force(self._bans.get(("name", name.decode("utf-8", "replace"))))

    def of_address(self, host: str) -> Ban | None:
        """The ban on an address, by itself or by its network."""
        if not self._bans:
            return None
        ban = self._in_force(self._bans.get(("address", host.removeprefix("::ffff:"))))
        if ban is not None or not self._networks:
            return ban
        address = address_of(host)
        for network, ban in list(self._networks.items()):
            if address is not None and address in network and self._in_force(ban) is not None:
                return ban
        return None

    def _in_force(self, ban: Ban | None) -> Ban | None:
        if ban is not None and ban.until and ban.until <= self._realm.now():
            self._drop(ban)
            return None
        return ban

    def _forget_old(self) -> None:
        for ban in list(self._bans.values()):
            self._in_force(ban)

    def _put(self, ban: Ban) -> None:
        self._bans[ban.kind, ban.subject] = ban
        if ban.kind == "network":
            self._networks[ipaddress.ip_network(ban.subject)] = ban

    def _drop(self, ban: Ban) -> None:
        self._bans.pop((ban.kind, ban.subject), None)
        if ban.kind == "network":
            self._networks.pop(ipaddress.ip_network(ban.subject), None)
        self._realm.store.remove("bans", (ban.kind, ban.subject))
        self._realm.outbox.wake_store()
