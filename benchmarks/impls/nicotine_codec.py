"""Nicotine+: its message classes know bodies only; its network thread adds length and code.

So the bytes given to it lose their head first, and an empty head stands before what it writes.
"""

from __future__ import annotations

from typing import Any

from pynicotine import slskmessages
from pynicotine.shares import PermissionLevel, Scanner

NAME = "Nicotine+"
NOTES = "bodies only; a running client packs its folders once, when it scans them"
COMPRESSES = [slskmessages]
NARROW, WIDE = 5, 8  # bytes of length and code


def _row(path: str, size: int, attributes: list[tuple[int, int]]) -> list[Any]:
    known = dict(attributes)
    if 4 in known:
        return [path, size, (None, 0, known[4], known[5]), known.get(1)]
    return [path, size, (known.get(0), known.get(2, 0), None, None), known.get(1)]


def _written(message: Any, head: int) -> bytes:
    return bytes(head) + bytes(message.make_network_message())


def prepare_search_reply(files: list[Any]) -> list[list[Any]]:
    return [_row(*f) for f in files]


def make_search_reply(rows: list[list[Any]]) -> bytes:
    reply = slskmessages.FileSearchResponse("uploader", 77, rows, True, 1_000_000, 3, [])
    return _written(reply, WIDE)


def parse_search_reply(data: bytes) -> int:
    reply = slskmessages.FileSearchResponse()
    reply.username = "uploader"
    reply.allowed_responses = {77}
    reply.parse_network_message(memoryview(data)[WIDE:])
    return len(reply.list)


def prepare_shares(folders: list[Any]) -> list[tuple[str, list[list[Any]]]]:
    return [(name, [_row(*f) for f in files]) for name, files in folders]


def make_shares(folders: list[tuple[str, list[list[Any]]]]) -> bytes:
    packed = {name: Scanner.get_folder_stream(rows) for name, rows in folders}
    reply = slskmessages.SharedFileListResponse(public_shares=packed, permission_level=PermissionLevel.PUBLIC)
    return _written(reply, WIDE)


def parse_shares(data: bytes) -> int:
    reply = slskmessages.SharedFileListResponse()
    reply.parse_network_message(memoryview(data)[WIDE:])
    return sum(len(files) for _, files in reply.list)


def prepare_distributed_search(user: str, ticket: int, query: str) -> Any:
    return slskmessages.DistribSearch(49, user, ticket, query)


def make_distributed_search(message: Any) -> bytes:
    return _written(message, NARROW)


def parse_distributed_search(data: bytes) -> str:
    message = slskmessages.DistribSearch()
    message.parse_network_message(memoryview(data)[NARROW:])
    query: str = message.searchterm
    return query


# A client never writes this one, and Nicotine+ has no server.
prepare_room_list = make_room_list = None


def parse_room_list(data: bytes) -> int:
    message = slskmessages.RoomList()
    message.parse_network_message(memoryview(data)[WIDE:])
    return len(message.rooms)


# Nicotine+ has no obfuscation.
obfuscate = deobfuscate = None
