"""Questions about ourselves whose answers come back through the network: what a diagnosis asks.

None of them disturbs anybody: the server alone is asked, or one user whom we
know already is asked to connect to us, as it would for a search result.
"""

from __future__ import annotations

import asyncio
from random import Random

from soulmesh.client.links import PROBE_TICKETS, Links
from soulmesh.client.pace import Pace
from soulmesh.client.ports import ServerPort
from soulmesh.wire import to_client, to_server

__all__ = ["Probes"]

WITHIN = 10.0
"""Seconds in which the server has to pass on what we send to ourselves."""
CALLED_WITHIN = 10.0
"""Seconds in which a user who was asked through the server has to have connected to us."""


class Probes:
    """Each is asked anew whenever it is called."""

    def __init__(self, server: ServerPort, links: Links, pace: Pace, random: Random) -> None:
        self._server = server
        self._links = links
        self._pace = pace
        self._random = random

    async def relay(self) -> float:
        """Have the server pass on a request for a connection to ourselves; the seconds that it took.

        That is how others ask us to connect to them, when they cannot connect to us.

        Raises:
            NoReply: it did not come back.
            NotConnected: we are not logged in.
        """
        ticket = self._ticket()
        return await self._round_trip(
            to_server.ConnectToPeer(ticket, self._server.username, "P"), to_client.ConnectToPeer, ticket
        )

    async def search(self) -> float:
        """Search our own files through the server, for what nobody has; the seconds until it came to us.

        Counts as a search with the governor. Raises as :meth:`relay`.
        """
        ticket = self._ticket()
        query = f"soulmesh diagnosis {ticket:08x}"
        await self._pace.turn("search", query)
        return await self._round_trip(
            to_server.UserSearch(self._server.username, ticket, query), to_client.FileSearch, ticket
        )

    async def called_back(self, username: str) -> None:
        """Have a user connect to us, asked through the server: our listening port as others find it.

        Raises:
            PeerUnreachable: it could not, and says so; or nothing came.
            NotConnected: we are not logged in.
        """
        await self._links.called_back(username, timeout=CALLED_WITHIN)

    async def _round_trip(
        self,
        question: to_server.ConnectToPeer | to_server.UserSearch,
        echo: type[to_client.ConnectToPeer] | type[to_client.FileSearch],
        ticket: int,
    ) -> float:
        loop = asyncio.get_running_loop()
        begun, ours = loop.time(), self._server.username
        await self._server.ask(
            question, echo, match=lambda it: it.ticket == ticket and it.username == ours, timeout=WITHIN
        )
        return loop.time() - begun

    def _ticket(self) -> int:
        """One that no link and no search of ours has: they count from 1."""
        return PROBE_TICKETS + self._random.getrandbits(31)
