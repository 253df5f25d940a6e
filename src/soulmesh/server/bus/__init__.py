"""Frames for users whose connections may be in other processes: a port and its adapters."""

from __future__ import annotations

from soulmesh.server.bus.port import Bus

__all__ = ["Bus"]
