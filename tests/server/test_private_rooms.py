"""Flows, "Rooms", from "Add User to Private Room" to "Dropping Ownership", for each actor in order."""

from __future__ import annotations

from soulmesh.wire import to_client, to_server
from soulmesh.wire.message import Message
from tests.server.support import Town, User, in_town, kinds, notices


class Den:
    """A private room ``den``: ann owns it, op is an operator, mia a member; bob is a bystander."""

    def __init__(self, town: Town) -> None:
        self.town = town

    async def furnish(self, *, inside: bool = True) -> None:
        self.ann, self.op, self.mia, self.bob = [
            await self.town.enter(name) for name in ("ann", "op", "mia", "bob")
        ]
        self.everybody = (self.ann, self.op, self.mia, self.bob)
        self.ann.send(to_server.JoinRoom("den", 1))
        await self.ann.told()
        for user in (self.op, self.mia, self.bob):
            user.send(to_server.TogglePrivateRoomInvites(True))
            await user.told()
        self.ann.send(
            to_server.PrivateRoomGrantMembership("den", "op"),
            to_server.PrivateRoomGrantMembership("den", "mia"),
            to_server.PrivateRoomGrantOperator("den", "op"),
        )
        await self.ann.told()
        if inside:
            for user in (self.op, self.mia):
                user.send(to_server.JoinRoom("den"))
                await user.told()
        await self.town.all_told(*self.everybody)

    async def told(self) -> list[list[Message]]:
        return await self.town.all_told(*self.everybody)


def lists(*, members: list[str] | None, operators: list[str] | None) -> list[Message]:
    """The members and operators of a room list update for one who belongs to den, or to nothing."""
    if members is None or operators is None:
        return []
    return [to_client.PrivateRoomMembers("den", members), to_client.PrivateRoomOperators("den", operators)]


def outside() -> to_client.RoomList:
    return to_client.RoomList([], [], [], [], [], [], [])


def belongs(count: int, *, operates: bool = False) -> to_client.RoomList:
    return to_client.RoomList([], [], [], [], ["den"], [count], ["den"] if operates else [])


# ---- adding a user


@in_town()
async def test_an_owner_adds_a_member(town: Town) -> None:
    den = Den(town)
    await den.furnish()
    den.ann.send(to_server.PrivateRoomGrantMembership("den", "bob"))
    ann, op, mia, bob = await den.told()
    granted = to_client.PrivateRoomGrantMembership("den", "bob")
    assert kinds(ann) == ["PrivateRoomGrantMembership", "PrivateChatMessage"]
    assert notices(ann) == ["User bob is now a member of room den"]
    assert op == mia == [granted]
    assert bob == [
        granted,
        to_client.PrivateRoomMembershipGranted("den"),
        belongs(3),
        *lists(members=["op", "mia", "bob"], operators=["op"]),
    ]


@in_town()
async def test_an_operator_adds_a_member_and_the_owner_is_told_by_whom(town: Town) -> None:
    den = Den(town)
    await den.furnish(inside=False)
    den.op.send(to_server.PrivateRoomGrantMembership("den", "bob"))
    ann, op, mia, bob = await den.told()
    assert notices(op) == ["User bob is now a member of room den"]
    assert notices(ann) == ["User [bob] was added as a member of room [den] by operator [op]"]
    assert kinds(ann) == kinds(op) == ["PrivateRoomGrantMembership", "PrivateChatMessage"]
    assert kinds(mia) == ["PrivateRoomGrantMembership"]
    assert kinds(bob)[:2] == ["PrivateRoomGrantMembership", "PrivateRoomMembershipGranted"]


@in_town()
async def test_reasons_not_to_add_somebody(town: Town) -> None:
    den = Den(town)
    await den.furnish(inside=False)
    await town.enter("eve")
    den.ann.send(
        to_server.PrivateRoomGrantMembership("den", "nobody"),
        to_server.PrivateRoomGrantMembership("den", "eve"),
        to_server.PrivateRoomGrantMembership("den", "mia"),
        to_server.PrivateRoomGrantMembership("den", "ann"),
    )
    den.ann.send(to_server.TogglePrivateRoomInvites(True))
    told = await den.ann.told()
    assert notices(told) == [
        "user nobody is not logged in.",
        "user eve hasn't enabled private room add. please message them and ask them to do so before trying"
        " to add them again.",
        "user mia is already a member of room den",
    ]
    den.op.send(to_server.PrivateRoomGrantMembership("den", "ann"))
    assert notices(await den.op.told()) == ["user ann is the owner of room den"]


