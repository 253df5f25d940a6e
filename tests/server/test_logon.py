"""Flows, "Server Connection and Logon" and "Disconnecting"."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from argon2 import PasswordHasher

from soulmesh.wire import to_client, to_server
from tests.server.support import Town, in_town, kinds, login


@in_town(server__greeting="Be kind.", search__excluded_phrases=["bad words"])
async def test_a_new_name_becomes_an_account_and_is_greeted_in_the_documented_order(town: Town) -> None:
    ann = await town.connect("ann")
    ann.send(login("ann", "pw"))
    told = await ann.told()
    assert kinds(told) == [
        "Login",
        "RoomList",
        "ParentMinSpeed",
        "ParentSpeedRatio",
        "WishlistInterval",
        "PrivilegedUsers",
        "ExcludedSearchPhrases",
    ]
    first = told[0]
    assert isinstance(first, to_client.Login)
    assert (first.success, first.greeting, first.ip, first.privileged) == (
        True,
        "Be kind.",
        "127.0.0.1",
        False,
    )
    assert first.md5hash == hashlib.md5(b"pw").hexdigest()
    assert told[2:] == [
        to_client.ParentMinSpeed(1),
        to_client.ParentSpeedRatio(50),
        to_client.WishlistInterval(720),
        to_client.PrivilegedUsers([]),
        to_client.ExcludedSearchPhrases(["bad words"]),
    ]


@in_town()
async def test_a_known_name_needs_its_password(town: Town) -> None:
    ann = await town.enter("ann", "right")
    await ann.leave()
    wrong = await town.connect()
    wrong.send(login("ann", "wrong"))
    reply = await wrong.next(to_client.Login)
    assert (reply.success, reply.reason, reply.detail) == (False, "INVALIDPASS", None)
    await wrong.end()
    await town.enter("ann", "right")


async def refused(
    town: Town, name: str, password: str = "x", version: int | None = 177
) -> tuple[str | None, str | None]:
    user = await town.connect()
    user.send(login(name, password, version))
    reply = await user.next(to_client.Login)
    assert not reply.success
    return reply.reason, reply.detail


@in_town()
async def test_names_that_cannot_be_are_refused_with_the_reason(town: Town) -> None:
    assert await refused(town, "") == ("INVALIDUSERNAME", "Nick empty.")
    assert await refused(town, "n" * 31) == ("INVALIDUSERNAME", "Nick too long.")
    assert await refused(town, "søren") == ("INVALIDUSERNAME", "Invalid characters in nick.")
    assert await refused(town, " ann") == (
        "INVALIDUSERNAME",
        "No leading and trailing spaces allowed in nick.",
    )
    assert await refused(town, "ann ") == (
        "INVALIDUSERNAME",
        "No leading and trailing spaces allowed in nick.",
    )
    assert await refused(town, "server") == ("INVALIDUSERNAME", "")
    await town.enter("n" * 30)


@in_town()
async def test_an_old_client_is_refused_and_one_that_names_no_version_is_not(town: Town) -> None:
    assert await refused(town, "ann", version=100) == ("INVALIDVERSION", None)
    bob = await town.connect()
    bob.send(to_server.Login("bob", "pw"))
    assert (await bob.next(to_client.Login)).success


@in_town()
async def test_an_empty_password_is_a_password(town: Town) -> None:
    await town.enter("ann", "")


@in_town(accounts__empty_password=False)
async def test_an_empty_password_is_refused_if_the_operator_says_so(town: Town) -> None:
    assert await refused(town, "ann", "") == ("EMPTYPASSWORD", None)


@in_town(server__private=True)
async def test_a_private_server_makes_no_accounts(town: Town) -> None:
    assert await refused(town, "ann") == ("SVRPRIVATE", None)


@in_town(server__maximum_users=1)
async def test_a_full_server_takes_nobody_more_but_lets_a_user_come_back(town: Town) -> None:
    ann = await town.enter("ann")
    assert await refused(town, "bob") == ("SVRFULL", None)
    await town.enter("ann")
    assert kinds(await ann.end()) == ["Kicked"]


@in_town()
async def test_the_old_connection_is_kicked_and_watchers_end_with_online(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    bob.send(to_server.AddUser("ann"))
    await bob.told()
    again = await town.enter("ann")
    assert await ann.end() == [to_client.Kicked()]
    assert (await bob.told())[-1] == to_client.GetUserStatus("ann", 2, False)
    assert again.ended is False


@in_town()
async def test_who_leaves_is_out_of_rooms_first_and_then_offline(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    ann.send(to_server.JoinRoom("lobby"))
    await ann.told()
    bob.send(to_server.JoinRoom("lobby"), to_server.AddUser("ann"))
    await bob.told()
    await ann.leave()
    assert await bob.next(to_client.UserLeftRoom) == to_client.UserLeftRoom("lobby", "ann")
    assert await bob.next(to_client.GetUserStatus) == to_client.GetUserStatus("ann", 0, False)


@in_town()
async def test_figures_stay_and_ports_go_with_the_session(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    ann.send(to_server.SharedFoldersFiles(3, 40), to_server.SendUploadSpeed(1000))
    await ann.told()
    await ann.leave()
    bob.send(to_server.AddUser("ann"), to_server.GetPeerAddress("ann"))
    added = await bob.next(to_client.AddUser)
    assert added.user_stats is not None
    assert (added.user_stats.avg_speed, added.user_stats.uploads) == (1000, 1)
    assert (added.user_stats.shared_file_count, added.user_stats.shared_folder_count) == (40, 3)
    assert await bob.next(to_client.GetPeerAddress) == to_client.GetPeerAddress("ann", "0.0.0.0", 0, 0, 0)


@in_town(limits__login_seconds=1.0)
async def test_a_connection_that_does_not_log_in_is_closed(town: Town) -> None:
    stranger = await town.connect()
    assert await stranger.end() == []


@in_town()
async def test_nothing_is_answered_before_login(town: Town) -> None:
    stranger = await town.connect("ann")
    stranger.send(to_server.GetPeerAddress("ann"), to_server.JoinRoom("lobby"), login("ann"))
    told = await stranger.told()
    assert kinds(told)[0] == "Login"
    assert "GetPeerAddress" not in kinds(told)
    assert "JoinRoom" not in kinds(told)


@in_town(accounts__hash="argon2id", accounts__argon2_memory_kib=64)
async def test_passwords_are_hashed_off_the_loop_and_everything_sent_meanwhile_is_done_after(
    town: Town,
) -> None:
    ann = await town.connect("ann")
    ann.send(login("ann", "pw"), to_server.CheckPrivileges())
    told = await ann.told()
    assert kinds(told)[0] == "Login"
    assert kinds(told)[-1] == "CheckPrivileges"
    assert town.server.realm.users[b"\3\0\0\0ann"].password.startswith("$argon2id$")
    await ann.leave()
    assert await refused(town, "ann", "no") == ("INVALIDPASS", None)
    await town.enter("ann", "pw")


@in_town(accounts__hash="argon2id", accounts__argon2_memory_kib=64)
async def test_a_hash_of_older_settings_is_renewed_once_the_password_is_found_right(town: Town) -> None:
    parts, user = town.server.parts, await town.enter("ann", "pw")
    account = town.server.realm.users[b"\3\0\0\0ann"]
    usual = account.password
    for old in (
        "fast$" + hashlib.sha256(b"pw").hexdigest(),
        PasswordHasher(time_cost=1, memory_cost=32, parallelism=1).hash("pw"),
    ):
        await user.leave()
        parts.passwords.forget(account)
        account.password = old
        assert await refused(town, "ann", "wrong") == ("INVALIDPASS", None)
        assert account.password == old
        user = await town.enter("ann", "pw")
        while account.password == old:
            await user.told()
        assert account.password.split("$")[:4] == usual.split("$")[:4]
        assert parts.passwords.check_now(account.password, b"pw")
        town.server.store.commit()
        assert [row[1] for row in town.server.store.read("accounts")] == [account.password]


class Held:
    """One kind of work on passwords, computed when the test says so."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()


