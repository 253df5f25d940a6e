"""flows.rst, "Server Connection and Logon": staying in, coming back, and servers that misbehave."""

from __future__ import annotations

import asyncio

import pytest

from soulmesh import wire
from soulmesh.client.chat import PrivateMessage
from soulmesh.client.errors import (
    KickedOut,
    LoginRefused,
    LoginUnanswered,
    NoReply,
    NotConnected,
    ServerUnreachable,
)
from soulmesh.client.links import LinkOpened
from soulmesh.client.server_link import LoggedIn, LoggedOut, ReconnectPlanned, ServerMisbehaved
from soulmesh.client.users import UserStatusChanged
from soulmesh.wire import to_client, to_server
from tests.client.stage import Stage, play, shares
from tests.support.little_server import Session
from tests.support.vectors import load


def test_a_ping_goes_out_every_five_minutes() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("alice")
        session = stage.server.sessions["alice"]
        await asyncio.sleep(3700)
        assert len(session.said(to_server.Ping)) == 12
        assert stage.server.logins == 1

    play(scene)


def test_after_a_broken_link_everything_is_as_before() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("root", shares=shares(a=1))
        alice = await stage.enter("alice", shares=shares(a=1, b=2))
        alice.users.watch("root", "test")
        alice.interests.like("jazz")
        alice.set_away(True)
        await asyncio.sleep(5)
        assert alice.tree.figures.parent == "root"
        stage.server.sessions["alice"].stream.abort()
        await asyncio.sleep(1)
        assert not alice.server.connected
        with pytest.raises(NotConnected):
            alice.server.send(to_server.Ping())
        await asyncio.sleep(30)
        session = stage.server.sessions["alice"]
        assert stage.server.logins == 3
        assert session.said(to_server.AddUser) == [to_server.AddUser("alice"), to_server.AddUser("root")]
        assert session.said(to_server.AddInterest) == [to_server.AddInterest("jazz")]
        assert session.said(to_server.SetStatus) == [to_server.SetStatus(1)]
        assert session.files == 2
        # The link to our parent does not depend on the server: the server learns that we have one.
        assert session.said(to_server.ToggleParentSearch) == [to_server.ToggleParentSearch(False)]
        assert session.said(to_server.BranchLevel) == [to_server.BranchLevel(1)]
        assert [event.final for event in stage.events("alice", LoggedOut)] == [False]
        assert len(stage.events("alice", LoggedIn)) == 2

    play(scene)


def test_pauses_between_attempts_grow_and_are_told() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        stage.close_server()
        stage.server.sessions["alice"].stream.abort()
        await asyncio.sleep(7200)
        pauses = [event.seconds for event in stage.events("alice", ReconnectPlanned)]
        assert 3 <= pauses[0] <= 7
        assert pauses[3] > 3 * pauses[0]
        assert max(pauses) <= 750
        assert len(pauses) < 25
        await stage.reopen_server()
        await asyncio.sleep(800)
        assert alice.server.connected

    play(scene)


def test_whoever_was_kicked_does_not_come_back_by_itself() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        other = stage.client("alice", listen_port=0)
        async with other:
            await asyncio.sleep(3600)
            assert other.server.connected
        assert not alice.server.connected
        assert isinstance(alice.server.ended, KickedOut)
        assert stage.server.logins == 2
        with pytest.raises(KickedOut, match="logged in elsewhere"):
            alice.server.send(to_server.Ping())
        # Whatever is wanted of the server, it is told so.
        with pytest.raises(KickedOut):
            await alice.chat.send("bob", "hello")
        with pytest.raises(KickedOut):
            await alice.search("blue").start()

    play(scene)


def test_whoever_wants_something_while_the_link_is_broken_is_told_why_it_broke() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        stage.close_server()
        stage.server.sessions["alice"].stream.close()
        await asyncio.sleep(60)
        with pytest.raises(NotConnected, match="not logged in: the server closed the connection"):
            await alice.chat.send("bob", "hello")
        await alice.server.log_out()
        with pytest.raises(NotConnected, match=r"^not logged in$"):
            await alice.search("blue").start()

    play(scene)


def test_a_password_that_is_wrong_after_a_reconnect_ends_it() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        stage.server.passwords["alice"] = "changed"
        stage.server.sessions["alice"].stream.abort()
        await asyncio.sleep(3600)
        assert stage.server.logins == 2
        assert isinstance(alice.server.ended, LoginRefused)
        assert stage.events("alice", LoggedOut)[-1].final

    play(scene)