@in_town()
async def test_members_and_bystanders_add_nobody_and_public_rooms_have_no_members(town: Town) -> None:
    den = Den(town)
    await den.furnish(inside=False)
    den.bob.send(to_server.JoinRoom("lobby"))
    await den.bob.told()
    den.mia.send(to_server.PrivateRoomGrantMembership("den", "bob"))
    den.bob.send(
        to_server.PrivateRoomGrantMembership("den", "bob"),
        to_server.PrivateRoomGrantMembership("lobby", "mia"),
        to_server.PrivateRoomGrantMembership("nowhere", "mia"),
    )
    assert await den.told() == [[], [], [], []]


@in_town()
async def test_invitations_are_off_for_a_new_account_and_the_setting_is_said_back(town: Town) -> None:
    ann = await town.enter("ann")
    assert town.server.realm.users[b"\3\0\0\0ann"].invites is False
    ann.send(to_server.TogglePrivateRoomInvites(True), to_server.TogglePrivateRoomInvites(False))
    assert await ann.told() == [
        to_client.TogglePrivateRoomInvites(True),
        to_client.TogglePrivateRoomInvites(False),
    ]


# ---- removing a user


@in_town()
async def test_an_owner_removes_a_member_who_is_in_the_room(town: Town) -> None:
    den = Den(town)
    await den.furnish()
    den.ann.send(to_server.PrivateRoomRevokeMembership("den", "mia"))
    ann, op, mia, bob = await den.told()
    assert kinds(ann) == ["PrivateRoomRevokeMembership", "PrivateChatMessage", "UserLeftRoom"]
    assert notices(ann) == ["User mia is no longer a member of room den"]
    assert op == [
        to_client.PrivateRoomRevokeMembership("den", "mia"),
        to_client.UserLeftRoom("den", "mia"),
    ]
    assert mia == [to_client.PrivateRoomMembershipRevoked("den"), to_client.LeaveRoom("den"), outside()]
    assert bob == []


@in_town()
async def test_an_owner_removes_an_operator_who_loses_both(town: Town) -> None:
    den = Den(town)
    await den.furnish()
    den.ann.send(to_server.PrivateRoomRevokeMembership("den", "op"))
    ann, op, mia, bob = await den.told()
    assert bob == []
    assert kinds(op) == [
        "PrivateRoomMembershipRevoked",
        "LeaveRoom",
        "RoomList",
        "PrivateRoomOperatorRevoked",
        "RoomList",
    ]
    assert kinds(ann) == [
        "PrivateRoomRevokeMembership",
        "PrivateChatMessage",
        "UserLeftRoom",
        "PrivateRoomRevokeOperator",
        "PrivateRoomRevokeOperator",
        "PrivateChatMessage",
    ]
    assert notices(ann) == [
        "User op is no longer a member of room den",
        "User op is no longer an operator of room den",
    ]
    assert kinds(mia) == [
        "PrivateRoomRevokeMembership",
        "UserLeftRoom",
        "PrivateRoomRevokeOperator",
        "PrivateRoomRevokeOperator",
    ]


@in_town()
async def test_an_operator_removes_members_only(town: Town) -> None:
    den = Den(town)
    await den.furnish(inside=False)
    den.bob.send(to_server.PrivateRoomRevokeMembership("den", "mia"))
    den.mia.send(to_server.PrivateRoomRevokeMembership("den", "op"))
    den.op.send(
        to_server.PrivateRoomRevokeMembership("den", "ann"),
        to_server.PrivateRoomRevokeMembership("den", "op"),
        to_server.PrivateRoomRevokeMembership("den", "bob"),
    )
    assert await den.told() == [[], [], [], []]
    den.op.send(to_server.PrivateRoomRevokeMembership("den", "mia"))
    ann, op, mia, bob = await den.told()
    assert bob == []
    assert kinds(ann) == ["PrivateRoomRevokeMembership", "PrivateChatMessage"]
    assert kinds(op) == ["PrivateRoomRevokeMembership"]
    assert kinds(mia) == ["PrivateRoomMembershipRevoked", "RoomList"]


