"""The ways in: a command is found, carried out, kept, and only then answered."""

from __future__ import annotations

import asyncio
import shlex
from typing import TYPE_CHECKING

from soulmesh import log, wire
from soulmesh.errors import SoulmeshError, UsageError
from soulmesh.server.admin.accounts import AccountCommands
from soulmesh.server.admin.command import Answer, Command, CommandFailed, is_text, split
from soulmesh.server.admin.moderation import ModerationCommands
from soulmesh.server.admin.rooms import RoomCommands
from soulmesh.server.admin.whole import ServerCommands
from soulmesh.server.frames import show
from soulmesh.server.state import Session, User

if TYPE_CHECKING:
    from soulmesh.server.app import Parts

__all__ = ["Admin"]


class Admin:
    """All commands. ``who`` in every call is the name written to the audit log."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._realm = parts.realm
        self.accounts = AccountCommands(parts)
        self.commands = [
            Command(("help",), "", "this list", self._help, own=True),
            *self.accounts.commands(),
            *ModerationCommands(parts, self.accounts.user).commands(),
            *RoomCommands(parts).commands(),
            *ServerCommands(parts).commands(),
        ]
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        """Commands that have been carried out and are not kept yet, by the batch that keeps them."""
        parts.realm.store.on_commit(self._committed)
        parts.realm.store.on_lost(self._lost)
        self._log = log.get("server.admin")

    async def run(self, who: str, words: list[str]) -> Answer:
        """Run one command given as words.

        Raises:
            UsageError: no such command, or not such arguments.
            NotFound: no such user, room or ban.
            CommandFailed: a defect of ours; the log has it.
            StoreBroken, StoreInUse: it was done and cannot be kept.
        """
        for word in words:
            if not is_text(word):
                raise UsageError(f"{word!r} is no text")
        command, rest = self._find(words)
        if command is None:
            raise UsageError(f"no such command: {' '.join(words) or '(nothing)'}; `help` lists them")
        arguments, options = split(rest)
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
            allowed = self.accounts.is_admin(user) or (command is not None and command.own)
            if command is None or not allowed or command.words == ("help",):
                answer = self._list([c for c in self.commands if c.own or self.accounts.is_admin(user)])
            elif command.words == ("export",):
                answer = self.accounts.own_export(user)
            elif command.words == ("delete",):
                answer = self.accounts.own_delete(user, rest)
            else:
                answer = await self.run(name, words)
        except SoulmeshError as error:
            answer = Answer([str(error)])
        if session.user is user:
            for line in answer.lines or ["Done."]:
                self._realm.notice(session, line)

    def _help(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        return self._list(self.commands)

    def _list(self, shown: list[Command]) -> Answer:
        return Answer(
            [f"{' '.join([*c.words, c.arguments]).rstrip()} - {c.text}" for c in shown],
            [{"command": " ".join(c.words), "arguments": c.arguments, "text": c.text} for c in shown],
        )
