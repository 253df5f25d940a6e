"""Administration: one list of commands, whichever way they come in.

The command line (over the control socket, or straight on the data folder when
no server runs), private messages to the user ``server``, and the HTTP port all
end here. Users who are no administrators may export and delete their own
account, and nothing else.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from soulmesh import log, wire
from soulmesh.errors import NotFound, SoulmeshError, UsageError
from soulmesh.server.accounts import name_fault
from soulmesh.server.bans import KINDS, Ban
from soulmesh.server.frames import show, wire_name
from soulmesh.server.state import Room, Session, User
from soulmesh.wire import to_client

if TYPE_CHECKING:
    from soulmesh.server.app import Parts

__all__ = ["Admin", "Answer", "Command", "CommandFailed"]

_SPAN = re.compile(r"(\d+(?:\.\d+)?)([mhdw])")
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}
_STATUS = ("offline", "away", "online")

LONGEST_SPAN = 36500 * 86400
"""Seconds that a ban may last, if not for ever."""


@dataclass(slots=True)
class Answer:
    """What a command says: lines for people, the same for machines."""

    lines: list[str] = field(default_factory=list)
    data: Any = None


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its words, what follows them, what it does, and who runs it."""

    words: tuple[str, ...]
    arguments: str
    text: str
    run: Callable[[str, list[str], dict[str, str]], Answer | Awaitable[Answer]]
    least: int = 0
    """Arguments it needs."""
    own: bool = False
    """Users who are no administrators may use it, on themselves."""


class CommandFailed(SoulmeshError):
    """A command that should not have failed."""

    hint = "the server's log says where"

    def __init__(self, command: str, error: Exception) -> None:
        self.command = command
        self.error = error

    def __str__(self) -> str:
        return f"{self.command} failed: {type(self.error).__name__}: {self.error}"


