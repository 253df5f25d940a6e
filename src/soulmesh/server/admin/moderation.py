"""Commands against users who disturb others: sent away, silenced, kept out; and who decided it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from soulmesh.errors import NotFound, UsageError
from soulmesh.server.admin.command import Answer, Command, moment, number, span, when
from soulmesh.server.bans import KINDS, Ban
from soulmesh.server.frames import wire_name
from soulmesh.server.state import User

if TYPE_CHECKING:
    from soulmesh.server.app import Parts

__all__ = ["ModerationCommands"]


class ModerationCommands:
    """Kicks, mutes, bans and the audit log."""

    def __init__(self, parts: Parts, user: Callable[[str], User]) -> None:
        """``user`` finds an account by its name."""
        self._parts = parts
        self._user = user
        self._realm = parts.realm
        self._moderation = parts.moderation

    def commands(self) -> list[Command]:
        """What it adds to the list."""
        return [
            Command(("kick",), "NAME [WHY]", "close a user's connection", self._kick, 1),
            Command(("mute",), "NAME [MINUTES]", "nobody gets what the user writes", self._mute, 1),
            Command(("mutes",), "", "who may not talk", self._mutes),
            Command(("unmute",), "NAME", "let a user talk again", self._unmute, 1),
            Command(
                ("ban",), "NAME|ADDRESS|NETWORK [WHY] [--for 2h]", "keep out; for m, h, d or w", self._ban, 1
            ),
            Command(("unban",), "NAME|ADDRESS|NETWORK", "lift a ban", self._unban, 1),
            Command(("bans",), "", "bans in force", self._bans),
            Command(("audit",), "[N]", "the last decisions", self._audit),
        ]

    def _kick(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        user = self._user(arguments[0])
        why = " ".join(arguments[1:])
        if not self._moderation.kick(user, f"You are sent away: {why}" if why else "You are sent away."):
            raise NotFound(f"{arguments[0]} is not online")
        self._moderation.audit.record(who, "kick", arguments[0], why)
        return Answer([f"{arguments[0]} is sent away."], {"name": arguments[0]})

    def _mute(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        user = self._user(arguments[0])
        minutes = number(arguments[1], "minutes", 0, 10_000_000) if len(arguments) > 1 else 0.0
        self._moderation.mute(user, minutes, who)
        self._parts.choose_handlers(user)
        how_long = f"for {minutes:g} minutes" if minutes else "until unmuted"
        self._moderation.audit.record(who, "mute", arguments[0], how_long)
        return Answer([f"{arguments[0]} is muted {how_long}."], {"name": arguments[0], "minutes": minutes})

    def _mutes(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        mutes = self._moderation.mutes()
        lines = [f"{mute.subject} {_until(mute)} by {mute.banned_by}" for mute in mutes]
        facts = [
            {
                "name": mute.subject,
                "until": mute.until,
                "muted_by": mute.banned_by,
                "created": mute.created,
            }
            for mute in mutes
        ]
        return Answer(lines or ["nobody"], facts)

    def _unmute(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        name = wire_name(arguments[0].encode())
        if not self._moderation.unmute(name):
            raise NotFound(f"{arguments[0]} is not muted")
        user = self._realm.users.get(name)
        if user is not None:
            self._parts.choose_handlers(user)
        self._moderation.audit.record(who, "unmute", arguments[0])
        return Answer([f"{arguments[0]} may talk again."], {"name": arguments[0]})

    def _ban(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        until = 0
        if not arguments[0].strip():
            raise UsageError("who is to be banned?")
        if "for" in options and "until" in options:
            raise UsageError("a ban lasts --for so long or --until then, not both")
        if "for" in options:
            until = int(self._realm.now() + span(options["for"]))
        elif "until" in options:
            until = moment(options["until"])
        kind = options.get("kind")
        if kind not in (None, *KINDS):
            raise UsageError(f"{kind!r} is no kind of ban: it is one of {', '.join(KINDS)}")
        if until and until <= self._realm.now():
            raise UsageError(f"{options.get('until') or options['for']} is over already")
        reason = options.get("why", " ".join(arguments[1:]))
        ban, struck = self._moderation.ban(arguments[0], until=until, reason=reason, banned_by=who, kind=kind)
        self._moderation.audit.record(who, "ban", f"{ban.kind} {ban.subject}", reason)
        lines = [f"{ban.kind} {ban.subject} is banned {_until(ban)}."]
        if struck:
            lines.append(f"{struck} user{'s' if struck > 1 else ''} sent away.")
        return Answer(lines, {**_ban_facts(ban), "sent_away": struck})

    def _unban(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        ban = self._moderation.bans.remove(arguments[0])
        if ban is None:
            raise NotFound(f"{arguments[0]} is not banned")
        self._moderation.audit.record(who, "unban", f"{ban.kind} {ban.subject}")
        return Answer([f"{ban.kind} {ban.subject} is banned no more."], _ban_facts(ban))

    def _bans(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        bans = self._moderation.bans.all()
        lines = [
            f"{ban.kind} {ban.subject} {_until(ban)} by {ban.banned_by}"
            + (f": {ban.reason}" if ban.reason else "")
            for ban in bans
        ]
        return Answer(lines or ["none"], [_ban_facts(ban) for ban in bans])

    def _audit(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        count = int(number(arguments[0], "entries", 1, 100_000)) if arguments else 50
        decisions = self._moderation.audit.last(count)
        lines = [
            f"{when(d.at)} {d.who}: {d.action} {d.subject}".rstrip() + (f" ({d.detail})" if d.detail else "")
            for d in decisions
        ]
        return Answer(lines or ["none"], [decision.facts() for decision in decisions])


def _until(ban: Ban) -> str:
    return f"until {when(ban.until)} UTC" if ban.until else "for ever"


def _ban_facts(ban: Ban) -> dict[str, Any]:
    return {
        "kind": ban.kind,
        "subject": ban.subject,
        "until": ban.until,
        "reason": ban.reason,
        "banned_by": ban.banned_by,
        "created": ban.created,
    }