# ---- operators


@in_town()
async def test_an_owner_makes_an_operator_and_those_in_the_room_hear_it_twice(town: Town) -> None:
    den = Den(town)
    await den.furnish()
    den.ann.send(to_server.PrivateRoomGrantOperator("den", "mia"))
    ann, op, mia, bob = await den.told()
    granted = to_client.PrivateRoomGrantOperator("den", "mia")
    assert kinds(ann) == ["PrivateRoomGrantOperator", "PrivateRoomGrantOperator", "PrivateChatMessage"]
    assert notices(ann) == ["User mia is now an operator of room den"]
    assert op == [granted, granted]
    assert mia == [
        granted,
        granted,
        to_client.PrivateRoomOperatorGranted("den"),
        belongs(3, operates=True),
        *lists(members=["op", "mia"], operators=["op", "mia"]),
    ]
    assert bob == []


@in_town()
async def test_those_outside_hear_of_an_operator_once(town: Town) -> None:
    den = Den(town)
    await den.furnish(inside=False)
    den.ann.send(to_server.PrivateRoomGrantOperator("den", "mia"))
    _, op, mia, bob = await den.told()
    assert bob == []
    assert kinds(op) == ["PrivateRoomGrantOperator"]
    assert kinds(mia)[:2] == ["PrivateRoomGrantOperator", "PrivateRoomOperatorGranted"]


@in_town()
async def test_reasons_not_to_make_an_operator(town: Town) -> None:
    den = Den(town)
    await den.furnish(inside=False)
    den.ann.send(
        to_server.PrivateRoomGrantOperator("den", "nobody"),
        to_server.PrivateRoomGrantOperator("den", "bob"),
        to_server.PrivateRoomGrantOperator("den", "op"),
    )
    assert notices(await den.ann.told()) == [
        "user nobody is not logged in.",
        "user bob must first be a member of room den",
        "user op is already an operator of room den",
    ]
    den.op.send(to_server.PrivateRoomGrantOperator("den", "mia"))
    den.mia.send(to_server.PrivateRoomGrantOperator("den", "mia"))
    assert await den.told() == [[], [], [], []]


@in_town()
async def test_an_owner_takes_operator_rights_away(town: Town) -> None:
    den = Den(town)
    await den.furnish()
    den.ann.send(to_server.PrivateRoomRevokeOperator("den", "op"))
    ann, op, mia, bob = await den.told()
    assert bob == []
    revoked = to_client.PrivateRoomRevokeOperator("den", "op")
    assert kinds(ann) == ["PrivateRoomRevokeOperator", "PrivateRoomRevokeOperator", "PrivateChatMessage"]
    assert notices(ann) == ["User op is no longer an operator of room den"]
    assert mia == [revoked, revoked]
    assert op == [
        revoked,
        revoked,
        to_client.PrivateRoomOperatorRevoked("den"),
        belongs(3),
        *lists(members=["op", "mia"], operators=[]),
    ]
    den.ann.send(
        to_server.PrivateRoomRevokeOperator("den", "op"), to_server.PrivateRoomRevokeOperator("den", "bob")
    )
    den.op.send(to_server.PrivateRoomRevokeOperator("den", "mia"))
    assert await den.told() == [[], [], [], []]


@in_town()
async def test_an_operator_gives_its_rights_back_and_stays_a_member(town: Town) -> None:
    den = Den(town)
    await den.furnish(inside=False)
    den.op.send(to_server.PrivateRoomDropOperator("den"))
    _, op, _, bob = await den.told()
    assert bob == []
    assert kinds(op) == [
        "PrivateRoomRevokeOperator",
        "PrivateRoomOperatorRevoked",
        "RoomList",
        "PrivateRoomMembers",
        "PrivateRoomOperators",
    ]


# ---- dropping