def test_a_full_server_is_asked_again() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")

        def full(session: Session, login: to_server.Login) -> bool:
            session.send(to_client.Login(False, reason="SVRFULL"))
            session.stream.close()
            return stage.server.logins < 4

        stage.server.on_login = full
        stage.server.sessions["alice"].stream.abort()
        await asyncio.sleep(60)
        stage.server.on_login = None
        await asyncio.sleep(600)
        assert alice.server.connected

    play(scene)


def test_a_silent_server_is_given_up_and_dialled_again() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        stage.server.hook = lambda session, message: not isinstance(message, to_server.Login)
        await asyncio.sleep(800)
        stage.server.hook = None
        await asyncio.sleep(100)
        assert stage.server.logins >= 2
        assert alice.server.connected

    play(scene)


def test_a_server_that_never_answers_the_login_is_named_so() -> None:
    async def scene(stage: Stage) -> None:
        stage.server.on_login = lambda session, login: True
        loop = asyncio.get_running_loop()
        begun = loop.time()
        with pytest.raises(LoginUnanswered, match="said nothing for 7 s to the login") as caught:
            await stage.enter("alice", changes={"login_timeout": 7})
        # Connecting and the answer share one time.
        assert 7 <= loop.time() - begun < 8
        assert "banned" not in (caught.value.hint or "")

    play(scene)


def test_a_server_that_closes_instead_of_an_answer_may_have_banned_us() -> None:
    async def scene(stage: Stage) -> None:
        def close(session: Session, login: to_server.Login) -> bool:
            session.stream.close()
            return True

        stage.server.on_login = close
        with pytest.raises(LoginUnanswered, match="closed it without an answer to the login") as caught:
            await stage.enter("alice")
        assert "banned" in (caught.value.hint or "")

    play(scene)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x00\x00\x00\x00",
        b"\xff\xff\xff\xff\x01\x00\x00\x00",
        wire.encode(to_client.RoomList([], [])),
        b"\x05\x00\x00\x00\x01\x00\x00\x00\x01",
        b"",
    ],
)
def test_a_server_that_answers_garbage_to_the_login_is_an_error(data: bytes) -> None:
    async def scene(stage: Stage) -> None:
        def garbage(session: Session, login: to_server.Login) -> bool:
            session.stream.write(data)
            session.stream.close()
            return True

        stage.server.on_login = garbage
        with pytest.raises(ServerUnreachable):
            await stage.enter("alice")

    play(scene)


def test_one_bad_message_costs_only_itself() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        session = stage.server.sessions["alice"]
        session.stream.write(b"\x05\x00\x00\x00\x07\x00\x00\x00\xff")
        session.stream.write(b"\x08\x00\x00\x00\x39\x30\x00\x00abcd")
        session.send(to_client.PrivateChatMessage(1, 2, "bob", "hello", True))
        await asyncio.sleep(1)
        assert alice.server.connected
        assert "GetUserStatus" in stage.events("alice", ServerMisbehaved)[0].problem
        assert [event.text for event in stage.events("alice", PrivateMessage)] == ["hello"]

    play(scene)


@pytest.mark.parametrize("how", ["messages", "frames"])
def test_garbage_behind_the_answer_to_the_login_costs_the_connection_and_it_comes_back(how: str) -> None:
    unreadable = b"\x05\x00\x00\x00\x07\x00\x00\x00\xff" * 30 if how == "messages" else b"\xff" * 8

    async def scene(stage: Stage) -> None:
        def garbage(session: Session, login: to_server.Login) -> bool:
            welcome = wire.encode(to_client.Login(True, "Welcome.", session.host, "", False))
            session.stream.write(welcome + unreadable)  # one packet
            return True

        alice = await stage.enter("alice")
        stage.server.on_login = garbage
        stage.server.sessions["alice"].stream.abort()
        await asyncio.sleep(20)
        stage.server.on_login = None
        await asyncio.sleep(200)
        assert alice.server.connected
        await alice.chat.send("bob", "hello")
        await asyncio.sleep(1)
        assert stage.server.sessions["alice"].said(to_server.PrivateChatMessage)

    play(scene)