@contextmanager
def held(town: Town, work: str) -> Iterator[Held]:
    passwords, gate = town.server.parts.passwords, Held()
    compute = getattr(passwords, work)

    async def wait(*arguments: object) -> object:
        gate.begun.set()
        await gate.go_on.wait()
        return await compute(*arguments)

    with mock.patch.object(passwords, work, wait):
        yield gate


@in_town(accounts__hash="argon2id", accounts__argon2_memory_kib=64, accounts__verified_cache=0)
async def test_who_is_banned_while_its_password_is_checked_stays_out(town: Town) -> None:
    await (await town.enter("ann")).leave()
    ann = await town.connect("ann")
    with held(town, "check") as gate:
        ann.send(login("ann"))
        await gate.begun.wait()
        town.server.parts.moderation.ban("ann", until=0, reason="", banned_by="bob", kind="name")
        gate.go_on.set()
        assert await ann.end() == []
    assert town.server.realm.users[b"\3\0\0\0ann"].session is None


@in_town(accounts__hash="argon2id", accounts__argon2_memory_kib=64)
async def test_nobody_new_comes_in_once_the_server_is_private(town: Town) -> None:
    ann = await town.connect("ann")
    with held(town, "make") as gate:
        ann.send(login("ann"))
        await gate.begun.wait()
        town.server.realm.private = True
        gate.go_on.set()
        (reply,) = await ann.end()
    assert isinstance(reply, to_client.Login)
    assert (reply.success, reply.reason) == (False, "SVRPRIVATE")
    assert town.server.realm.users == {}