@in_town()
async def test_a_member_drops_membership(town: Town) -> None:
    den = Den(town)
    await den.furnish()
    den.mia.send(to_server.PrivateRoomDropMembership("den"))
    ann, op, mia, bob = await den.told()
    assert bob == []
    assert mia == [to_client.PrivateRoomMembershipRevoked("den"), to_client.LeaveRoom("den"), outside()]
    assert kinds(ann) == ["PrivateRoomRevokeMembership", "PrivateChatMessage", "UserLeftRoom"]
    assert kinds(op) == ["PrivateRoomRevokeMembership", "UserLeftRoom"]


@in_town()
async def test_an_operator_drops_membership(town: Town) -> None:
    den = Den(town)
    await den.furnish()
    den.op.send(to_server.PrivateRoomDropMembership("den"))
    ann, op, mia, bob = await den.told()
    assert bob == []
    assert kinds(op) == [
        "PrivateRoomMembershipRevoked",
        "LeaveRoom",
        "RoomList",
        "PrivateRoomOperatorRevoked",
        "RoomList",
    ]
    assert kinds(ann) == [
        "PrivateRoomRevokeMembership",
        "PrivateChatMessage",
        "UserLeftRoom",
        "PrivateRoomRevokeOperator",
        "PrivateRoomRevokeOperator",
        "PrivateChatMessage",
    ]
    assert kinds(mia) == [
        "PrivateRoomRevokeMembership",
        "UserLeftRoom",
        "PrivateRoomRevokeOperator",
        "PrivateRoomRevokeOperator",
    ]


@in_town()
async def test_the_owner_and_bystanders_have_no_membership_to_drop(town: Town) -> None:
    den = Den(town)
    await den.furnish()
    den.ann.send(to_server.PrivateRoomDropMembership("den"))
    den.bob.send(to_server.PrivateRoomDropMembership("den"), to_server.PrivateRoomDropOwnership("den"))
    den.op.send(to_server.PrivateRoomDropOwnership("den"))
    assert await den.told() == [[], [], [], []]


@in_town()
async def test_the_owner_drops_ownership(town: Town) -> None:
    den = Den(town)
    await den.furnish()
    den.ann.send(to_server.SetRoomTicker("den", "mine"))
    await den.told()
    den.ann.send(to_server.PrivateRoomDropOwnership("den"))
    ann, op, mia, bob = await den.told()
    assert bob == []
    assert ann == [
        to_client.UserLeftRoom("den", "op"),
        to_client.UserLeftRoom("den", "mia"),
        to_client.RoomList(["den"], [1], [], [], [], [], []),
    ]
    assert kinds(op) == [
        "PrivateRoomMembershipRevoked",
        "LeaveRoom",
        "RoomList",
        "PrivateRoomOperatorRevoked",
        "RoomList",
    ]
    assert mia == [
        to_client.UserLeftRoom("den", "op"),
        to_client.PrivateRoomRevokeOperator("den", "op"),
        to_client.PrivateRoomMembershipRevoked("den"),
        to_client.LeaveRoom("den"),
        to_client.RoomList(["den"], [1], [], [], [], [], []),
    ]
    # Public in effect until the owner leaves, unclaimed afterwards, and then private again for whoever asks.
    den.ann.send(to_server.LeaveRoom("den"))
    await den.ann.told()
    den.bob.send(to_server.JoinRoom("den", 1))
    told = await den.bob.told()
    assert kinds(told) == [
        "RoomList",
        "PrivateRoomMembers",
        "PrivateRoomOperators",
        "UserJoinedRoom",
        "JoinRoom",
        "RoomTickers",
    ]
    (tickers,) = [message for message in told if isinstance(message, to_client.RoomTickers)]
    assert [ticker.ticker for ticker in tickers.tickers] == ["mine"]


@in_town()
async def test_lists_of_other_private_rooms_are_repeated(town: Town) -> None:
    ann: User = await town.enter("ann")
    ann.send(to_server.JoinRoom("den", 1), to_server.JoinRoom("attic", 1))
    told = await ann.told()
    assert kinds(told)[-8:] == [
        "RoomList",
        "PrivateRoomMembers",
        "PrivateRoomMembers",
        "PrivateRoomOperators",
        "PrivateRoomOperators",
        "UserJoinedRoom",
        "JoinRoom",
        "RoomTickers",
    ]
