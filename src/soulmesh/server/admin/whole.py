"""Commands about the server as a whole: what everybody sees, who may come in, and how it is doing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from soulmesh import wire
from soulmesh.errors import NotFound, UsageError
from soulmesh.server.admin.command import Answer, Command, number, switch
from soulmesh.wire import to_client

if TYPE_CHECKING:
    from soulmesh.server.app import Parts

__all__ = ["ServerCommands"]


class ServerCommands:
    """The greeting, phrases, who may come in, figures and the backup."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._realm = parts.realm
        self._moderation = parts.moderation

    def commands(self) -> list[Command]:
        """What it adds to the list."""
        return [
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
            Command(("status",), "", "how the server is doing", self._status),
            Command(("health",), "", "whether all is well", self._health),
            Command(("backup",), "FILE", "a complete copy of the data, while running", self._backup, 1),
        ]

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
            self._realm.private = switch(arguments[0])
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
            self._realm.maximum_users = int(number(arguments[0], "users", 1, 10_000_000))
            self._realm.keep_value("maximum_users", str(self._realm.maximum_users))
            self._moderation.audit.record(who, "maximum-users", "", arguments[0])
        return Answer([str(self._realm.maximum_users)], {"maximum_users": self._realm.maximum_users})

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
