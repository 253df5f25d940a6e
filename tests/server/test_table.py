"""Every message of the catalogue has an owner, or a reason to be ignored."""

from __future__ import annotations

import asyncio
from random import Random

from soulmesh.server.accounts import Passwords
from soulmesh.server.app import Parts
from soulmesh.server.realm import Realm
from soulmesh.server.settings import make_settings
from soulmesh.server.state import Outbox
from soulmesh.server.store.memory import MemoryStore
from soulmesh.server.table import IGNORED, compile_rows, rows
from soulmesh.wire import to_server
from soulmesh.wire.message import Message
from tests.server.support import Town, in_town


def parts() -> Parts:
    loop = asyncio.new_event_loop()
    try:
        settings, store = make_settings({"accounts.hash": "fast"}), MemoryStore()
        realm = Realm(settings, store, Outbox(loop, store), lambda: 0.0, Random(1))
        return Parts(realm, Passwords(settings.accounts, b"secret"), loop)
    finally:
        loop.close()


def everything() -> set[type[Message]]:
    return {getattr(to_server, name) for name in to_server.__all__}


def test_every_message_is_handled_or_ignored_for_a_reason_and_never_both() -> None:
    table = rows(parts())
    handled = {row.message for row in table}
    assert len(table) == len(handled)
    assert handled | set(IGNORED) == everything()
    assert handled & set(IGNORED) == set()
    assert all(reason for reason in IGNORED.values())


def test_bounds_name_fields_that_exist_and_every_row_has_one_handler() -> None:
    for row in rows(parts()):
        assert (row.plain is None) != (row.hot is None), row
        for field, limit in row.bounds:
            assert field in row.message.__match_args__, (row, field)
            assert limit > 0


def test_codes_of_the_table_are_those_of_the_catalogue() -> None:
    for code in compile_rows(rows(parts())):
        assert any(message.LAYOUT.code == code for message in everything())


@in_town()
async def test_ignored_messages_are_answered_with_nothing(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send(
        to_server.IgnoreUser("bob"),
        to_server.UnignoreUser("bob"),
        to_server.FileSearchRoom(1, 2, "song"),
        to_server.SendConnectTicket("bob", 1),
        to_server.SendDownloadSpeed("bob", 1),
        to_server.UploadSlotsFull(1),
        to_server.ExecuteCommand("x", []),
        to_server.PlaceInLineRequest("ann", 1),
        to_server.PlaceInLineResponse("ann", 1, 2),
        to_server.ExactFileSearch(1, "a", "b", 1, 1, 0),
        to_server.GetUserList(),
        to_server.TunneledMessage("ann", 1, 2, "x"),
        to_server.ParentIP("1.2.3.4"),
        to_server.Unknown80(),
        to_server.PrivateRoomUnknown138("den"),
        to_server.PrivilegesNotification(1, "ann"),
        to_server.PrivilegesNotificationAck(1),
        to_server.PrivateRoomOperatorRevoked("den"),
    )
    assert await ann.told() == []