class Admin:
    """See the module. ``who`` in every call is the name written to the audit log."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._realm = parts.realm
        self._moderation = parts.moderation
        self.commands = self._table()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        """Commands that have been carried out and are not kept yet, by the batch that keeps them."""
        parts.realm.store.on_commit(self._committed)
        parts.realm.store.on_lost(self._lost)
        self._log = log.get("server.admin")

    def _table(self) -> list[Command]:
        return [
            Command(("help",), "", "this list", self._help, own=True),
            Command(("user", "add"), "NAME --password P [--admin]", "make an account", self._user_add, 1),
            Command(
                ("user", "list"), "[PART]", "accounts, or those with PART in their name", self._user_list
            ),
            Command(("user", "show"), "NAME", "everything about an account", self._user_show, 1),
            Command(("user", "password"), "NAME P", "set a password", self._user_password, 2),
            Command(
                ("user", "privileges"),
                "NAME DAYS",
                "privileges from now on; 0 ends them",
                self._privileges,
                2,
            ),
            Command(("user", "admin"), "NAME on|off", "administrator rights", self._user_admin, 2),
            Command(
                ("user", "delete"), "NAME", "delete an account and all that is its", self._user_delete, 1
            ),
            Command(
                ("user", "export"), "NAME", "all that is kept about an account, as JSON", self._user_export, 1
            ),
            Command(("limits",), "", "how much of what is allowed", self._limits, own=True),
            Command(("export",), "", "all that is kept about your account", self._by_message, own=True),
            Command(("delete",), "YOUR-NAME", "delete your account for ever", self._by_message, own=True),
            Command(("kick",), "NAME [WHY]", "close a user's connection", self._kick, 1),
            Command(("mute",), "NAME [MINUTES]", "nobody gets what the user writes", self._mute, 1),
            Command(("mutes",), "", "who may not talk", self._mutes),
            Command(("unmute",), "NAME", "let a user talk again", self._unmute, 1),
            Command(
                ("ban",), "NAME|ADDRESS|NETWORK [WHY] [--for 2h]", "keep out; for m, h, d or w", self._ban, 1
            ),
            Command(("unban",), "NAME|ADDRESS|NETWORK", "lift a ban", self._unban, 1),
            Command(("bans",), "", "bans in force", self._bans),
            Command(("online",), "", "who is online", self._online),
            Command(("room", "list"), "", "rooms", self._room_list),
            Command(("room", "show"), "ROOM", "everything about a room", self._room_show, 1),
            Command(
                ("room", "dissolve"), "ROOM", "take a private room from its owner", self._room_dissolve, 1
            ),
            Command(("room", "delete"), "ROOM", "forget an empty room", self._room_delete, 1),
            Command(("greeting",), "[TEXT]", "the message of the day", self._greeting),
            Command(("announce",), "TEXT", "say something to everybody online", self._announce, 1),
            Command(("phrases", "list"), "", "excluded search phrases", self._phrases),
            Command(("phrases", "add"), "PHRASE", "exclude a phrase", self._phrases_add, 1),
            Command(("phrases", "remove"), "PHRASE", "exclude it no longer", self._phrases_remove, 1),
            Command(
                ("phrases", "preview"), "PHRASE", "recent searches it would hit", self._phrases_preview, 1
            ),
            Command(("private",), "[on|off]", "whether only accounts made here may log in", self._private),
            Command(("maximum-users",), "[N]", "how many may be online", self._maximum_users),
            Command(("audit",), "[N]", "the last decisions", self._audit),
            Command(("status",), "", "how the server is doing", self._status),
            Command(("health",), "", "whether all is well", self._health),
            Command(("backup",), "FILE", "a complete copy of the data, while running", self._backup, 1),
        ]

    # ---- the ways in

    async def run(self, who: str, words: list[str]) -> Answer:
        """Run one command given as words.

        Raises:
            UsageError: no such command, or not such arguments.
            NotFound: no such user, room or ban.
            CommandFailed: a defect of ours; the log has it.
            StoreBroken, StoreInUse: it was done and cannot be kept.
        """
        for word in words:
            if not _is_text(word):
                raise UsageError(f"{word!r} is no text")
        command, rest = self._find(words)
        if command is None:
            raise UsageError(f"no such command: {' '.join(words) or '(nothing)'}; `help` lists them")
        arguments, options = _split(rest)
        if len(arguments) < command.least:
            raise UsageError(f"usage: {' '.join(command.words)} {command.arguments}".rstrip())
        store = self._realm.store
        before = store.commit()
        try:
            found = command.run(who, arguments, options)
            answer = found if isinstance(found, Answer) else await found
            if (changed := store.commit()) > before:
                # Nobody is told that something is done before it is kept.
                await self._kept(changed)
            return answer
        except SoulmeshError:
            raise
        except Exception as error:
            name = " ".join(command.words)
            self._log.error("a command broke", command=name, who=who, exc_info=error)
            raise CommandFailed(name, error) from error

    async def _kept(self, number: int) -> None:
        if self._realm.store.committed < number:
            kept = asyncio.get_running_loop().create_future()
            self._waiting.append((number, kept))
            await kept

    def _committed(self) -> None:
        done = self._realm.store.committed
        for number, kept in self._waiting:
            if number <= done and not kept.done():
                kept.set_result(None)
        self._waiting = [one for one in self._waiting if not one[1].done()]

    def _lost(self, error: SoulmeshError) -> None:
        for _, kept in self._waiting:
            if not kept.done():
                kept.set_exception(error)
        self._waiting = []

    def _find(self, words: list[str]) -> tuple[Command | None, list[str]]:
        for length in (2, 1):
            for command in self.commands:
                if len(command.words) == length and tuple(words[:length]) == command.words:
                    return command, words[length:]
        return None, []

    def message(self, session: Session, user: User, text: bytes) -> None:
        """A private message to ``server``: a command, answered in notices."""
        self._parts.logins.spawn(self._message(session, user, wire.text(text)))

    async def _message(self, session: Session, user: User, text: str) -> None:
        name = show(user.name)
        try:
            try:
                words = shlex.split(text)
            except ValueError as error:
                raise UsageError(f"quotes do not match: {error}") from error
            command, rest = self._find(words)
            allowed = self.is_admin(user) or (command is not None and command.own)
            if command is None or not allowed or command.words == ("help",):
                answer = self._list([c for c in self.commands if c.own or self.is_admin(user)])
            elif command.words == ("export",):
                answer = self._own_export(user)
            elif command.words == ("delete",):
                answer = self._own_delete(user, rest)
            else:
                answer = await self.run(name, words)
        except SoulmeshError as error:
            answer = Answer([str(error)])
        if session.user is user:
            for line in answer.lines or ["Done."]:
                self._realm.notice(session, line)

    def is_admin(self, user: User) -> bool:
        """Whether the account has administrator rights, by flag or by the settings."""
        return user.admin or show(user.name) in self._realm.settings.admin.admins

    def _help(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        return self._list(self.commands)

    def _list(self, shown: list[Command]) -> Answer:
        return Answer(
            [f"{' '.join([*c.words, c.arguments]).rstrip()} - {c.text}" for c in shown],
            [{"command": " ".join(c.words), "arguments": c.arguments, "text": c.text} for c in shown],
        )

    # ---- accounts

    def _user(self, name: str) -> User:
        user = self._realm.users.get(wire_name(name.encode()))
        if user is None:
            raise NotFound(f"no account named {name}")
        return user

    async def _user_add(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        name = arguments[0]
        if "password" not in options:
            raise UsageError("an account needs --password")
        fault = name_fault(name.encode())
        if fault is not None:
            raise UsageError(f"{name!r} cannot be a name: {fault or 'it is reserved'}")
        if wire_name(name.encode()) in self._realm.users:
            raise UsageError(f"there is an account named {name} already")
        encoded = await self._parts.passwords.make(options["password"].encode())
        if wire_name(name.encode()) in self._realm.users:
            raise UsageError(f"there is an account named {name} already")
        user = self._parts.presence.create(wire_name(name.encode()), encoded)
        if "admin" in options:
            user.admin = True
            self._realm.keep_account(user)
        self._moderation.audit.record(who, "user add", name)
        return Answer([f"{name} can log in now."], self._describe(user))

    def _user_list(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        part = arguments[0].lower() if arguments else ""
        users = [user for user in self._realm.users.values() if part in show(user.name).lower()]
        lines = [
            f"{show(user.name)} ({_STATUS[user.status]}{', admin' if self.is_admin(user) else ''})"
            for user in users
        ]
        return Answer(lines or ["none"], [self._describe(user) for user in users])

    def _describe(self, user: User) -> dict[str, Any]:
        session = user.session
        return {
            "name": show(user.name),
            "status": _STATUS[user.status],
            "admin": self.is_admin(user),
            "created": user.created,
            "privileges": self._parts.privileges.left(user),
            "speed": user.speed,
            "uploads": user.uploads,
            "files": user.files,
            "folders": user.folders,
            "waiting_messages": len(user.queue or ()),
            "muted": self._moderation.is_muted(user.name),
            "address": session.host if session else None,
            "port": session.port if session else None,
            "version": session.version if session else None,
            "branch_level": session.branch_level if session else None,
            "branch_root": show(session.branch_root) if session and session.branch_root else None,
            "rooms": [show(room.name) for room in user.joined or ()],
        }

    def _user_show(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        data = self._describe(self._user(arguments[0]))
        return Answer([f"{key}: {value}" for key, value in data.items() if value is not None], data)

    async def _user_password(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        user = self._user(arguments[0])
        encoded = await self._parts.passwords.make(arguments[1].encode())
        if not self._parts.logins.set_password(user, encoded):
            raise NotFound(f"no account named {arguments[0]}")
        self._moderation.audit.record(who, "user password", arguments[0])
        return Answer([f"{arguments[0]} has a new password."], {"name": arguments[0]})

    def _privileges(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        user = self._user(arguments[0])
        days = _number(arguments[1], "days", 0, 36500)
        self._parts.privileges.set_days(user, days)
        self._moderation.audit.record(who, "user privileges", arguments[0], f"{days:g} days")
        return Answer([f"{arguments[0]} is privileged for {days:g} days."], self._describe(user))

    def _user_admin(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        user = self._user(arguments[0])
        user.admin = _switch(arguments[1])
        self._realm.keep_account(user)
        self._moderation.audit.record(who, "user admin", arguments[0], arguments[1])
        return Answer(
            [f"{arguments[0]} {'is' if self.is_admin(user) else 'is no'} administrator."],
            self._describe(user),
        )

    def _user_delete(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        user = self._user(arguments[0])
        self._parts.delete_account(user)
        self._moderation.unmute(user.name)
        self._moderation.audit.record(who, "user delete", arguments[0])
        return Answer([f"{arguments[0]} is deleted."], {"name": arguments[0]})

    def _user_export(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        data = self._export(self._user(arguments[0]))
        return Answer([json.dumps(data, ensure_ascii=False)], data)

    def _export(self, user: User) -> dict[str, Any]:
        data = self._describe(user)
        data["likes"] = sorted(user.likes or ())
        data["hates"] = sorted(user.hates or ())
        data["private_rooms"] = [show(room.name) for room in user.registered_in or ()]
        data["tickers"] = {
            show(room.name): show(room.tickers[user.name])
            for room in self._realm.rooms.values()
            if user.name in room.tickers
        }
        data["messages"] = [
            {"id": row[0], "from": wire.text(row[2]), "sent": row[3], "message": wire.text(row[4])}
            for row in (user.queue or {}).values()
        ]
        return data

    def _by_message(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        raise UsageError(
            "this is what users write to `server` about themselves; see user export, user delete"
        )

    def _own_export(self, user: User) -> Answer:
        data = self._export(user)
        text = json.dumps(data, ensure_ascii=False)
        return Answer([text[start : start + 1900] for start in range(0, len(text), 1900)], data)

    def _own_delete(self, user: User, arguments: list[str]) -> Answer:
        who = show(user.name)
        if arguments != [who]:
            raise UsageError(f"to delete your account for ever, write: delete {shlex.quote(who)}")
        self._parts.delete_account(user)
        self._moderation.audit.record(who, "delete", who)
        return Answer(["Your account is deleted."], {"name": who})

    def _limits(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        abuse = self._parts.abuse
        published = abuse.published() if abuse is not None else {}
        return Answer(list(published.values()) or ["There are no limits."], published)

    # ---- moderation

    def _kick(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        user = self._user(arguments[0])
        why = " ".join(arguments[1:])
        if not self._moderation.kick(user, f"You are sent away: {why}" if why else "You are sent away."):
            raise NotFound(f"{arguments[0]} is not online")
        self._moderation.audit.record(who, "kick", arguments[0], why)
        return Answer([f"{arguments[0]} is sent away."], {"name": arguments[0]})

    def _mute(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        user = self._user(arguments[0])
        minutes = _number(arguments[1], "minutes", 0, 10_000_000) if len(arguments) > 1 else 0.0
        self._moderation.mute(user, minutes, who)
        self._parts.choose_handlers(user)
        span = f"for {minutes:g} minutes" if minutes else "until unmuted"
        self._moderation.audit.record(who, "mute", arguments[0], span)
        return Answer([f"{arguments[0]} is muted {span}."], {"name": arguments[0], "minutes": minutes})

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
            until = int(self._realm.now() + _span(options["for"]))
        elif "until" in options:
            until = _moment(options["until"])
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

    # ---- who and where

    def _online(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        users = [session.user for session in self._realm.online.sessions() if session.user is not None]
        lines = [
            f"{show(user.name)} ({_STATUS[user.status]}) from {user.session.host}"
            for user in users
            if user.session is not None
        ]
        return Answer(lines or ["nobody"], [self._describe(user) for user in users])

    def _room(self, name: str) -> Room:
        room = self._realm.rooms.get(wire_name(name.encode()))
        if room is None:
            raise NotFound(f"no room named {name}")
        return room

    def _room_facts(self, room: Room) -> dict[str, Any]:
        return {
            "name": show(room.name),
            "private": room.private,
            "users": [show(s.user.name) for s in room.members if s.user is not None],
            "owner": show(room.owner.name) if room.owner else None,
            "members": [show(user.name) for user in room.member_users],
            "operators": [show(user.name) for user in room.operators],
            "tickers": {show(name): show(text) for name, text in room.tickers.items()},
            "was_public": room.was_public,
        }

    def _room_list(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        facts = [self._room_facts(room) for room in self._realm.rooms.values()]
        lines = [
            f"{fact['name']} ({'private' if fact['private'] else 'public'}, {len(fact['users'])} in it)"
            for fact in facts
        ]
        return Answer(lines or ["none"], facts)

    def _room_show(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        facts = self._room_facts(self._room(" ".join(arguments)))
        return Answer([f"{key}: {value}" for key, value in facts.items()], facts)

    def _room_dissolve(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        name = " ".join(arguments)
        room = self._room(name)
        if room.owner is None:
            raise UsageError(f"{name} has no owner")
        self._parts.rooms.dissolve(room)
        self._moderation.audit.record(who, "room dissolve", name)
        return Answer([f"{name} belongs to nobody now."], self._room_facts(room))

    def _room_delete(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        name = " ".join(arguments)
        room = self._room(name)
        if room.members:
            raise UsageError(f"there is somebody in {name}")
        if room.owner is not None:
            raise UsageError(f"{name} has an owner; see room dissolve")
        facts = self._room_facts(room)
        self._parts.rooms.delete(room)
        self._moderation.audit.record(who, "room delete", name)
        return Answer([f"{name} is forgotten."], facts)

    # ---- what everybody sees

    def _greeting(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        if arguments:
            self._realm.greeting = " ".join(arguments)
            self._realm.keep_value("greeting", self._realm.greeting)
            self._moderation.audit.record(who, "greeting", "", self._realm.greeting)
        return Answer([self._realm.greeting], {"greeting": self._realm.greeting})

    def _announce(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        text = " ".join(arguments)
        frame = wire.encode(to_client.AdminMessage(text))
        sessions = self._realm.online.sessions()
        for session in sessions:
            session.send(frame)
        self._moderation.audit.record(who, "announce", "", text)
        return Answer([f"Said to {len(sessions)}."], {"reached": len(sessions)})

    def _phrases(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        return Answer(self._realm.excluded_phrases or ["none"], list(self._realm.excluded_phrases))

    def _set_phrases(self, phrases: list[str]) -> None:
        realm = self._realm
        realm.excluded_phrases = phrases
        realm.excluded_frame = None
        realm.keep_value("excluded_phrases", "\n".join(phrases))
        frame = self._parts.presence.excluded_phrases()
        for session in realm.online.sessions():
            session.send(frame)

    def _phrases_add(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        phrase = " ".join(arguments)
        if not phrase.strip() or len(phrase.splitlines()) != 1:
            raise UsageError("a phrase is words on one line")
        if phrase in self._realm.excluded_phrases:
            raise UsageError(f"{phrase!r} is excluded already")
        self._set_phrases([*self._realm.excluded_phrases, phrase])
        self._moderation.audit.record(who, "phrases add", phrase)
        return self._phrases(who, [], {})

    def _phrases_remove(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        phrase = " ".join(arguments)
        if phrase not in self._realm.excluded_phrases:
            raise NotFound(f"{phrase!r} is not excluded")
        self._set_phrases([p for p in self._realm.excluded_phrases if p != phrase])
        self._moderation.audit.record(who, "phrases remove", phrase)
        return self._phrases(who, [], {})

    def _phrases_preview(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        phrase = " ".join(arguments).lower()
        recent = [wire.text(tail[8:]) for tail in self._parts.searches]
        hit = [query for query in recent if phrase in query.lower()]
        lines = [
            f"{len(hit)} of the last {len(recent)} searches contain {phrase!r}.",
            *dict.fromkeys(hit[-20:]),
        ]
        return Answer(lines, {"searches": len(recent), "hit": len(hit), "examples": hit[-20:]})

    def _private(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        if arguments:
            self._realm.private = _switch(arguments[0])
            self._realm.keep_value("private", "true" if self._realm.private else "false")
            self._moderation.audit.record(who, "private", "", arguments[0])
        word = (
            "on: only administrators make accounts"
            if self._realm.private
            else "off: anybody may make an account"
        )
        return Answer([f"private mode is {word}"], {"private": self._realm.private})

    def _maximum_users(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        if arguments:
            self._realm.maximum_users = int(_number(arguments[0], "users", 1, 10_000_000))
            self._realm.keep_value("maximum_users", str(self._realm.maximum_users))
            self._moderation.audit.record(who, "maximum-users", "", arguments[0])
        return Answer([str(self._realm.maximum_users)], {"maximum_users": self._realm.maximum_users})

    # ---- looking after it

    def _audit(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        count = int(_number(arguments[0], "entries", 1, 100_000)) if arguments else 50
        decisions = self._moderation.audit.last(count)
        lines = [
            f"{_when(d.at)} {d.who}: {d.action} {d.subject}".rstrip() + (f" ({d.detail})" if d.detail else "")
            for d in decisions
        ]
        return Answer(lines or ["none"], [decision.facts() for decision in decisions])

    def _status(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        data = self._parts.figures()
        return Answer([f"{key}: {value}" for key, value in data.items()], data)

    def _health(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        fault = self._parts.health()
        return Answer([fault or "healthy"], {"healthy": fault is None, "why": fault})

    async def _backup(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        path = arguments[0]
        try:
            await self._realm.store.backup(path)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            raise UsageError(f"cannot write {path}: {getattr(error, 'orig', error)}") from error
        self._moderation.audit.record(who, "backup", path)
        return Answer([f"{path} is a complete copy."], {"path": path})


def _split(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Arguments, and options of the forms ``--name value``, ``--name=value`` and ``--admin``."""
    arguments: list[str] = []
    options: dict[str, str] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return arguments + rest, options
        if word.startswith("--") and len(word) > 2:
            name, equals, value = word[2:].partition("=")
            if name not in ("password", "admin", "for", "until", "why", "kind"):
                place = "; --json stands before the command" if name == "json" else ""
                raise UsageError(f"no such option: --{name}{place}")
            if not equals and name != "admin":
                if not rest:
                    raise UsageError(f"--{name} needs a value")
                value = rest.pop(0)
            options[name] = value
        else:
            arguments.append(word)
    return arguments, options


