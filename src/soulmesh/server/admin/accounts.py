"""Commands about accounts: made, shown, changed, taken along, deleted."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from soulmesh import wire
from soulmesh.errors import NotFound, UsageError
from soulmesh.server.accounts import name_fault
from soulmesh.server.admin.command import Answer, Command, number, switch
from soulmesh.server.frames import show, wire_name
from soulmesh.server.state import User

if TYPE_CHECKING:
    from soulmesh.server.app import Parts

__all__ = ["AccountCommands"]

_STATUS = ("offline", "away", "online")


class AccountCommands:
    """Accounts, for administrators; and what users may do with their own."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._realm = parts.realm
        self._moderation = parts.moderation

    def commands(self) -> list[Command]:
        """What it adds to the list."""
        return [
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
            Command(("online",), "", "who is online", self._online),
        ]

    def is_admin(self, user: User) -> bool:
        """Whether the account has administrator rights, by flag or by the settings."""
        return user.admin or show(user.name) in self._realm.settings.admin.admins

    def user(self, name: str) -> User:
        """The account of this name.

        Raises:
            NotFound: there is none.
        """
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
        data = self._describe(self.user(arguments[0]))
        return Answer([f"{key}: {value}" for key, value in data.items() if value is not None], data)

    async def _user_password(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        user = self.user(arguments[0])
        encoded = await self._parts.passwords.make(arguments[1].encode())
        if not self._parts.logins.set_password(user, encoded):
            raise NotFound(f"no account named {arguments[0]}")
        self._moderation.audit.record(who, "user password", arguments[0])
        return Answer([f"{arguments[0]} has a new password."], {"name": arguments[0]})

    def _privileges(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        user = self.user(arguments[0])
        days = number(arguments[1], "days", 0, 36500)
        self._parts.privileges.set_days(user, days)
        self._moderation.audit.record(who, "user privileges", arguments[0], f"{days:g} days")
        return Answer([f"{arguments[0]} is privileged for {days:g} days."], self._describe(user))

    def _user_admin(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        user = self.user(arguments[0])
        user.admin = switch(arguments[1])
        self._realm.keep_account(user)
        self._moderation.audit.record(who, "user admin", arguments[0], arguments[1])
        return Answer(
            [f"{arguments[0]} {'is' if self.is_admin(user) else 'is no'} administrator."],
            self._describe(user),
        )

    def _user_delete(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        user = self.user(arguments[0])
        self._parts.delete_account(user)
        self._moderation.unmute(user.name)
        self._moderation.audit.record(who, "user delete", arguments[0])
        return Answer([f"{arguments[0]} is deleted."], {"name": arguments[0]})

    def _user_export(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        data = self._export(self.user(arguments[0]))
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

    def own_export(self, user: User) -> Answer:
        """What is kept about who asks, in lines that fit into messages."""
        data = self._export(user)
        text = json.dumps(data, ensure_ascii=False)
        return Answer([text[start : start + 1900] for start in range(0, len(text), 1900)], data)

    def own_delete(self, user: User, arguments: list[str]) -> Answer:
        """Delete who asks, if the name is repeated.

        Raises:
            UsageError: it is not.
        """
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

    def _online(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        users = [session.user for session in self._realm.online.sessions() if session.user is not None]
        lines = [
            f"{show(user.name)} ({_STATUS[user.status]}) from {user.session.host}"
            for user in users
            if user.session is not None
        ]
        return Answer(lines or ["nobody"], [self._describe(user) for user in users])
