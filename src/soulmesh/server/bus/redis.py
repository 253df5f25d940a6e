"""The bus over Redis: a list for each process, and a key that says who has the realm.

Everything that is posted while a command is on its way goes with the next one, so
the busier the server, the fewer the commands. Redis keeps nothing: what matters is
in the store, and a process that is gone leaves keys that expire by themselves.
"""

from __future__ import annotations

import asyncio
from random import Random

import redis.asyncio as client
from redis.exceptions import RedisError

from soulmesh import log
from soulmesh.errors import ConfigError
from soulmesh.server.bus.port import BusUnreachable, Interrupted, Receive

__all__ = ["RedisBus"]

EXPIRES = 60
"""Seconds after which the list of a process that is gone is forgotten."""

CLAIM_EXPIRES = 6
CLAIM_EVERY = 2.0

AT_ONCE = 1000
"""Messages taken at a time."""

RETRY = 0.5


class RedisBus:
    """See the module. ``url`` is ``redis://``, ``rediss://`` or ``unix://``; ``network`` keeps servers that
    share a Redis apart."""

    def __init__(self, url: str, network: str, random: Random) -> None:
        self.url = url
        self._prefix = f"soulmesh:{network}"
        self._random = random
        self.name = self._new_name()
        try:
            self._redis = client.Redis.from_url(url, socket_timeout=None, socket_connect_timeout=5.0)
        except ValueError as error:
            raise ConfigError(f"bus.url is no address of a Redis: {error}") from error
        self._out: dict[str, list[bytes]] = {}
        self._something = asyncio.Event()
        self._sending = asyncio.Lock()
        self._claimed = False
        self._task: asyncio.Task[None] | None = None
        self._log = log.get("server.bus")

    def _new_name(self) -> str:
        return self._random.randbytes(12).hex()

    async def open(self, receive: Receive, interrupted: Interrupted) -> None:
        """See :class:`soulmesh.server.bus.port.Bus`."""
        self._receive, self._interrupted = receive, interrupted
        try:
            await self._redis.ping()
        except (RedisError, OSError) as error:
            await self._redis.aclose()
            raise BusUnreachable(shown(self.url), str(error)) from error
        self._task = asyncio.get_running_loop().create_task(self._run())

    def post(self, to: str, data: bytes) -> None:
        """See :class:`soulmesh.server.bus.port.Bus`."""
        self._out.setdefault(to, []).append(data)
        self._something.set()

    async def claim(self) -> None:
        """See :class:`soulmesh.server.bus.port.Bus`."""
        self._claimed = True
        try:
            await self._write_claim()
        except (RedisError, OSError) as error:
            raise BusUnreachable(shown(self.url), str(error)) from error

    async def realm(self) -> str | None:
        """See :class:`soulmesh.server.bus.port.Bus`."""
        try:
            found = await self._redis.get(f"{self._prefix}:realm")
        except (RedisError, OSError) as error:
            raise BusUnreachable(shown(self.url), str(error)) from error
        return found.decode() if isinstance(found, bytes) else found

    async def close(self) -> None:
        """See :class:`soulmesh.server.bus.port.Bus`."""
        try:
            async with asyncio.timeout(2):
                # What is on its way is never cut off, or it would be lost.
                await self._send()
        except (RedisError, OSError, TimeoutError):  # the bus is gone before us
            pass
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        try:
            async with asyncio.timeout(2):
                if self._claimed and await self.realm() == self.name:
                    await self._redis.delete(f"{self._prefix}:realm")
        except (RedisError, OSError, BusUnreachable, TimeoutError):  # it expires by itself
            pass
        await self._redis.aclose()

    # ---- as long as it is open

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._send_on())
                    group.create_task(self._receive_on())
                    group.create_task(self._claim_on())
            except* (RedisError, OSError) as errors:
                self._log.error("the bus broke", url=shown(self.url), reason=str(errors.exceptions[0]))
            self.name = self._new_name()
            self._out.clear()
            self._interrupted()
            await asyncio.sleep(RETRY)

    async def _send_on(self) -> None:
        while True:
            await self._something.wait()
            await self._send()

    async def _send(self) -> None:
        async with self._sending:
            self._something.clear()
            out, self._out = self._out, {}
            if not out:
                return
            sender = self.name.encode() + b"\n"
            async with self._redis.pipeline(transaction=False) as pipeline:
                for to, messages in out.items():
                    key = f"{self._prefix}:to:{to}"
                    pipeline.rpush(key, *(sender + message for message in messages))
                    pipeline.expire(key, EXPIRES)
                await pipeline.execute()

    async def _receive_on(self) -> None:
        key = f"{self._prefix}:to:{self.name}"
        while True:
            found = await self._redis.blpop([key], timeout=5)
            if not found:
                continue
            self._hand_on(found[1])
            more = await self._redis.lpop(key, AT_ONCE)
            for message in more if isinstance(more, list) else ():
                self._hand_on(message)

    def _hand_on(self, message: object) -> None:
        assert isinstance(message, bytes)
        sender, _, data = message.partition(b"\n")
        self._receive(sender.decode(), data)

    async def _claim_on(self) -> None:
        while True:
            if self._claimed:
                await self._write_claim()
            await asyncio.sleep(CLAIM_EVERY)

    async def _write_claim(self) -> None:
        await self._redis.set(f"{self._prefix}:realm", self.name, ex=CLAIM_EXPIRES)


def shown(url: str) -> str:
    """An address without its password."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
