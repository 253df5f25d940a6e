"""The numbers a client goes by. Seconds, unless the name says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from soulmesh.core.pacing import Rate
from soulmesh.core.rendezvous import Order
from soulmesh.core.tree import TreeLimits

__all__ = ["GENTLE", "ClientSettings"]

GENTLE: Mapping[str, Rate] = {
    # The official server bans for half an hour above about 34 searches in 220 seconds.
    "search": Rate(34, 220.0, reserve=6),
    "join": Rate(30, 60.0),
    "connect": Rate(60, 10.0, reserve=10),
    "browse": Rate(20, 60.0, reserve=5),
    "place": Rate(30, 60.0),
}
"""What the public server bears; see :mod:`soulmesh.core.pacing`."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How a client behaves. Everything has a default that suits the public network."""

    # -- the server
    login_timeout: float = 30.0
    """For connecting and for the answer to the login together; a banned account gets no answer."""
    ping_interval: float = 300.0
    silence_timeout: float = 60.0
    """How long the server may take to answer when it has said nothing for a whole ping interval."""
    reconnect: bool = True
    reconnect_first: float = 5.0
    reconnect_limit: float = 600.0
    major_version: int = 177
    minor_version: int = 1

    # -- links to other users
    order: Order = Order.BOTH
    obfuscate: bool = False
    """Prefer the obfuscated port of others where there is one."""
    obfuscated_port: int | None = None
    """Our own second port: ``None`` for the port after the clear one, -1 for none at all."""
    listen_host: str = ""
    """The address to listen on; empty for all."""
    direct_timeout: float = 30.0
    callback_timeout: float = 70.0
    """Others say that they cannot connect to us only after about a minute."""
    init_timeout: float = 30.0
    """For the first message on a connection that somebody opened to us."""
    cannot_connect_after: float = 60.0
    """We tell a user that we cannot connect back not before this time: saying it early breaks transfers."""
    idle_timeout: float = 120.0
    """A P link on which nothing passed for so long is closed."""
    message_timeout: float = 60.0
    """For one message: its bytes must arrive, or leave, within this time."""
    most_links: int = 1000
    most_opening: int = 64
    """So many links are being opened at once; others wait."""
    most_callbacks: int = 128
    """So many links are being opened at once to users who asked for that through the server."""
    most_callers: int = 1000
    """So many who asked may wait for it; more are told that we cannot."""
    most_pending: int = 1000
    """So many strangers may be connected without having said who they are."""
    most_pending_per_host: int = 32
    """So many of them from one address."""
    send_buffer: int = 8 * 1024 * 1024
    """Bytes that may wait for one slow reader before its link is closed."""

    # -- the distributed network
    tree: TreeLimits = field(default_factory=TreeLimits)
    accept_children: bool = True
    child_buffer: int = 1024 * 1024
    """Bytes that may wait for a child that does not read before it is dropped."""

    # -- searching and answering
    results_per_answer: int = 300
    """At most so many files in one answer to somebody's search."""
    answer_queue: int = 500
    """Searches of others that may wait for our index; the rest is dropped, and counted."""
    most_answers: int = 32
    """Answers that are on their way at once."""
    shortest_query: int = 3
    """Characters that a search needs, ours or another's; a letter of a script without case is enough."""
    pending_results: int = 2000
    """Answers to our search that may wait for whoever reads them; later ones are cut, and counted."""
    pending_result_bytes: int = 32 * 1024 * 1024

    rates: Mapping[str, Rate] = field(default_factory=lambda: dict(GENTLE))
    """What the governor allows, by subject; an empty mapping for a server of one's own."""
