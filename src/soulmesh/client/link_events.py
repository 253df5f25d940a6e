"""What happens to links with other users."""

from __future__ import annotations

from dataclasses import dataclass

from soulmesh.client.events import Event

__all__ = ["CallbackFailed", "LinkClosed", "LinkOpened", "PeerMisbehaved"]


@dataclass(frozen=True, slots=True)
class LinkOpened(Event):
    """A link to a user is there.

    ``kind`` is P, F or D; ``direct``: not by callback; ``ours``: we wanted it.
    """

    username: str
    kind: str
    direct: bool
    ours: bool
    obfuscated: bool = False


@dataclass(frozen=True, slots=True)
class LinkClosed(Event):
    """A P link ended."""

    username: str
    reason: str


@dataclass(frozen=True, slots=True)
class CallbackFailed(Event):
    """Somebody could not reach us, asked us to connect instead, and we could not either."""

    username: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class PeerMisbehaved(Event):
    """Another user (or whoever connected to us) broke the protocol; it cost the link or the message."""

    username: str
    """Empty if it did not say who it is."""
    problem: str
