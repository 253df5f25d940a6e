"""aioslsk: messages serialised to and from its dataclasses, length and code included."""

from __future__ import annotations

from typing import Any

from aioslsk.protocol import messages, obfuscation, primitives

NAME = "aioslsk"
NOTES = "serialize and deserialize of its message classes"
COMPRESSES = [primitives]
KEY = bytes.fromhex("1494ee4a")


def _file(path: str, size: int, attributes: list[tuple[int, int]]) -> Any:
    pairs = [primitives.Attribute(key, value) for key, value in attributes]
    return primitives.FileData(1, path, size, "", pairs)


def _serialize(message: Any) -> bytes:
    written: bytes = message.serialize()
    return written


def prepare_search_reply(files: list[Any]) -> Any:
    results = [_file(*f) for f in files]
    return messages.PeerSearchReply.Request("uploader", 77, results, True, 1_000_000, 3)


make_search_reply = _serialize


def parse_search_reply(data: bytes) -> int:
    return len(messages.PeerMessage.deserialize_request(data).results)


def prepare_shares(folders: list[Any]) -> Any:
    directories = [primitives.DirectoryData(name, [_file(*f) for f in files]) for name, files in folders]
    return messages.PeerSharesReply.Request(directories)


make_shares = _serialize


def parse_shares(data: bytes) -> int:
    reply = messages.PeerMessage.deserialize_request(data)
    return sum(len(directory.files) for directory in reply.directories)


def prepare_distributed_search(user: str, ticket: int, query: str) -> Any:
    return messages.DistributedSearchRequest.Request(49, user, ticket, query)


make_distributed_search = _serialize


def parse_distributed_search(data: bytes) -> str:
    query: str = messages.DistributedMessage.deserialize_request(data).query
    return query


def prepare_room_list(rooms: list[tuple[str, int]]) -> Any:
    names, counts = [name for name, _ in rooms], [users for _, users in rooms]
    return messages.RoomList.Response(names, counts, [], [], [], [], [])


make_room_list = _serialize


def parse_room_list(data: bytes) -> int:
    return len(messages.ServerMessage.deserialize_response(data).rooms)


def obfuscate(data: bytes) -> bytes:
    return bytes(obfuscation.encode(data, KEY))


def deobfuscate(data: bytes) -> bytes:
    return bytes(obfuscation.decode(data))
