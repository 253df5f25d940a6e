"""What the server's frequent messages cost in its own code, sockets and kernel left out.

    python benchmarks/server_hot.py [--repeat 40]

Connections on transports that swallow everything are fed what clients send; the least processor time of many
rounds is shown, in microseconds per event. So the figures of two versions can be compared even on a machine
that is not quiet, by running this for each in turn.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable
from random import Random
from typing import Any

from soulmesh import wire
from soulmesh.server.accounts import Passwords
from soulmesh.server.app import Parts
from soulmesh.server.gateway import Connection
from soulmesh.server.realm import Realm
from soulmesh.server.settings import make_settings
from soulmesh.server.state import Outbox
from soulmesh.server.store.memory import MemoryStore
from soulmesh.wire import to_server

ROOTS, SEARCHERS, EACH = 200, 20, 200

Feeds = list[tuple[Connection, bytes]]


class Loop:
    """As much of a loop as the outbox wants."""

    def __init__(self) -> None:
        self._calls: list[Callable[[], None]] = []

    def call_soon(self, call: Callable[[], None]) -> None:
        self._calls.append(call)

    def turn(self) -> None:
        calls, self._calls = self._calls, []
        for call in calls:
            call()

    def time(self) -> float:
        return 0.0

    def call_later(self, *_: object) -> None:
        """Nothing is ever late here."""


class Nowhere:
    """A transport that swallows everything."""

    def get_extra_info(self, name: str) -> tuple[str, int]:
        return ("127.0.0.1", 1)

    def set_write_buffer_limits(self, high: int) -> None:
        """There is no buffer."""

    def write(self, data: bytes) -> None:
        """Gone."""


class Gateway:
    """What connections need around them; whatever goes wrong ends the measurement."""

    seconds = 0.0

    def opened(self, connection: Connection) -> bool:
        return True

    def failed(self, connection: Connection, code: int, error: Exception) -> None:
        raise error

    bad_message = failed


class Office:
    """A realm with users, and a loop that turns when told."""

    def __init__(self) -> None:
        self.loop: Any = Loop()
        settings = make_settings({"accounts.hash": "fast", "abuse.enabled": False})
        store = MemoryStore()
        realm = Realm(settings, store, Outbox(self.loop, store), lambda: 0.0, Random(1))
        self._outbox = realm.outbox
        self._parts = Parts(realm, Passwords(settings.accounts, b"secret"), self.loop)
        self._gateway: Any = Gateway()
        self.roots = [self._enter(f"root{number:04}") for number in range(ROOTS)]
        self.searchers = [self._enter(f"searcher{number:04}") for number in range(SEARCHERS)]
        for root in self.roots:
            root.data_received(wire.encode(to_server.JoinRoom("lobby")))
        self.loop.turn()

    def _enter(self, name: str) -> Connection:
        connection = Connection(self._gateway, self._outbox, {1: self._parts.logins.login}, 65536)
        transport: Any = Nowhere()
        connection.connection_made(transport)
        digest = hashlib.md5(f"{name}x".encode()).hexdigest()
        connection.data_received(wire.encode(to_server.Login(name, "x", 177, digest, 1)))
        self.loop.turn()
        return connection

    def measure(self, feeds: Feeds, events: int, repeat: int) -> float:
        """Least processor time of one round, in microseconds per event."""
        best = float("inf")
        for _ in range(repeat):
            started = time.process_time()
            for connection, data in feeds:
                connection.data_received(data)
            self.loop.turn()
            best = min(best, time.process_time() - started)
        return best / events * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=40)
    repeat = parser.parse_args().repeat
    office, random = Office(), Random(3)

    def name() -> str:
        return f"root{random.randrange(ROOTS):04}"

    def many(make: Callable[[int], Any]) -> bytes:
        return b"".join(wire.encode(make(number)) for number in range(EACH))

    lookups = (to_server.GetPeerAddress, to_server.GetUserStatus, to_server.GetUserStats, to_server.AddUser)
    line = wire.encode(to_server.RoomChatMessage("lobby", "x" * 80))
    search: Feeds = [
        (one, many(lambda n: to_server.UserSearch(name(), n, "words"))) for one in office.searchers
    ]
    lookup: Feeds = [(one, many(lambda n: lookups[n % 4](name()))) for one in office.roots[:100]]
    private: Feeds = [
        (one, b"".join(wire.encode(to_server.PrivateChatMessage(name(), "x" * 60)) for _ in range(8)))
        for one in office.roots[:100]
    ]
    room: Feeds = [(one, line * 3) for one in office.roots[:20]]
    for label, feeds, events in (
        ("search of one user", search, EACH * SEARCHERS),
        ("looking up a user", lookup, EACH * 100),
        ("line in a room of 200, per delivery", room, 60 * ROOTS),
        ("private message that waits", private, 800),
    ):
        # Messages that nobody acknowledges pile up: few rounds are enough.
        rounds = min(repeat, 20) if feeds is private else repeat
        print(f"{label:<40}{office.measure(feeds, events, rounds):8.3f} us")


if __name__ == "__main__":
    main()
