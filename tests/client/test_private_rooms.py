"""flows.rst, "Rooms": what everybody in a private room hears when members come and go."""

from __future__ import annotations

import asyncio

from soulmesh.client.chat import ServerNotice
from soulmesh.client.client import Client
from soulmesh.client.rooms import RoomLeft, RoomMemberLeft, RoomMembersChanged, RoomRightsChanged
from tests.client.stage import Stage, play


async def den(stage: Stage) -> dict[str, Client]:
    """A private room with its owner, an operator and a member, all of them there, and a guest outside."""
    found = {name: await stage.enter(name) for name in ("owner", "operator", "member", "guest")}
    owner = found["owner"]
    await owner.rooms.join("den", private=True)
    for name in ("operator", "member", "guest"):
        await found[name].rooms.accept_invitations(True)
    for name in ("operator", "member"):
        await owner.rooms.grant_membership("den", name)
        await found[name].rooms.join("den")
    await owner.rooms.grant_operator("den", "operator")
    await asyncio.sleep(1)
    for events in stage.seen.values():
        events.clear()
    return found


def notices(stage: Stage, name: str) -> list[str]:
    return [event.text for event in stage.events(name, ServerNotice)]


def changes(stage: Stage, name: str) -> list[tuple[str, str]]:
    return [(event.username, event.what) for event in stage.events(name, RoomMembersChanged)]


def test_an_operator_adds_a_user() -> None:
    async def scene(stage: Stage) -> None:
        there = await den(stage)
        await there["operator"].rooms.grant_membership("den", "guest")
        await asyncio.sleep(1)
        # The added user learns of its right, and who belongs to the room.
        assert RoomRightsChanged("den", "member", True) in stage.events("guest", RoomRightsChanged)
        room = await there["guest"].rooms.join("den")
        assert (room.owner, room.operators) == ("owner", {"operator"})
        assert room.members == {"operator", "member", "guest"}
        # The owner is told who did it; the operator's own answer is no notice.
        assert ("guest", "grant membership") in changes(stage, "owner")
        assert notices(stage, "owner") == [
            "User [guest] was added as a member of room [den] by operator [operator]"
        ]
        assert notices(stage, "operator") == []

    play(scene, real=True)


def test_a_regular_member_drops_its_membership() -> None:
    async def scene(stage: Stage) -> None:
        there = await den(stage)
        await there["member"].rooms.drop_membership("den")
        await asyncio.sleep(1)
        assert RoomRightsChanged("den", "member", False) in stage.events("member", RoomRightsChanged)
        assert stage.events("member", RoomLeft) == [RoomLeft("den")]
        assert await there["member"].rooms.find("den") is None
        for name in ("owner", "operator"):
            assert changes(stage, name) == [("member", "revoke membership")]
            assert stage.events(name, RoomMemberLeft) == [RoomMemberLeft("den", "member")]
            room = there[name].rooms.get("den")
            assert room is not None
            assert room.members == {"operator"}
        assert notices(stage, "owner") == ["User member is no longer a member of room den"]
        assert notices(stage, "operator") == []

    play(scene, real=True)


def test_the_owner_drops_its_ownership() -> None:
    async def scene(stage: Stage) -> None:
        there = await den(stage)
        await there["owner"].rooms.drop_ownership("den")
        await asyncio.sleep(1)
        assert set(stage.events("owner", RoomMemberLeft)) == {
            RoomMemberLeft("den", "operator"),
            RoomMemberLeft("den", "member"),
        }
        for name, rights in (("operator", ("member", "operator")), ("member", ("member",))):
            assert stage.events(name, RoomRightsChanged) == [
                RoomRightsChanged("den", right, False) for right in rights
            ]
            assert stage.events(name, RoomLeft) == [RoomLeft("den")]
            assert there[name].rooms.joined == []
            # Its owner is still there, in what is a public room now.
            entry = await there[name].rooms.find("den")
            assert entry is not None
            assert (entry.users, entry.private) == (1, False)
        assert ("operator", "revoke operator") in changes(stage, "member")

    play(scene, real=True)
