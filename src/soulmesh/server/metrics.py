"""Figures for Prometheus, taken when they are asked for: counting costs nothing on the way of a message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from soulmesh.server.app import Server

__all__ = ["Metrics"]


class Metrics(Collector):
    """Everything that `/metrics` shows about one server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def text(self) -> bytes:
        """The page."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """See :class:`prometheus_client.registry.Collector`."""
        server = self._server
        realm, parts = server.realm, server.parts
        tree = parts.tree.describe()
        gauges = {
            "accounts": (len(realm.users), "Accounts."),
            "users_online": (len(realm.online), "Users logged in."),
            "connections": (len(server.connections), "Open connections, logged in or not."),
            "doors": (len(server.doors or ()), "Other processes that hold connections for this one."),
            "rooms": (len(realm.rooms), "Rooms, unclaimed ones included."),
            "rooms_occupied": (
                sum(1 for room in realm.rooms.values() if room.members),
                "Rooms with somebody in.",
            ),
            "branch_roots": (tree["roots"], "Branch roots of the distributed network."),
            "parent_seekers": (tree["seeking"], "Clients that look for a parent."),
            "branch_depth": (tree["deepest"], "Highest branch level told."),
            "privileged_users": (len(realm.privileged), "Accounts with privileges."),
            "waiting_hashes": (parts.passwords.waiting, "Logins that wait for a password hash."),
            "slow_readers": (len(realm.outbox.crowded), "Connections with more waiting than they read."),
            "bans": (len(parts.moderation.bans.all()), "Bans in force."),
            "healthy": (int(parts.health() is None), "1 if everything works, 0 if not."),
        }
        for name, (value, text) in gauges.items():
            yield GaugeMetricFamily(f"soulmesh_{name}", text, value)
        counters = {
            "logins": (parts.logins_total, "Logins that succeeded."),
            "bad_messages": (server.bad_messages, "Messages and frames that could not be read."),
            "dropped_readers": (server.dropped_readers, "Connections closed because they did not read."),
        }
        for name, (value, text) in counters.items():
            yield CounterMetricFamily(f"soulmesh_{name}", text, value)
        abuse = CounterMetricFamily(
            "soulmesh_abuse_decisions", "Decisions of the abuse engine.", labels=["action"]
        )
        for action, count in (parts.abuse.decisions if parts.abuse else {}).items():
            abuse.add_metric([action], count)
        yield abuse
