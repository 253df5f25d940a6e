"""soulmesh: ``wire.encode`` and ``wire.decode`` of whole frames."""

from __future__ import annotations

from typing import cast

from soulmesh import wire
from soulmesh.wire import inflate, peer, to_client
from soulmesh.wire.distributed import DistributedSearchRequest
from soulmesh.wire.structs import Attribute, DirectoryData, FileData

NAME = "soulmesh"
NOTES = "whole frames through the public functions, to and from declared classes"
COMPRESSES = [inflate]
KEY = bytes.fromhex("1494ee4a")

PlainFile = tuple[str, int, list[tuple[int, int]]]


def _file(path: str, size: int, attributes: list[tuple[int, int]]) -> FileData:
    return FileData(1, path, size, "", [Attribute(key, value) for key, value in attributes])


def prepare_search_reply(files: list[PlainFile]) -> peer.PeerSearchReply:
    return peer.PeerSearchReply("uploader", 77, [_file(*f) for f in files], True, 1_000_000, 3, 0)


make_search_reply = wire.encode


def parse_search_reply(data: bytes) -> int:
    return len(cast(peer.PeerSearchReply, wire.decode(data, "peer", "peer")).results)


def prepare_shares(folders: list[tuple[str, list[PlainFile]]]) -> peer.PeerSharesReply:
    return peer.PeerSharesReply(
        [DirectoryData(name, [_file(*f) for f in files]) for name, files in folders], 0
    )


make_shares = wire.encode


def parse_shares(data: bytes) -> int:
    reply = cast(peer.PeerSharesReply, wire.decode(data, "peer", "peer"))
    return sum(len(directory.files) for directory in reply.directories)


def prepare_distributed_search(user: str, ticket: int, query: str) -> DistributedSearchRequest:
    return DistributedSearchRequest(49, user, ticket, query)


make_distributed_search = wire.encode


def parse_distributed_search(data: bytes) -> str:
    return cast(DistributedSearchRequest, wire.decode(data, "distributed", "peer")).query


def prepare_room_list(rooms: list[tuple[str, int]]) -> to_client.RoomList:
    return to_client.RoomList([name for name, _ in rooms], [users for _, users in rooms], [], [], [], [], [])


make_room_list = wire.encode


def parse_room_list(data: bytes) -> int:
    return len(cast(to_client.RoomList, wire.decode(data, "server", "to_client")).rooms)


def obfuscate(data: bytes) -> bytes:
    return wire.obfuscate(data, KEY)


deobfuscate = wire.deobfuscate
