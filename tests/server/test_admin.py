"""Administration: one implementation, by private message, control socket and HTTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from soulmesh.errors import NotFound, SoulmeshError, UsageError
from soulmesh.server.admin import CommandFailed
from soulmesh.server.control import Control, ask
from soulmesh.wire import to_client, to_server
from tests.server.support import Town, in_town, kinds, login, notices


async def do(town: Town, *words: str) -> Any:
    return (await town.server.parts.admin.run("console", list(words))).data


@in_town()
async def test_accounts_are_made_shown_and_deleted(town: Town) -> None:
    await do(town, "user", "add", "ann", "--password", "first")
    with pytest.raises(UsageError, match="already"):
        await do(town, "user", "add", "ann", "--password", "x")
    with pytest.raises(UsageError, match="Nick too long"):
        await do(town, "user", "add", "n" * 31, "--password", "x")
    ann = await town.enter("ann", "first")
    assert (await do(town, "user", "show", "ann"))["status"] == "online"
    assert [user["name"] for user in await do(town, "user", "list", "an")] == ["ann"]
    ann.send(to_server.JoinRoom("den", 1), to_server.SetRoomTicker("den", "x"), to_server.AddInterest("jazz"))
    await ann.told()
    await do(town, "user", "delete", "ann")
    assert notices(await ann.end()) == ["Your account is deleted."]
    with pytest.raises(NotFound):
        await do(town, "user", "show", "ann")
    store = town.server.store
    store.commit()
    for table in ("accounts", "interests", "tickers", "members"):
        assert store.read(table) == [], table
    await town.enter("ann", "another password")


@in_town()
async def test_a_password_is_reset(town: Town) -> None:
    ann = await town.enter("ann", "old")
    await do(town, "user", "password", "ann", "new")
    await ann.leave()
    await town.enter("ann", "new")


@in_town()
async def test_privileges_are_given_and_everybody_sees_them(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    bob.send(to_server.AddUser("ann"))
    await bob.told()
    await do(town, "user", "privileges", "ann", "1.5")
    assert await bob.told() == [to_client.GetUserStatus("ann", 2, True)]
    ann.send(to_server.CheckPrivileges())
    assert await ann.told() == [to_client.CheckPrivileges(129600)]
    with pytest.raises(UsageError):
        await do(town, "user", "privileges", "ann", "many")


@in_town()
async def test_a_banned_account_is_told_why_and_then_gets_no_answer(town: Town) -> None:
    ann = await town.enter("ann")
    data = await do(town, "ban", "ann", "be", "nice", "--for", "2h")
    assert (data["kind"], data["sent_away"], data["reason"]) == ("name", 1, "be nice")
    assert notices(await ann.end()) == ["You are banned: be nice"]
    again = await town.connect("ann")
    again.send(login("ann"))
    assert await again.end() == []
    town.clock.forward(hours=3)
    await town.enter("ann")
    assert await do(town, "bans") == []


@in_town()
async def test_a_network_is_banned_and_unbanned(town: Town) -> None:
    ann = await town.enter("ann")
    data = await do(town, "ban", "127.0.0.9/8")
    assert (data["kind"], data["subject"]) == ("network", "127.0.0.0/8")
    assert notices(await ann.end()) == ["You are banned."]
    stranger = await town.connect()
    assert await stranger.end() == []
    await do(town, "unban", "127.0.0.9/8")
    await do(town, "ban", "127.0.0.1")
    assert await (await town.connect()).end() == []
    await do(town, "unban", "127.0.0.1")
    await town.enter("ann")
    with pytest.raises(NotFound):
        await do(town, "unban", "127.0.0.1")
    with pytest.raises(UsageError):
        await do(town, "ban", "10.0.0.0/99")


@in_town()
async def test_kicking_tells_why(town: Town) -> None:
    ann = await town.enter("ann")
    await do(town, "kick", "ann", "read", "the", "rules")
    assert notices(await ann.end()) == ["You are sent away: read the rules"]
    await town.enter("ann")


@in_town()
async def test_a_muted_user_is_heard_by_nobody_until_it_is_over(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    for user in (ann, bob):
        user.send(to_server.JoinRoom("lobby"))
        await user.told()
    await do(town, "mute", "ann", "5")
    ann.send(to_server.RoomChatMessage("lobby", "hello"), to_server.PrivateChatMessage("bob", "hello"))
    assert len(notices(await ann.told())) >= 3
    assert kinds(await bob.told()) == []
    town.clock.forward(minutes=6)
    ann.send(to_server.RoomChatMessage("lobby", "again"))
    await ann.told()
    assert kinds(await bob.told()) == ["RoomChatMessage"]
    await do(town, "mute", "ann")
    await do(town, "unmute", "ann")
    ann.send(to_server.RoomChatMessage("lobby", "again"))
    await ann.told()
    assert kinds(await bob.told()) == ["RoomChatMessage"]


@in_town()
async def test_a_muted_user_may_still_take_its_account_along_or_delete_it(town: Town) -> None:
    ann = await town.enter("ann")
    await do(town, "mute", "ann")
    await ann.told()
    ann.send(to_server.PrivateChatMessage("server", "export"))
    assert json.loads((await ann.next(to_client.PrivateChatMessage)).message)["name"] == "ann"
    ann.send(to_server.PrivateChatMessage("server", "delete ann"))
    assert notices(await ann.end()) == ["Your account is deleted."]
    # Who comes back under the name is as mute as before; that can be lifted without an account, too.
    assert [mute["name"] for mute in await do(town, "mutes")] == ["ann"]
    await do(town, "unmute", "ann")
    assert await do(town, "mutes") == []


@in_town()
async def test_who_is_muted_is_listed_with_until_when(town: Town) -> None:
    await town.enter("ann")
    await town.enter("bob")
    await do(town, "mute", "ann", "5")
    await do(town, "mute", "bob")
    now = int(town.server.realm.now())
    assert await do(town, "mutes") == [
        {"name": "ann", "until": now + 300, "muted_by": "console", "created": now},
        {"name": "bob", "until": 0, "muted_by": "console", "created": now},
    ]
    town.clock.forward(minutes=6)
    assert [mute["name"] for mute in await do(town, "mutes")] == ["bob"]
    with pytest.raises(NotFound, match="ann is not muted"):
        await do(town, "unmute", "ann")


@in_town()
async def test_a_ban_lasts_a_hundred_years_or_for_ever(town: Town) -> None:
    for span in ("99999999999999999999w", "999999w"):
        with pytest.raises(UsageError, match="longer than a hundred years"):
            await do(town, "ban", "ann", "--for", span)
    with pytest.raises(UsageError, match="is over already"):
        await do(town, "ban", "ann", "--until", "1999-01-01")
    with pytest.raises(UsageError, match="'mood' is no kind of ban: it is one of name, address, network"):
        await do(town, "ban", "ann", "--kind", "mood")
    assert await do(town, "bans") == []
    await do(town, "ban", "ann", "--for", "5000w")
    assert (await do(town, "ban", "10.1.2.3", "--kind", "name"))["kind"] == "name"


@in_town()
async def test_a_ban_is_lifted_in_any_spelling(town: Town) -> None:
    for banned, lifted in (
        ("::1", "::0001"),
        ("127.0.0.3", "::ffff:127.0.0.3"),
        ("10.1.0.0/16", "10.1.2.3/16"),
    ):
        await do(town, "ban", banned)
        await do(town, "unban", lifted)
    assert await do(town, "bans") == []
    for words in (["ban", " "], ["ban", "ann", "--for", "1h", "--until", "2999-01-01"]):
        with pytest.raises(UsageError):
            await do(town, *words)


@in_town()
async def test_an_empty_room_is_forgotten_when_an_administrator_says_so(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send(to_server.JoinRoom("den"), to_server.SetRoomTicker("den", "hello"))
    await ann.told()
    with pytest.raises(UsageError, match="there is somebody in den"):
        await do(town, "room", "delete", "den")
    ann.send(to_server.LeaveRoom("den"), to_server.JoinRoom("own", 1))
    await ann.told()
    ann.send(to_server.LeaveRoom("own"))
    await ann.told()
    with pytest.raises(UsageError, match="own has an owner"):
        await do(town, "room", "delete", "own")
    await do(town, "room", "delete", "den")
    assert [room["name"] for room in await do(town, "room", "list")] == ["own"]
    town.server.store.commit()
    assert town.server.store.read("tickers") == []
    assert [row[0] for row in town.server.store.read("rooms")] == [b"own"]
    assert town.server.realm.users[b"\3\0\0\0ann"].made == 1


@in_town()
async def test_a_ban_that_came_from_elsewhere_is_listed_whatever_its_end(town: Town) -> None:
    town.server.parts.moderation.bans.add("ann", until=1 << 62, reason="", banned_by="import")
    answer = await town.server.parts.admin.run("console", ["bans"])
    assert answer.lines == [f"name ann until {1 << 62} s after 1970 UTC by import"]


@in_town()
async def test_what_is_no_text_is_refused_before_anything_is_done(town: Town) -> None:
    for word in ("\ud800", "a\0b"):
        with pytest.raises(UsageError, match="is no text"):
            await do(town, "greeting", word)


@in_town()
async def test_a_command_that_breaks_says_so(town: Town) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(town.server.parts, "figures", lambda: 1 / 0)
        with pytest.raises(CommandFailed, match="ZeroDivisionError"):
            await do(town, "status")
    assert (await do(town, "status"))["online"] == 0


@in_town(server__greeting="old")
async def test_greeting_announcements_and_phrases_reach_everybody(town: Town) -> None:
    ann = await town.enter("ann")
    await do(town, "greeting", "be", "kind")
    await do(town, "announce", "coffee is ready")
    await do(town, "phrases", "add", "bad words")
    assert await ann.told() == [
        to_client.AdminMessage("coffee is ready"),
        to_client.ExcludedSearchPhrases(["bad words"]),
    ]
    bob = await town.connect("bob")
    bob.send(login("bob"))
    assert (await bob.next(to_client.Login)).greeting == "be kind"
    assert (await bob.next(to_client.ExcludedSearchPhrases)).phrases == ["bad words"]
    await do(town, "phrases", "remove", "bad words")
    assert await ann.told() == [to_client.ExcludedSearchPhrases([])]


@in_town()
async def test_a_phrase_is_tried_on_recent_searches_first(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send(to_server.FileSearch(1, "Some BAD song"), to_server.FileSearch(2, "good song"))
    await ann.told()
    data = await do(town, "phrases", "preview", "bad")
    assert data == {"searches": 2, "hit": 1, "examples": ["Some BAD song"]}


@in_town()
async def test_private_mode_and_maximum_are_switched_while_running(town: Town) -> None:
    ann = await town.enter("ann")
    await do(town, "private", "on")
    await do(town, "user", "add", "bob", "--password", "x")
    await town.enter("bob", "x")
    eve = await town.connect("eve")
    eve.send(login("eve"))
    assert (await eve.next(to_client.Login)).reason == "SVRPRIVATE"
    await do(town, "private", "off")
    await do(town, "maximum-users", "2")
    eve = await town.connect("eve")
    eve.send(login("eve"))
    assert (await eve.next(to_client.Login)).reason == "SVRFULL"
    assert ann.ended is False


@in_town()
async def test_rooms_are_shown_and_taken_from_their_owners(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send(to_server.JoinRoom("den", 1))
    await ann.told()
    assert (await do(town, "room", "show", "den"))["owner"] == "ann"
    await do(town, "room", "dissolve", "den")
    assert [room["private"] for room in await do(town, "room", "list")] == [False]
    assert kinds(await ann.told()) == ["RoomList"]


@in_town()
async def test_every_decision_is_in_the_audit_log(town: Town) -> None:
    await town.enter("ann")
    await do(town, "ban", "10.0.0.0/8", "noise")
    await do(town, "user", "admin", "ann", "on")
    entries = await do(town, "audit", "2")
    assert [(entry["who"], entry["action"]) for entry in entries] == [
        ("console", "ban"),
        ("console", "user admin"),
    ]


# ---- by private message


@in_town(admin__admins=["ann"])
async def test_who_is_administrator_by_the_settings_is_one_for_as_long_as_they_say_so(town: Town) -> None:
    await do(town, "user", "add", "ann", "--password", "secret")
    await town.enter("ann")
    assert (await do(town, "user", "show", "ann"))["admin"] is True
    answer = await town.server.parts.admin.run("console", ["user", "admin", "ann", "off"])
    assert answer.lines == ["ann is administrator."]
    town.server.store.commit()
    assert [row[2] for row in town.server.store.read("accounts")] == [0]


@in_town(admin__admins=["ann"])
async def test_an_administrator_writes_to_the_server(town: Town) -> None:
    await do(town, "user", "add", "ann", "--password", "secret")
    ann = await town.enter("ann")
    ann.send(to_server.PrivateChatMessage("server", "help"))
    lines = []
    while len(lines) < len(town.server.parts.admin.commands):
        lines += notices(await ann.told())
    assert any(line.startswith("ban NAME|ADDRESS|NETWORK") for line in lines)
    ann.send(to_server.PrivateChatMessage("server", 'greeting "be kind"'))
    assert (await ann.next(to_client.PrivateChatMessage)).message == "be kind"
    assert town.server.realm.greeting == "be kind"
    ann.send(to_server.PrivateChatMessage("server", "kick nobody"))
    assert (await ann.next(to_client.PrivateChatMessage)).message == "no account named nobody"
    ann.send(to_server.PrivateChatMessage("server", 'say "what'))
    assert "quotes" in (await ann.next(to_client.PrivateChatMessage)).message


@in_town(admin__admins=["ann"])
async def test_the_name_of_an_administrator_cannot_be_taken_by_whoever_comes_first(town: Town) -> None:
    stranger = await town.connect("ann")
    stranger.send(login("ann"))
    refused = await stranger.next(to_client.Login)
    assert (refused.success, refused.reason) == (False, "INVALIDPASS")
    assert await do(town, "user", "list") == []


@in_town()
async def test_nobody_is_named_like_one_of_the_ways_to_administrate(town: Town) -> None:
    for name in ("console", "HTTP", "abuse", "server"):
        guest = await town.connect(name)
        guest.send(login(name))
        assert (await guest.next(to_client.Login)).reason == "INVALIDUSERNAME"
    for words in (["export"], ["delete", "console"]):
        with pytest.raises(UsageError, match="what users write to `server` about themselves"):
            await do(town, *words)


@in_town()
async def test_everybody_else_exports_or_deletes_its_own_account_and_no_more(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    ann.send(to_server.PrivateChatMessage("server", "ban bob"))
    lines: list[str] = []
    while len(lines) < 4:
        lines += notices(await ann.told())
    assert [line.split(" ")[0] for line in lines] == ["help", "limits", "export", "delete"]
    assert (await bob.told()) == []
    ann.send(to_server.AddInterest("jazz"), to_server.PrivateChatMessage("server", "export"))
    exported = json.loads((await ann.next(to_client.PrivateChatMessage)).message)
    assert (exported["name"], exported["likes"]) == ("ann", ["jazz"])
    assert "password" not in exported
    ann.send(to_server.PrivateChatMessage("server", "delete bob"))
    assert "write: delete ann" in (await ann.next(to_client.PrivateChatMessage)).message
    ann.send(to_server.PrivateChatMessage("server", "delete ann"))
    assert notices(await ann.end()) == ["Your account is deleted."]
    assert b"\3\0\0\0ann" not in town.server.realm.users


# ---- control socket


@in_town()
async def test_the_control_socket_answers_its_owner(town: Town) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for name in ("data", "d" * 120):
            data = Path(folder) / name
            data.mkdir()
            assert await ask(data, "console", ["status"]) is None
            control = Control(town.server.parts.admin, data)
            await control.start()
            answer = await ask(data, "console", ["private", "on"])
            assert answer is not None
            assert answer.data == {"private": True}
            with pytest.raises(NotFound, match="nobody"):
                await ask(data, "console", ["user", "show", "nobody"])
            with pytest.raises(UsageError, match="no such command"):
                await ask(data, "console", ["dance"])
            await control.stop()
            assert await ask(data, "console", ["status"]) is None
    assert issubclass(NotFound, SoulmeshError)


# ---- HTTP


async def http(
    town: Town, request: str, body: str = "", token: str = "t0ken", scheme: str = "Bearer "
) -> tuple[int, str]:
    assert town.server.http is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", town.server.http.port)
    head = f"{request} HTTP/1.1\r\nAuthorization: {scheme}{token}\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write((head + body).encode())
    reply = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    head, _, page = reply.partition("\r\n\r\n")
    return int(head.split(" ")[1]), page


@in_town(admin__http_token="t0ken")
async def test_the_http_port_needs_the_token_and_answers_in_json(town: Town) -> None:
    await town.enter("ann")
    assert await http(town, "GET /health", token="") == (200, '{"healthy": true}\n')
    assert (await http(town, "GET /users", token="wrong"))[0] == 401
    for scheme, expected in (("", 401), ("Basic ", 401), ("bearer ", 200)):
        assert (await http(town, "GET /users", scheme=scheme))[0] == expected
    assert (await http(town, "GET /metrics", token=""))[0] == 401
    status, page = await http(town, "GET /users")
    assert (status, json.loads(page)["data"][0]["name"]) == (200, "ann")
    assert json.loads((await http(town, "GET /users/ann"))[1])["data"]["status"] == "online"
    assert (await http(town, "GET /users/nobody"))[0] == 404
    assert (await http(town, "GET /nowhere"))[0] == 404
    assert (await http(town, "DELETE /users"))[0] == 405
    assert (await http(town, "POST /command", '{"words": ["private", "on"]}'))[0] == 200
    assert town.server.realm.private is True
    assert (await http(town, "POST /command", '{"words": 5}'))[0] == 400
    assert (await http(town, "POST /command", "nonsense"))[0] == 400
    assert (await http(town, "POST /command", '{"words": ["user", "show", "\\ud800"]}'))[0] == 400
    assert (await http(town, "nonsense"))[0] == 400
    assert (await http(town, "GET http://["))[0] == 400
    assert (await http(town, "GET /health HTTP/1.1\r\nContent-Length: \u00b2\r\nX:"))[0] == 200
    assert json.loads((await http(town, "GET /audit?count=1"))[1])["data"][0]["who"] == "http"


@in_town(admin__http_token="t0ken")
async def test_metrics_are_there_for_prometheus(town: Town) -> None:
    await town.enter("ann")
    status, page = await http(town, "GET /metrics")
    assert status == 200
    assert "soulmesh_users_online 1.0" in page
    assert "soulmesh_logins_total 1.0" in page
    assert "soulmesh_healthy 1.0" in page