def _is_text(word: str) -> bool:
    """Whether it can be written down: JSON lets halves of characters through."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in word


def _number(text: str, what: str, low: float, high: float) -> float:
    try:
        number = float(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a number of {what}") from None
    if not low <= number <= high:
        raise UsageError(f"{what} must be from {low:g} to {high:g}")
    return number


def _switch(text: str) -> bool:
    if text.lower() in ("on", "yes", "true"):
        return True
    if text.lower() in ("off", "no", "false"):
        return False
    raise UsageError(f"{text!r} is neither on nor off")


def _span(text: str) -> float:
    parts = _SPAN.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UsageError(f"{text!r} is no span of time such as 30m, 2h, 7d or 1d12h")
    span = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if span > LONGEST_SPAN:
        raise UsageError(f"{text} is longer than a hundred years; leave it out for ever")
    return span


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no time such as 2030-01-31T12:00") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _when(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        # Rows come from elsewhere, too.
        return f"{seconds} s after 1970"


def _until(ban: Ban) -> str:
    return f"until {_when(ban.until)} UTC" if ban.until else "for ever"


def _ban_facts(ban: Ban) -> dict[str, Any]:
    return {
        "kind": ban.kind,
        "subject": ban.subject,
        "until": ban.until,
        "reason": ban.reason,
        "banned_by": ban.banned_by,
        "created": ban.created,
    }
