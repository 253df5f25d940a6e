"""Commands about rooms: listed, shown, taken from their owners, forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from soulmesh.errors import NotFound, UsageError
from soulmesh.server.admin.command import Answer, Command
from soulmesh.server.frames import show, wire_name
from soulmesh.server.state import Room

if TYPE_CHECKING:
    from soulmesh.server.app import Parts

__all__ = ["RoomCommands"]


class RoomCommands:
    """Rooms, public and private."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._realm = parts.realm
        self._moderation = parts.moderation

    def commands(self) -> list[Command]:
        """What it adds to the list."""
        return [
            Command(("room", "list"), "", "rooms", self._room_list),
            Command(("room", "show"), "ROOM", "everything about a room", self._room_show, 1),
            Command(
                ("room", "dissolve"), "ROOM", "take a private room from its owner", self._room_dissolve, 1
            ),
            Command(("room", "delete"), "ROOM", "forget an empty room", self._room_delete, 1),
        ]

    def _room(self, name: str) -> Room:
        room = self._realm.rooms.get(wire_name(name.encode()))
        if room is None:
            raise NotFound(f"no room named {name}")
        return room

    def _room_facts(self, room: Room) -> dict[str, Any]:
        return {
            "name": show(room.name),
            "private": room.private,
            "users": [show(s.user.name) for s in room.members if s.user is not None],
            "owner": show(room.owner.name) if room.owner else None,
            "members": [show(user.name) for user in room.member_users],
            "operators": [show(user.name) for user in room.operators],
            "tickers": {show(name): show(text) for name, text in room.tickers.items()},
            "was_public": room.was_public,
        }

    def _room_list(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        facts = [self._room_facts(room) for room in self._realm.rooms.values()]
        lines = [
            f"{fact['name']} ({'private' if fact['private'] else 'public'}, {len(fact['users'])} in it)"
            for fact in facts
        ]
        return Answer(lines or ["none"], facts)

    def _room_show(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        facts = self._room_facts(self._room(" ".join(arguments)))
        return Answer([f"{key}: {value}" for key, value in facts.items()], facts)

    def _room_dissolve(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        name = " ".join(arguments)
        room = self._room(name)
        if room.owner is None:
            raise UsageError(f"{name} has no owner")
        self._parts.rooms.dissolve(room)
        self._moderation.audit.record(who, "room dissolve", name)
        return Answer([f"{name} belongs to nobody now."], self._room_facts(room))

    def _room_delete(self, who: str, arguments: list[str], options: dict[str, str]) -> Answer:
        name = " ".join(arguments)
        room = self._room(name)
        if room.members:
            raise UsageError(f"there is somebody in {name}")
        if room.owner is not None:
            raise UsageError(f"{name} has an owner; see room dissolve")
        facts = self._room_facts(room)
        self._parts.rooms.delete(room)
        self._moderation.audit.record(who, "room delete", name)
        return Answer([f"{name} is forgotten."], facts)
