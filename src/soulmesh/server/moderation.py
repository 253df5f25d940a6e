"""Kicking, banning, muting, and the log of who decided what."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass

from soulmesh import log
from soulmesh.server.bans import MUTE, Ban, Bans
from soulmesh.server.frames import show
from soulmesh.server.realm import Realm
from soulmesh.server.state import Session, User

__all__ = ["Audit", "Decision", "Moderation"]

KEPT = 10_000
"""Decisions kept; older ones go."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One entry of the audit log. ``who`` decided; "abuse" is the abuse engine."""

    number: int
    at: int
    who: str
    action: str
    subject: str
    detail: str

    def facts(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


class Audit:
    """The log of decisions, kept in the store."""

    def __init__(self, realm: Realm) -> None:
        self._realm = realm
        self._log = log.get("server.audit")
        self._decisions: deque[Decision] = deque(Decision(*row) for row in realm.store.read("audit"))

    def record(self, who: str, action: str, subject: str = "", detail: str = "") -> None:
        """Add a decision."""
        number = self._decisions[-1].number + 1 if self._decisions else 1
        decision = Decision(number, int(self._realm.now()), who, action, subject, detail)
        self._decisions.append(decision)
        self._realm.store.save("audit", (number, decision.at, who, action, subject, detail))
        while len(self._decisions) > KEPT:
            self._realm.store.remove("audit", (self._decisions.popleft().number,))
        self._realm.outbox.wake_store()
        self._log.info(action, who=who, subject=subject, detail=detail)

    def last(self, count: int) -> list[Decision]:
        """The newest ``count``, oldest of them first."""
        return list(self._decisions)[-count:] if count > 0 else []


class Moderation:
    """See the module."""

    def __init__(self, realm: Realm, audit: Audit) -> None:
        self._realm = realm
        self.audit = audit
        self.bans = Bans(realm)
        self._muted = {row[1]: Ban(*row) for row in realm.store.read("bans") if row[0] == MUTE}
        """By name, as text."""

    def kick(self, user: User, reason: str) -> bool:
        """Tell a user why, and close its connection. False if it is not online."""
        session = user.session
        if session is None:
            return False
        self._turn_away(session, reason)
        return True

    def _turn_away(self, session: Session, reason: str) -> None:
        self._realm.notice(session, reason)
        session.finish()

    def ban(
        self, subject: str, *, until: int, reason: str, banned_by: str, kind: str | None = None
    ) -> tuple[Ban, int]:
        """Ban, and send away whom it strikes; how many those were.

        Raises:
            UsageError: an address or network that is none.
        """
        ban = self.bans.add(subject, until=until, reason=reason, banned_by=banned_by, kind=kind)
        struck = 0
        text = f"You are banned: {reason}" if reason else "You are banned."
        for session in self._realm.online.sessions():
            user = session.user
            if user is None:
                continue
            if self.banned(user.name[4:], session.host):
                self._turn_away(session, text)
                struck += 1
        return ban, struck

    def banned(self, name: bytes, host: str) -> bool:
        """Whether the account or the address is kept out."""
        if name and self.bans.of_name(name) is not None:
            return True
        return self.bans.of_address(host) is not None

    def is_muted(self, name: bytes) -> bool:
        """Whether the user may not talk now."""
        mute = self._muted.get(show(name))
        if mute is None:
            return False
        if mute.until and mute.until <= self._realm.now():
            self._forget(mute)
            return False
        return True

    def mute(self, user: User, minutes: float, muted_by: str) -> None:
        """Let a user say nothing for so long, or, with 0, until unmuted. Kept like a ban."""
        now = int(self._realm.now())
        until = now + int(minutes * 60) if minutes else 0
        mute = self._muted[show(user.name)] = Ban(MUTE, show(user.name), until, "", muted_by, now)
        self._realm.store.save("bans", (MUTE, mute.subject, until, "", muted_by, now))
        self._realm.outbox.wake_store()
        self._realm.notice_user(user, "You are muted: nobody gets what you write.")

    def unmute(self, name: bytes) -> bool:
        """Let it talk again; false if it could. It may have no account any more."""
        if not self.is_muted(name):
            return False
        self._forget(self._muted[show(name)])
        return True

    def mutes(self) -> list[Ban]:
        """Those in force, oldest first."""
        now = self._realm.now()
        return sorted(
            (mute for mute in self._muted.values() if not mute.until or mute.until > now),
            key=lambda mute: (mute.created, mute.subject),
        )

    def _forget(self, mute: Ban) -> None:
        del self._muted[mute.subject]
        self._realm.store.remove("bans", (MUTE, mute.subject))
        self._realm.outbox.wake_store()