def test_garbage_behind_the_first_answer_to_a_login_is_an_event_and_the_session_is_renewed() -> None:
    async def scene(stage: Stage) -> None:
        def garbage(session: Session, login: to_server.Login) -> bool:
            welcome = wire.encode(to_client.Login(True, "Welcome.", session.host, "", False))
            session.stream.write(welcome + b"\x05\x00\x00\x00\x07\x00\x00\x00\xff" * 30)
            stage.server.on_login = None
            return True

        stage.server.on_login = garbage
        alice = await stage.enter("alice")
        await asyncio.sleep(60)
        assert "GetUserStatus" in stage.events("alice", ServerMisbehaved)[0].problem
        assert [event.final for event in stage.events("alice", LoggedOut)] == [False]
        assert alice.server.connected
        assert stage.server.logins == 2

    play(scene)


def test_a_server_that_takes_us_in_and_drops_us_is_dialled_with_growing_pauses() -> None:
    async def scene(stage: Stage) -> None:
        def drop(session: Session, login: to_server.Login) -> bool:
            session.send(to_client.Login(True, "Welcome.", session.host, "", False))
            session.stream.close()
            return True

        await stage.enter("alice")
        stage.server.on_login = drop
        stage.server.sessions["alice"].stream.abort()
        await asyncio.sleep(7200)
        pauses = [event.seconds for event in stage.events("alice", ReconnectPlanned)]
        assert pauses[3] > 3 * pauses[0]
        assert len(pauses) < 25
        stage.server.on_login = None
        await asyncio.sleep(800)  # in again, and for long: the next pause is a short one
        stage.server.sessions["alice"].stream.abort()
        await asyncio.sleep(1)
        assert stage.events("alice", ReconnectPlanned)[-1].seconds < 10

    play(scene)


def test_a_stream_out_of_step_costs_the_connection_and_it_comes_back() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        stage.server.sessions["alice"].stream.write(b"\xff\xff\xff\xff\x07\x00\x00\x00")
        await asyncio.sleep(60)
        assert stage.events("alice", ServerMisbehaved)
        assert stage.server.logins == 2
        assert alice.server.connected

    play(scene)


def test_questions_end_when_nobody_answers_and_when_the_link_breaks() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        stage.server.hook = lambda session, message: isinstance(message, to_server.GetSimilarUsers)
        with pytest.raises(NoReply, match="the server did not answer GetSimilarUsers within 30 s"):
            await alice.interests.similar_users()
        asking = asyncio.ensure_future(alice.interests.similar_users())
        await asyncio.sleep(1)
        stage.server.sessions["alice"].stream.abort()
        with pytest.raises(NotConnected, match="broke"):
            await asking

    play(scene)


def test_what_we_do_not_hear_while_away_is_unknown_until_the_server_says_it() -> None:
    async def scene(stage: Stage) -> None:
        bob = stage.client("bob")
        await bob.start()
        alice = await stage.enter("alice")
        alice.users.watch("bob", "test")
        await asyncio.sleep(1)
        assert alice.users.online("bob")
        went: list[str] = []
        alice.users.on_offline(went.append)
        stage.server.sessions["alice"].stream.abort()
        await asyncio.sleep(1)
        assert alice.users.online("bob") is None
        await bob.close()
        await asyncio.sleep(60)
        assert alice.users.online("bob") is False
        assert stage.events("alice", UserStatusChanged)[-1].status == 0

    play(scene)


def test_a_server_that_sends_everything_there_is_does_no_harm() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        session = stage.server.sessions["alice"]
        for vector in load("server"):
            if vector["direction"] == "to_client" and vector["message"] != "Kicked":
                session.stream.write(bytes.fromhex(vector["hex"]))
        await asyncio.sleep(60)
        assert alice.server.connected
        assert stage.server.logins == 1

    play(scene)


def test_the_country_of_a_user_is_what_the_server_says() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        await stage.enter("bob")
        alice.users.watch("bob", "test")
        await asyncio.sleep(1)
        assert alice.users.get("bob").country == "de"

    play(scene)


def test_links_opened_before_a_reconnect_stay() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        await stage.enter("bob")
        await alice.info.ask("bob")
        stage.server.sessions["alice"].stream.abort()
        await asyncio.sleep(1)
        assert (await alice.info.ask("bob")).username == "bob"
        opened = [e for e in stage.events("alice", LinkOpened) if e.ours and e.kind == "P"]
        assert len(opened) == 1

    play(scene)
