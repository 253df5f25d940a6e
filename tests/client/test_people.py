"""flows.rst, "Users" and "Rooms", and private messages: two and three clients on our own server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from soulmesh.client.chat import PrivateMessage, RoomLineKept, ServerNotice
from soulmesh.client.client import Client
from soulmesh.client.errors import RoomRefused, RoomUnknown, TooManyRequests
from soulmesh.client.info import Profile
from soulmesh.client.rooms import (
    PublicMessage,
    RoomMemberJoined,
    RoomMemberLeft,
    RoomMembersChanged,
    RoomMessage,
    RoomRightsChanged,
    RoomTickerChanged,
)
from soulmesh.client.users import UserStatsChanged, UserStatusChanged, UserUnknown
from soulmesh.core.pacing import Rate
from soulmesh.errors import UsageError
from soulmesh.wire import to_server
from soulmesh.wire.enums import UserStatus
from tests.client.stage import Stage, play, shares

# -- rooms


def test_creating_and_leaving_a_public_room() -> None:
    async def scene(stage: Stage) -> None:
        alice, bob = await stage.enter("alice"), await stage.enter("bob")
        room = await alice.rooms.join("ambient")
        assert (list(room.users), room.private) == (["alice"], False)
        assert set((await bob.rooms.join("ambient")).users) == {"alice", "bob"}
        await asyncio.sleep(1)
        assert RoomMemberJoined("ambient", "bob") in stage.events("alice", RoomMemberJoined)
        bob.rooms.say("ambient", "hello")
        await asyncio.sleep(1)
        for name in ("alice", "bob"):
            assert stage.events(name, RoomMessage) == [RoomMessage("ambient", "bob", "hello")]
            # Told when it is kept, with the line of the history.
            (kept,) = stage.events(name, RoomLineKept)
            assert (kept.room, kept.text, kept.ours) == ("ambient", "hello", name == "bob")
        (line,) = await alice.chat.room_history("ambient", words="HELL")
        assert line.id == stage.events("alice", RoomLineKept)[0].line
        assert await alice.chat.room_history("ambient", words="hello there") == []
        assert await alice.chat.read_until("#ambient") == 0
        assert await alice.chat.mark_read("#ambient") == line.id
        assert await alice.chat.read_until("#ambient") == line.id
        await bob.rooms.leave("ambient")
        await asyncio.sleep(1)
        assert RoomMemberLeft("ambient", "bob") in stage.events("alice", RoomMemberLeft)
        assert bob.rooms.joined == []
        with pytest.raises(RoomRefused, match="we are not in it"):
            bob.rooms.say("ambient", "still here?")
        assert [line.text for line in await alice.chat.room_history("ambient")] == ["hello"]

    play(scene, real=True)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "Room name empty"),
        ("x" * 25, "longer than 24"),
        (" room", "leading or trailing spaces"),
        ("my   room", "multiple following spaces"),
        ("ünicode", "invalid characters"),
    ],
)
def test_a_room_with_an_impossible_name_is_refused_in_the_servers_words(name: str, words: str) -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        with pytest.raises(RoomRefused, match=words):
            await alice.rooms.join(name)
        assert not stage.events("alice", ServerNotice)

    play(scene, real=True)


def test_a_private_room_is_closed_to_strangers() -> None:
    async def scene(stage: Stage) -> None:
        alice, bob = await stage.enter("alice"), await stage.enter("bob")
        room = await alice.rooms.join("den", private=True)
        assert (room.private, room.owner) == (True, "alice")
        with pytest.raises(RoomRefused, match="private"):
            await bob.rooms.join("den")
        assert bob.rooms.joined == []

    play(scene, real=True)


def test_members_and_operators_of_a_private_room_come_and_go() -> None:
    async def scene(stage: Stage) -> None:
        alice, bob = await stage.enter("alice"), await stage.enter("bob")
        await alice.rooms.join("den", private=True)
        with pytest.raises(RoomRefused, match="hasn't enabled private room add"):
            await alice.rooms.grant_membership("den", "bob")
        with pytest.raises(RoomRefused, match="nobody is not logged in"):
            await alice.rooms.grant_membership("den", "nobody")
        assert await bob.rooms.accept_invitations(True)
        await alice.rooms.grant_membership("den", "bob")
        await asyncio.sleep(1)
        assert RoomRightsChanged("den", "member", True) in stage.events("bob", RoomRightsChanged)
        assert (await bob.rooms.join("den")).owner == "alice"
        with pytest.raises(RoomRefused, match="already a member"):
            await alice.rooms.grant_membership("den", "bob")
        await alice.rooms.grant_operator("den", "bob")
        await asyncio.sleep(1)
        assert "bob" in alice.rooms.get("den").operators  # type: ignore[union-attr]
        changes = [e.what for e in stage.events("bob", RoomMembersChanged)]
        assert changes.count("grant operator") == 1
        await alice.rooms.revoke_operator("den", "bob")
        await alice.rooms.revoke_membership("den", "bob")
        await asyncio.sleep(1)
        assert bob.rooms.joined == []
        with pytest.raises(RoomRefused, match="bob is no member of it"):
            await alice.rooms.revoke_membership("den", "bob")

    play(scene, real=True)


def test_dropping_membership_and_ownership() -> None:
    async def scene(stage: Stage) -> None:
        alice, bob = await stage.enter("alice"), await stage.enter("bob")
        await bob.rooms.accept_invitations(True)
        await alice.rooms.join("den", private=True)
        await alice.rooms.grant_membership("den", "bob")
        with pytest.raises(RoomRefused, match="an owner can only give up the ownership") as caught:
            await alice.rooms.drop_membership("den")
        assert caught.value.hint == "soulmesh room drop den --ownership"
        with pytest.raises(RoomRefused, match="we do not own it"):
            await bob.rooms.drop_ownership("den")
        await bob.rooms.drop_membership("den")
        with pytest.raises(RoomUnknown):
            await bob.rooms.drop_membership("den")
        await alice.rooms.drop_ownership("den")
        with pytest.raises(RoomRefused, match="do not own"):
            await alice.rooms.drop_ownership("den")
        with pytest.raises(RoomUnknown):
            await alice.rooms.drop_ownership("nowhere")
        await alice.rooms.join("open")
        with pytest.raises(RoomRefused, match="not a member"):
            await bob.rooms.drop_membership("open")

    play(scene, real=True)


def test_a_room_that_was_given_up_is_not_claimed_back_at_the_next_login() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        den = await alice.rooms.join("den", private=True)
        alice.rooms.favour("den", private=True)
        await alice.rooms.drop_ownership("den")
        # We are still in it, but it is nobody's.
        assert alice.rooms.joined == ["den"]
        assert (den.private, den.owner) == (False, "")
        assert stage.events("alice", RoomRightsChanged) == [RoomRightsChanged("den", "owner", False)]
        await alice.server.log_out()
        await alice.server.start()
        await asyncio.sleep(5)
        assert alice.rooms.joined == ["den"]
        entry = await alice.rooms.find("den")
        assert entry is not None
        assert not entry.owned
        assert alice.rooms.favourites == {"den": False}

    play(scene, real=True)


def test_a_public_room_that_is_asked_for_as_private_stays_public_and_that_is_said() -> None:
    async def scene(stage: Stage) -> None:
        alice, bob = await stage.enter("alice"), await stage.enter("bob")
        await alice.rooms.join("lobby")
        await alice.rooms.leave("lobby")
        assert not (await bob.rooms.join("lobby", private=True)).private
        await asyncio.sleep(1)
        assert [notice.text for notice in stage.events("bob", ServerNotice)] == [
            "Room (lobby) is registered as public."
        ]

    play(scene, real=True)


def test_who_enters_a_room_twice_at_once_asks_once_and_both_hear_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        sent: list[object] = []
        send = alice.server.send
        monkeypatch.setattr(alice.server, "send", lambda message: (sent.append(message), send(message)))
        one, other = await asyncio.gather(alice.rooms.join("den"), alice.rooms.join("den"))
        assert one is other
        refused = await asyncio.gather(*(alice.rooms.join("my   room") for _ in "12"), return_exceptions=True)
        assert [type(error) for error in refused] == [RoomRefused] * 2
        assert all("following spaces" in str(error) for error in refused)
        asked = [message for message in sent if isinstance(message, to_server.JoinRoom)]
        assert asked == [to_server.JoinRoom("den", 0), to_server.JoinRoom("my   room", 0)]

    play(scene, real=True)


def test_a_room_can_be_entered_only_if_it_is_there() -> None:
    async def scene(stage: Stage) -> None:
        alice, bob = await stage.enter("alice"), await stage.enter("bob")
        with pytest.raises(RoomUnknown, match="there is no room named ambient"):
            await alice.rooms.join("ambient", create=False)
        assert await alice.rooms.list() == ()
        await bob.rooms.join("ambient")
        assert set((await alice.rooms.join("ambient", create=False)).users) == {"alice", "bob"}

    play(scene, real=True)


def test_a_grant_that_the_other_has_not_allowed_is_an_error_of_its_request_and_no_notice_to_anybody() -> None:
    async def scene(stage: Stage) -> None:
        alice, bob = await stage.enter("alice"), await stage.enter("bob")
        await alice.rooms.join("den", private=True)
        begun = asyncio.get_running_loop().time()
        with pytest.raises(RoomRefused) as caught:
            await alice.rooms.grant_membership("den", "bob")
        assert caught.value.room == "den"
        assert caught.value.reason == (
            "user bob hasn't enabled private room add. please message them and ask them to do so "
            "before trying to add them again."
        )
        assert asyncio.get_running_loop().time() - begun < 2, "the server's answer is not waited for in vain"
        assert not stage.events("alice", ServerNotice)
        assert not stage.events("alice", PrivateMessage)
        assert bob.rooms.joined == []

    play(scene, real=True)


def test_of_several_operators_one_drops_its_membership() -> None:
    """flows.rst, "Dropping Membership, As operator": what the owner, the other operator and a member see."""

    async def scene(stage: Stage) -> None:
        names = ("bob", "carol", "dave")
        alice = await stage.enter("alice")
        others = [await stage.enter(name) for name in names]
        await alice.rooms.join("den", private=True)
        for name, client in zip(names, others, strict=True):
            await client.rooms.accept_invitations(True)
            await alice.rooms.grant_membership("den", name)
            await client.rooms.join("den")
        for name in ("bob", "carol"):
            await alice.rooms.grant_operator("den", name)
        await asyncio.sleep(1)
        for client in (alice, *others):
            room = client.rooms.get("den")
            assert room is not None
            assert (room.operators, room.members) == ({"bob", "carol"}, {"bob", "carol", "dave"})

        bob, carol, dave = others
        await bob.rooms.drop_membership("den")
        await asyncio.sleep(1)
        assert bob.rooms.joined == []
        assert stage.events("bob", RoomRightsChanged)[-2:] == [
            RoomRightsChanged("den", "member", False),
            RoomRightsChanged("den", "operator", False),
        ]
        for client in (alice, carol, dave):
            room = client.rooms.get("den")
            assert room is not None
            assert (room.operators, room.members) == ({"carol"}, {"carol", "dave"})
            assert "bob" not in room.users
            seen = stage.events(client.username, RoomMembersChanged)
            # The server says the second one twice; it is told once.
            assert [event.what for event in seen if event.username == "bob"][-2:] == [
                "revoke membership",
                "revoke operator",
            ]
        # The other operator goes on with its work.
        with pytest.raises(RoomRefused, match="already a member"):
            await carol.rooms.grant_membership("den", "dave")
        await carol.rooms.revoke_membership("den", "dave")
        with pytest.raises(RoomUnknown, match="there is no room named den"):
            await bob.rooms.revoke_membership("den", "carol")

    play(scene, real=True)


def test_rights_are_refused_in_words_where_a_server_stays_silent() -> None:
    async def scene(stage: Stage) -> None:
        alice, bob = await stage.enter("alice"), await stage.enter("bob")
        await bob.rooms.join("ambient")
        await alice.rooms.join("den", private=True)
        begun = asyncio.get_running_loop().time()
        for room, name, words in (
            ("den", "bob", "bob is no member of it"),
            ("ambient", "bob", "it is public"),
            ("nowhere", "bob", "there is no room named nowhere"),
        ):
            with pytest.raises((RoomRefused, RoomUnknown), match=words):
                await alice.rooms.revoke_membership(room, name)
        with pytest.raises(RoomRefused, match="bob is no operator of it"):
            await alice.rooms.revoke_operator("den", "bob")
        assert asyncio.get_running_loop().time() - begun < 3
        await bob.rooms.accept_invitations(True)
        await alice.rooms.grant_membership("den", "bob")
        with pytest.raises(RoomRefused, match="no right to grant operator"):
            await bob.rooms.grant_operator("den", "alice")
        with pytest.raises(UsageError, match="there is nothing to say"):
            alice.rooms.say("den", " ")

    play(scene, real=True)


def test_tickers_on_the_wall() -> None:
    async def scene(stage: Stage) -> None:
        alice, bob = await stage.enter("alice"), await stage.enter("bob")
        await alice.rooms.join("ambient")
        alice.rooms.set_ticker("ambient", "one")
        await asyncio.sleep(1)
        await bob.rooms.join("ambient")
        await asyncio.sleep(1)
        assert bob.rooms.get("ambient").tickers == {"alice": "one"}  # type: ignore[union-attr]
        alice.rooms.set_ticker("ambient", "")
        await asyncio.sleep(1)
        assert RoomTickerChanged("ambient", "alice", "") in stage.events("bob", RoomTickerChanged)
        with pytest.raises(UsageError, match="at most 1024"):
            alice.rooms.set_ticker("ambient", "x" * 1025)

    play(scene, real=True)


def test_the_public_feed_and_the_list_of_rooms() -> None:
    async def scene(stage: Stage) -> None:
        alice, bob = await stage.enter("alice"), await stage.enter("bob")
        bob.rooms.public_feed(True)
        await alice.rooms.join("ambient")
        await alice.rooms.join("den", private=True)
        alice.rooms.say("ambient", "to all")
        await asyncio.sleep(1)
        assert stage.events("bob", PublicMessage) == [PublicMessage("ambient", "alice", "to all")]
        listed = {room.name: (room.users, room.private, room.owned) for room in await alice.rooms.list()}
        assert listed == {"ambient": (1, False, False), "den": (1, True, True)}

    play(scene, real=True)


# -- private messages


def test_a_message_arrives_is_kept_and_is_acknowledged() -> None:
    async def scene(stage: Stage) -> None:
        alice, bob = await stage.enter("alice"), await stage.enter("bob")
        await alice.chat.send("bob", "hello")
        await asyncio.sleep(1)
        (event,) = stage.events("bob", PrivateMessage)
        assert (event.username, event.text, event.direct) == ("alice", "hello", True)
        (line,) = await bob.chat.history("alice")
        assert (line.author, line.text, line.ours) == ("alice", "hello", False)
        (conversation,) = await bob.chat.conversations()
        assert (conversation.place, conversation.unread) == ("alice", 1)
        await bob.chat.mark_read("alice")
        assert (await bob.chat.conversations())[0].unread == 0
        assert [line.ours for line in await alice.chat.history("bob")] == [True]
        with pytest.raises(UsageError, match="at most 2048"):
            await alice.chat.send("bob", "x" * 2049)
        with pytest.raises(UsageError, match="nothing to send"):
            await alice.chat.send("bob", "")

    play(scene, real=True)


def test_what_waited_at_the_server_is_told_once_even_if_it_is_sent_again() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        data = stage.folder / "bob-data"
        bob = stage.client("bob", data=data)
        await bob.start()
        await bob.close()
        await alice.chat.send("bob", "while you were out")
        again = stage.client("bob", data=data)
        # The acknowledgement is lost: the server sends the message once more at the next login.
        await again.start()
        await asyncio.sleep(1)
        await again.close()
        (event,) = stage.events("bob", PrivateMessage)
        assert not event.direct
        once_more = stage.client("bob", data=data)
        async with once_more:
            await asyncio.sleep(1)
            assert [line.text for line in await once_more.chat.history("alice")] == ["while you were out"]
        assert len(stage.events("bob", PrivateMessage)) == 1

    play(scene, real=True)


def test_one_message_to_several_reaches_those_who_watch_us() -> None:
    async def scene(stage: Stage) -> None:
        alice, bob = await stage.enter("alice"), await stage.enter("bob")
        await stage.enter("carol")
        bob.users.watch("alice", "test")
        await asyncio.sleep(1)
        await alice.chat.send_to_many(["bob", "carol"], "news")
        await asyncio.sleep(1)
        assert [e.text for e in stage.events("bob", PrivateMessage)] == ["news"]
        assert stage.events("carol", PrivateMessage) == []

    play(scene, real=True)


# -- users


def test_watched_users_come_and_go() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        came: list[str] = []
        went: list[str] = []
        alice.users.on_online(came.append)
        alice.users.on_offline(went.append)
        bob = stage.client("bob", shares=shares(a=1))
        await bob.start()
        alice.users.befriend("bob")
        await asyncio.sleep(1)
        assert (came, alice.users.online("bob")) == (["bob"], True)
        bob.set_away(True)
        await asyncio.sleep(1)
        assert stage.events("alice", UserStatusChanged)[-1].status == 1
        await bob.close()
        await asyncio.sleep(1)
        assert (went, alice.users.online("bob")) == (["bob"], False)
        user = alice.users.get("bob")
        assert (user.exists, user.files, user.folders) == (True, 1, 1)

    play(scene, real=True)


def test_figures_and_status_reach_those_who_watch_a_user_or_share_a_room_with_it() -> None:
    async def scene(stage: Stage) -> None:
        names = ("alice", "watcher", "companion", "stranger")
        alice, watcher, companion, stranger = [await stage.enter(name) for name in names]
        watcher.users.watch("alice", "test")
        await alice.rooms.join("ambient")
        await companion.rooms.join("ambient")
        await stranger.rooms.join("elsewhere")
        await asyncio.sleep(1)

        def seen(kind: type[UserStatsChanged | UserStatusChanged]) -> list[str]:
            found = [
                name for name in names for event in stage.events(name, kind) if event.username == "alice"
            ]
            for name in names:
                stage.seen[name].clear()
            return found

        seen(UserStatsChanged)
        alice.server.send(to_server.SharedFoldersFiles(3, 40))
        await asyncio.sleep(1)
        (changed,) = stage.events("companion", UserStatsChanged)
        assert (changed.folders, changed.files) == (3, 40)
        assert seen(UserStatsChanged) == ["alice", "watcher", "companion"]
        alice.set_away(True)
        await asyncio.sleep(1)
        room = companion.rooms.get("ambient")
        assert room is not None
        assert room.users["alice"] == UserStatus.AWAY
        assert seen(UserStatusChanged) == ["alice", "watcher", "companion"]
        # Of a speed nobody is told; who wants to know asks.
        alice.server.send(to_server.SendUploadSpeed(3_000_000))
        await asyncio.sleep(1)
        assert seen(UserStatsChanged) == []

    play(scene, real=True)


def test_a_user_that_does_not_exist_is_an_error() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        with pytest.raises(UserUnknown, match="no user named nobody"):
            await alice.users.look_up("nobody")
        bob = await stage.enter("bob")
        assert (await alice.users.look_up("bob")).online
        assert alice.users.watched == []
        assert (await alice.users.address("bob")).port == bob.listening.port

    play(scene, real=True)


def test_user_info_is_asked_and_served_with_its_picture() -> None:
    async def scene(stage: Stage) -> None:
        picture = stage.folder / "me.png"
        picture.write_bytes(b"\x89PNG" + bytes(1000))
        await stage.enter("bob", profile=Profile("I like ambient.", picture))
        alice = await stage.enter("alice")
        about = await alice.info.ask("bob")
        assert about.description == "I like ambient."
        assert about.picture == picture.read_bytes()
        assert (about.upload_slots, about.queue, about.free_slot) == (3, 0, True)

    play(scene, real=True)


# -- shares


def test_browsing_and_joining_beyond_the_pace_wait_or_say_how_long() -> None:
    async def scene(stage: Stage) -> None:
        rates = {"browse": Rate(2, 60.0, reserve=1), "join": Rate(1, 50.0)}
        alice = await stage.enter("alice", changes={"rates": rates})
        await stage.enter("bob", shares=shares(a=1))
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for _ in range(2):
            await (await alice.browse("bob", patience=0)).close()
        with pytest.raises(TooManyRequests, match=r"browse\): try again in 60 s"):
            await alice.browse("bob", patience=30)
        await alice.rooms.join("quay", patience=0)
        with pytest.raises(TooManyRequests) as caught:
            await alice.rooms.join("jetty", patience=30)
        assert (caught.value.subject, 49 < caught.value.seconds <= 50) == ("join", True)
        assert alice.rooms.joined == ["quay"]
        # One where we are is no request, and who has patience gets there.
        await alice.rooms.join("quay", patience=0)
        await alice.rooms.join("jetty")
        await (await alice.browse("bob", patience=60)).close()
        assert 60 <= loop.time() - begun < 70

    play(scene, real=True)


def test_browsing_gives_folders_as_they_come_and_an_index_to_page_and_search() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("bob", shares=shares(blue_train=10, red=20))
        alice = await stage.enter("alice")
        async with await alice.browse("bob") as listed:
            folders = [folder async for folder in listed]
            assert [(f.name, f.files, f.bytes) for f in folders] == [("Music\\Album", 2, 30)]
            assert [(f.name, f.size) for f in await listed.files_of(folders[0])] == [
                ("blue train.flac", 10),
                ("red.flac", 20),
            ]
            assert [f.remote_path for f in await listed.search("TRAIN blue")] == [
                "Music\\Album\\blue train.flac"
            ]
            assert (listed.complete, listed.folders, listed.files, listed.bytes) == (True, 1, 2, 30)

    play(scene, real=True)


def test_folder_contents_are_asked_and_served() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("bob", shares=shares(blue_train=10))
        alice = await stage.enter("alice")
        found = await alice.info.folder("bob", "Music\\Album")
        assert [(f.remote_path, f.size) for f in found["Music\\Album"]] == [
            ("Music\\Album\\blue train.flac", 10)
        ]
        assert await alice.info.folder("bob", "Music\\Nowhere") == {}
        assert list(await alice.info.folder("bob", "Music")) == ["Music\\Album"]

    play(scene, real=True)


# -- interests and privileges


def test_interests_lead_to_recommendations_and_similar_users() -> None:
    async def scene(stage: Stage) -> None:
        alice, bob = await stage.enter("alice"), await stage.enter("bob")
        alice.interests.like("Jazz ")
        bob.interests.like("jazz")
        bob.interests.like("blues")
        bob.interests.hate("noise")
        await asyncio.sleep(1)
        found = await alice.interests.of("bob")
        assert (found.liked, found.hated) == (("blues", "jazz"), ("noise",))
        assert ("blues", 1) in (await alice.interests.recommendations()).recommended
        assert ("bob", 1) in await alice.interests.similar_users()
        assert "bob" in await alice.interests.fans("blues")
        assert ("blues", 1) in await alice.interests.related("jazz")
        assert (await alice.interests.global_recommendations()).recommended[0] == ("jazz", 2)
        alice.interests.hate("jazz")
        assert (alice.interests.liked, alice.interests.hated) == ([], ["jazz"])

    play(scene, real=True)


def test_privileges_cannot_be_given_by_those_who_have_none() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        assert await alice.privileges.check() == 0
        with pytest.raises(UsageError, match="only 0 whole days"):
            await alice.privileges.give("bob", 1)

    play(scene, real=True)


# -- what is kept


def test_friends_bans_notes_interests_and_rooms_survive_a_restart(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        def client() -> Client:
            return stage.client("alice", data=tmp_path)

        async with client() as alice:
            alice.users.befriend("bob")
            alice.users.ban("mallory")
            alice.book.ban_range("192.0.2.0/24")
            alice.users.note("bob", "kind")
            alice.interests.like("jazz")
            alice.rooms.favour("ambient")
            alice.filters.save("good", "flac size>1mb")
        async with client() as alice:
            await asyncio.sleep(1)
            assert alice.users.friend("bob")
            assert alice.users.banned("mallory")
            assert alice.book.bans_address("192.0.2.200")
            assert alice.book.notes == {"bob": "kind"}
            assert alice.interests.liked == ["jazz"]
            assert alice.rooms.joined == ["ambient"]
            assert alice.filters.get("good").text == "flac size>1mb"
            assert (await alice.interests.of("alice")).liked == ("jazz",)
            assert alice.book.import_bans(alice.book.export_bans()) == 2
            assert alice.filters.names == ["good"]

    play(scene, real=True)
