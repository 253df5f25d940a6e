"""Each incoming message has an owner: it is handled, or stands here with the reason why not."""

from __future__ import annotations

import asyncio

from soulmesh import wire
from soulmesh.wire import to_client
from soulmesh.wire.message import Message
from tests.client.stage import Stage, play

IGNORED_FROM_SERVER = {
    to_client.Login: "read by the server link itself",
    to_client.GetUserPrivileges: "deprecated: GetUserStatus says it",
    to_client.PrivilegesNotification: "deprecated: the server sends a private message instead",
    to_client.PrivilegesNotificationAck: "deprecated",
    to_client.NewPassword: "the answer to a request that we do not make yet",
    to_client.CannotCreateRoomReserved: "code 1002 is seen in one program only",
}

ASKED_FOR = {
    to_client.GetRecommendations,
    to_client.GetGlobalRecommendations,
    to_client.GetItemRecommendations,
    to_client.GetSimilarUsers,
    to_client.GetItemSimilarUsers,
    to_client.GetUserInterests,
    to_client.TogglePrivateRoomInvites,
}
"""Answers that go to whoever asked."""


def test_every_message_of_the_server_is_handled_or_ignored_for_a_reason() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        await asyncio.sleep(1)
        handled = alice.server.handled | ASKED_FOR | set(IGNORED_FROM_SERVER)
        missing = [kind.__name__ for kind in catalogue("server", "to_client") if kind not in handled]
        assert missing == []

    play(scene)


def test_every_message_of_a_peer_is_handled_or_an_answer_or_obsolete() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        answers = {
            wire.peer.PeerSharesReply,
            wire.peer.PeerUserInfoReply,
            wire.peer.PeerDirectoryContentsReply,
        }
        handled = alice.links.handled | answers
        missing = [kind.__name__ for kind in catalogue("peer", "peer") if kind not in handled]
        assert missing == []

    play(scene)


def catalogue(family: str, direction: str) -> list[type[Message]]:
    """Messages in use: obsolete and unverified ones are without effect today."""
    return [
        kind
        for kind in wire.catalogue()
        if (kind.LAYOUT.family, kind.LAYOUT.direction) == (family, direction)
        and kind.LAYOUT.status in ("used", "deprecated")
    ]
