"""One of several processes that are one server together.

All are started alike, with one store and one bus. Whoever has the store has the
realm; the others are doors of it. When the realm's process ends, its clients and
those of the doors are let go and log in again, and the first that gets the store
brings everything back from it. Nothing that was told is lost, because nothing is
told before the store has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import IO

from soulmesh import log
from soulmesh.net.errors import NetworkError
from soulmesh.net.world import World
from soulmesh.server import folder
from soulmesh.server.app import Server
from soulmesh.server.bus.port import Bus, BusUnreachable
from soulmesh.server.control import Control
from soulmesh.server.door import Door, RealmSilent
from soulmesh.server.settings import Settings
from soulmesh.server.store.choose import store_is_free
from soulmesh.server.store.errors import StoreInUse, StoreUnusable

__all__ = ["Member"]

AGAIN = 0.5
"""Seconds between attempts to have the realm, or to find who has it."""


class Member:
    """See the module. ``make_bus`` makes a bus for each attempt: no name is used twice.

    ``listening`` is called with host and port once, when clients can connect.
    """

    def __init__(
        self,
        world: World,
        settings: Settings,
        data: Path,
        make_bus: Callable[[], Bus],
        listening: Callable[[str, int], None],
    ) -> None:
        self._world = world
        self._settings = settings
        self._data = data
        self._make_bus = make_bus
        self._listening: Callable[[str, int], None] | None = listening
        self._log = log.get("server.member")
        self.server: Server | None = None
        self.door: Door | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Be the realm or a door of it, whichever is possible, until ``stop`` is set.

        Raises:
            SoulmeshError: the settings are wrong, or store, bus or port cannot be had, at the first attempt.
                Later it is tried again.
        """
        while not stop.is_set():
            try:
                await self._be_realm(stop)
            except (StoreInUse, folder.FolderInUse):
                await self._try_to_be_door(stop)
            except (StoreUnusable, BusUnreachable, NetworkError) as error:
                if self._listening is not None:
                    raise
                self._log.error(str(error))
            await self._pause(stop)

    async def _try_to_be_door(self, stop: asyncio.Event) -> None:
        try:
            await self._be_door(stop)
        except RealmSilent as error:
            self._log.info(str(error))
        except (BusUnreachable, NetworkError) as error:
            if self._listening is not None:
                raise
            self._log.error(str(error))

    async def _pause(self, stop: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(AGAIN):
                await stop.wait()
        except TimeoutError:
            pass

    def _opened(self, host: str, port: int) -> None:
        # Whatever this process is next, its clients find it in the same place.
        section = self._settings.server.model_copy(update={"port": port})
        self._settings = self._settings.model_copy(update={"server": section})
        listening, self._listening = self._listening, None
        if listening is not None:
            listening(host, port)

    async def _be_realm(self, stop: asyncio.Event) -> None:
        async with Server(self._world, self._settings, data=self._data, bus=self._make_bus()) as server:
            self.server = server
            self._opened(server.host, server.port)
            await _first(stop, server.broken)
        self.server = None

    async def _be_door(self, stop: asyncio.Event) -> None:
        door = Door(
            self._world.network,
            self._make_bus(),
            self._settings.limits.send_queue,
            lambda: asyncio.to_thread(store_is_free, self._settings.store.url, self._data),
        )
        section = self._settings.server
        await door.start(section.host, section.port)
        control, lock = None, self._lock()
        try:
            if lock is not None:
                control = Control(door, self._data)
                await control.start()
            self.door = door
            self._opened(door.host, door.port)
            await _first(stop, door.gone)
        finally:
            if control is not None:
                await control.stop()
            if lock is not None:
                lock.close()
            await door.stop()
            self.door = None

    def _lock(self) -> IO[str] | None:
        """The data folder, if it is not the realm's too."""
        try:
            for warning in folder.prepare(self._data):
                self._log.warning(warning)
            return folder.lock(self._data)
        except folder.FolderInUse:
            return None


async def _first(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
