"""The first message of every connection: Login, with all the ways it can go.

A banned account or address gets no answer. Everybody else who is refused is
told why, in the words that clients know, and hung up on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from soulmesh import wire
from soulmesh.server.accounts import Passwords, name_fault
from soulmesh.server.frames import show, wire_name
from soulmesh.server.gateway import Connection, Malformed
from soulmesh.server.presence import Presence
from soulmesh.server.realm import Realm
from soulmesh.server.state import Session, User
from soulmesh.wire import to_client, to_server

__all__ = ["Logins"]


class Logins:
    """Checks names and passwords, creates accounts, lets users in.

    ``entered`` is called with connection and user once somebody is in;
    ``banned`` says whether an account or an address is; ``failed`` hears of
    every wrong password.
    """

    def __init__(
        self,
        realm: Realm,
        presence: Presence,
        passwords: Passwords,
        entered: Callable[[Connection, User], None],
        banned: Callable[[bytes, str], bool],
        failed: Callable[[Connection, bytes], None],
    ) -> None:
        self._realm = realm
        self._presence = presence
        self._passwords = passwords
        self._entered = entered
        self._banned = banned
        self._failed = failed
        self._tasks: set[asyncio.Task[None]] = set()

    def login(self, connection: Connection, data: bytes, pos: int, stop: int) -> None:
        """The handler of Login before anybody is in."""
        try:
            message = wire.decode(data[pos - 8 : stop], "server", "to_server")
        except wire.WireError as error:
            raise Malformed(str(error)) from error
        assert isinstance(message, to_server.Login)
        settings = self._realm.settings.accounts
        raw = wire.raw(message.username)
        password = wire.raw(message.password)
        name = wire_name(raw)
        fault = name_fault(raw)
        if self._banned(raw, connection.host):
            connection.hang_up()
        elif message.client_version is not None and message.client_version < settings.minimum_version:
            self._refuse(connection, "INVALIDVERSION")
        elif fault is not None:
            self._refuse(connection, "INVALIDUSERNAME", fault)
        elif not password and not settings.empty_password:
            self._refuse(connection, "EMPTYPASSWORD")
        else:
            connection.version = message.client_version or 0
            self._check(connection, name, password)

    def _check(self, connection: Connection, name: bytes, password: bytes) -> None:
        passwords = self._passwords
        user = self._realm.users.get(name)
        why_not = self._closed_to(user, name)
        if why_not is not None:
            self._refuse(connection, why_not)
        elif user is not None and passwords.remembered(user, password):
            self._enter(connection, user, password)
        elif user is not None and not user.password:
            self._refuse(connection, "INVALIDPASS")
        elif passwords.fast and (user is None or user.password.startswith("fast$")):
            if user is None:
                self._enter(connection, self._presence.create(name, passwords.make_now(password)), password)
            elif passwords.check_now(user.password, password):
                self._enter(connection, user, password)
            else:
                self._wrong(connection, name)
        elif passwords.full():
            self._refuse(connection, "SVRFULL")
        else:
            connection.busy = True
            self.spawn(self._check_slowly(connection, name, password))

    def _closed_to(self, user: User | None, name: bytes) -> str | None:
        """Why nobody of that account (``None``: a new one) may come in, whatever the password."""
        realm = self._realm
        if user is None and realm.private:
            return "SVRPRIVATE"
        if user is None and show(name) in realm.settings.admin.admins:
            # Whoever came first would be administrator.
            return "INVALIDPASS"
        full = len(realm.users) >= realm.maximum_users and len(realm.online) >= realm.maximum_users
        return "SVRFULL" if full and (user is None or user.session is None) else None

    async def _check_slowly(self, connection: Connection, name: bytes, password: bytes) -> None:
        realm, passwords = self._realm, self._passwords
        try:
            user = realm.users.get(name)
            made = None
            if user is None:
                made = await passwords.make(password)
                # Somebody may have taken the name meanwhile; then this is an ordinary login.
                user = realm.users.get(name)
            encoded = user.password if user is not None else ""
            right = user is None or await passwords.check(encoded, password)
            if connection.closing:
                return
            # While the hash was computed everything may have changed.
            why_not = self._closed_to(user, name)
            if self._banned(name[4:], connection.host) or realm.users.get(name) is not user:
                connection.hang_up()
            elif not right:
                self._wrong(connection, name)
            elif why_not is not None:
                self._refuse(connection, why_not)
            elif user is None:
                assert made is not None
                self._enter(connection, self._presence.create(name, made), password)
            elif user.password != encoded:
                self._refuse(connection, "INVALIDPASS")
            else:
                self._enter(connection, user, password)
                if passwords.outdated(encoded):
                    self.spawn(self._renew(user, encoded, password))
        finally:
            connection.resume()

    async def _renew(self, user: User, encoded: str, password: bytes) -> None:
        """Hash a password that was found right by the settings of today, if it is still the user's."""
        renewed = await self._passwords.make(password)
        if user.password == encoded and self._realm.users.get(user.name) is user:
            user.password = renewed
            self._realm.keep_account(user)

    def _enter(self, connection: Connection, user: User, password: bytes) -> None:
        self._passwords.remember(user, password)
        self._entered(connection, user)
        self._presence.enter(connection, user, password)

    def _wrong(self, connection: Connection, name: bytes) -> None:
        self._failed(connection, name)
        self._refuse(connection, "INVALIDPASS")

    def _refuse(self, connection: Connection, reason: str, detail: str | None = None) -> None:
        if connection.closing:
            return
        connection.send(wire.encode(to_client.Login(False, reason=reason, detail=detail)))
        connection.handlers = {}
        connection.finish()

    # ---- changing the password

    def new_password(self, session: Session, user: User, message: to_server.NewPassword) -> None:
        """NewPassword: kept first, then said back."""
        password = wire.raw(message.password)
        if not password and not self._realm.settings.accounts.empty_password:
            return
        if isinstance(session, Connection):
            session.busy = True
            self.spawn(self._new_password(session, user, password))

    async def _new_password(self, connection: Connection, user: User, password: bytes) -> None:
        try:
            encoded = await self._passwords.make(password)
            if self.set_password(user, encoded) and connection.user is user:
                connection.send(wire.encode(to_client.NewPassword(wire.text(password))))
        finally:
            connection.resume()

    def set_password(self, user: User, encoded: str) -> bool:
        """Put an encoded hash in place of the one before; false if the account is deleted meanwhile."""
        if self._realm.users.get(user.name) is not user:
            return False
        self._passwords.forget(user)
        user.password = encoded
        self._realm.keep_account(user)
        return True

    # ---- tasks

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` until it is done, or until :meth:`close`."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel what is still being checked."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
