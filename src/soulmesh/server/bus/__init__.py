"""Messages between the processes of one server: a port and its adapters."""

from __future__ import annotations

from soulmesh.server.bus.port import Bus, BusUnreachable, Interrupted, Receive

__all__ = ["Bus", "BusUnreachable", "Interrupted", "Receive"]
