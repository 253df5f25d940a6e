"""Names and passwords: who may come in.

A right password is remembered as a keyed digest in memory, so that a storm of
reconnects does not cost a hash each. Hashes are computed in a few threads,
never on the loop.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from soulmesh.server.settings import AccountsSection
from soulmesh.server.state import User

__all__ = ["RESERVED", "Passwords", "name_fault"]

MAXIMUM_NAME = 30

RESERVED = (b"server", b"console", b"http", b"abuse")
"""Whom notices come from, and who decides in the audit log without being a user."""


def name_fault(name: bytes) -> str | None:
    """Why this cannot be a user name: the detail text of INVALIDUSERNAME, or ``None``."""
    if not name:
        return "Nick empty."
    if len(name) > MAXIMUM_NAME:
        return "Nick too long."
    if not name.isascii() or not name.decode().isprintable():
        return "Invalid characters in nick."
    if name.startswith(b" ") or name.endswith(b" "):
        return "No leading and trailing spaces allowed in nick."
    if name.lower() in RESERVED:
        return ""
    return None


class Passwords:
    """Makes and checks password hashes."""

    def __init__(self, settings: AccountsSection, secret: bytes) -> None:
        self._settings = settings
        self._secret = secret
        """Random, for the digests in memory; new at each start."""
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_passes,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_lanes,
            type=Type.ID,
        )
        self._threads: ThreadPoolExecutor | None = None
        self._remembered: deque[User] = deque()
        self.waiting = 0

    def _digest(self, user: User, password: bytes) -> bytes:
        return hashlib.blake2b(user.name + password, key=self._secret, digest_size=16).digest()

    def remembered(self, user: User, password: bytes) -> bool:
        """Whether this very password was found right before."""
        return user.verified is not None and hmac.compare_digest(user.verified, self._digest(user, password))

    def remember(self, user: User, password: bytes) -> None:
        """This password is right."""
        limit = self._settings.verified_cache
        if not limit:
            return
        if user.verified is None:
            self._remembered.append(user)
            if len(self._remembered) > limit:
                self._remembered.popleft().verified = None
        user.verified = self._digest(user, password)

    def forget(self, user: User) -> None:
        """The password changed."""
        if user.verified is not None:
            user.verified = None
            self._remembered.remove(user)

    @property
    def fast(self) -> bool:
        """No hash is worth a thread."""
        return self._settings.hash == "fast"

    def full(self) -> bool:
        """Too many wait for a hash already."""
        return self.waiting >= self._settings.hash_queue

    def make_now(self, password: bytes) -> str:
        """Hash on the calling thread: for commands, and for the fast way."""
        if self.fast:
            return "fast$" + hashlib.sha256(password).hexdigest()
        return self._hasher.hash(password)

    def check_now(self, encoded: str, password: bytes) -> bool:
        """Check on the calling thread."""
        if encoded.startswith("fast$"):
            return hmac.compare_digest(encoded, "fast$" + hashlib.sha256(password).hexdigest())
        try:
            return self._hasher.verify(encoded, password)
        except (VerificationError, InvalidHashError):
            return False

    def outdated(self, encoded: str) -> bool:
        """Whether today's settings would hash better than this was."""
        if self.fast:
            return False
        try:
            return encoded.startswith("fast$") or self._hasher.check_needs_rehash(encoded)
        except InvalidHashError:
            return False

    async def make(self, password: bytes) -> str:
        """Hash off the loop."""
        if self.fast:
            return self.make_now(password)
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool(), self.make_now, password)
        finally:
            self.waiting -= 1

    async def check(self, encoded: str, password: bytes) -> bool:
        """Check off the loop."""
        if encoded.startswith("fast$"):
            return self.check_now(encoded, password)
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._pool(), self.check_now, encoded, password
            )
        finally:
            self.waiting -= 1

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._settings.hash_threads, "hash")
        return self._threads

    def close(self) -> None:
        """Let the threads go; what waits is not computed."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