@in_town(accounts__hash="argon2id", accounts__argon2_memory_kib=64)
async def test_a_password_that_is_changed_while_it_is_checked_is_wrong(town: Town) -> None:
    parts = town.server.parts
    await (await town.enter("ann", "old")).leave()
    user = town.server.realm.users[b"\3\0\0\0ann"]
    parts.passwords.forget(user)
    ann = await town.connect("ann")
    with held(town, "check") as gate:
        ann.send(login("ann", "old"))
        await gate.begun.wait()
        await parts.admin.run("console", ["user", "password", "ann", "new"])
        gate.go_on.set()
        (reply,) = await ann.end()
    assert isinstance(reply, to_client.Login)
    assert reply.reason == "INVALIDPASS"
    # Nor is the old one remembered as right.
    assert await refused(town, "ann", "old") == ("INVALIDPASS", None)
    await town.enter("ann", "new")


@in_town(accounts__hash="argon2id", accounts__argon2_memory_kib=64)
async def test_an_account_deleted_while_it_gets_a_password_does_not_come_back(town: Town) -> None:
    parts = town.server.parts
    ann = await town.enter("ann")
    with held(town, "make") as gate:
        ann.send(to_server.NewPassword("new"))
        await gate.begun.wait()
        parts.delete_account(town.server.realm.users[b"\3\0\0\0ann"])
        gate.go_on.set()
        assert "NewPassword" not in kinds(await ann.end())
    town.server.realm.outbox.flush()
    assert list(town.server.store.read("accounts")) == []
    assert town.server.realm.users == {}


@in_town()
async def test_ping_is_not_answered_and_does_no_harm(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send(to_server.Ping())
    assert await ann.told() == []


@in_town()
async def test_a_new_password_is_said_back_and_in_force(town: Town) -> None:
    ann = await town.enter("ann", "old")
    ann.send(to_server.NewPassword("new"))
    assert await ann.told() == [to_client.NewPassword("new")]
    await ann.leave()
    assert await refused(town, "ann", "old") == ("INVALIDPASS", None)
    await town.enter("ann", "new")
