"""``soulmesh room`` and ``soulmesh chat``: talking with many, and with one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Annotated, Any

import typer

from soulmesh.cli.kept import Kept, kept
from soulmesh.cli.logged_in import local, logged_in
from soulmesh.cli.output import Column, Output, clean, moment
from soulmesh.cli.patience import patient
from soulmesh.cli.typed import lines
from soulmesh.client.book import AddressBook
from soulmesh.client.chat import PrivateMessage
from soulmesh.client.chat_store import Line
from soulmesh.client.client import Client
from soulmesh.client.rooms import PublicMessage, RoomMemberJoined, RoomMemberLeft, RoomMessage
from soulmesh.errors import NotFound, UsageError

__all__ = ["chat_app", "room_app"]

room_app = typer.Typer(help="Chat rooms: list, enter, talk, and run private ones.", no_args_is_help=True)
chat_app = typer.Typer(help="Private messages.", no_args_is_help=True)

RoomArgument = Annotated[str, typer.Argument(help="The room's name.")]


def _some(words: list[str]) -> list[str]:
    """Something to say; looked at before anything goes out."""
    if not " ".join(words).strip():
        raise typer.BadParameter("there is nothing to say: the text is empty")
    return words


TextArgument = Annotated[list[str], typer.Argument(help="What to say.", callback=_some)]
UserArgument = Annotated[str, typer.Argument(help="The user's name.")]

_LEAVING = 0.5
"""Seconds for the last words to leave, and for an answer that says no."""


@room_app.command("list")
@logged_in
@patient
async def list_rooms(client: Client, out: Output) -> None:
    """List the rooms that the server shows."""
    rooms = sorted(await client.rooms.list(), key=lambda room: -room.users)
    if not out.table(
        [Column("users", "Users", right=True), Column("kind", ""), Column("name", "Room", wide=True)],
        [
            {
                "name": room.name,
                "users": room.users,
                "private": room.private,
                "owned": room.owned,
                "operated": room.operated,
                "kind": "own" if room.owned else "private" if room.private else "",
            }
            for room in rooms
        ],
    ):
        out.note("the server shows no rooms")


@room_app.command("users")
@logged_in
@patient
async def users(client: Client, out: Output, room: RoomArgument) -> None:
    """Enter a room that exists, and list who is in it."""
    found = await client.rooms.join(room, create=False)
    out.table(
        [Column("username", "User"), Column("role", "")],
        [
            {
                "username": name,
                "status": status,
                "role": "owner" if name == found.owner else "operator" if name in found.operators else "",
            }
            for name, status in sorted(found.users.items())
        ],
    )


@room_app.command("say")
@logged_in
@patient
async def say(
    client: Client,
    out: Output,
    room: RoomArgument,
    text: TextArgument,
) -> None:
    """Enter a room that exists, say one thing, and leave."""
    await client.rooms.join(room, create=False)
    wanted = " ".join(text)
    with client.events.stream(RoomMessage) as heard:
        client.rooms.say(room, wanted)
        async for event in heard:
            if isinstance(event, RoomMessage) and (event.username, event.text) == (client.username, wanted):
                break
    out.line(f"said in {clean(room)}")
    out.record({"room": room, "text": wanted})


@room_app.command("talk")
@logged_in
async def talk(
    client: Client,
    out: Output,
    room: RoomArgument,
    private: Annotated[bool, typer.Option("--private", help="Create it as a private room.")] = False,
) -> None:
    """Enter a room, show what is said, and say what you type, until Ctrl-C or the end of input."""
    found = await client.rooms.join(room, private=private)
    users = len(found.users)
    out.note(f"{users} user{'s'[: users != 1]} in {clean(room)}; Ctrl-C leaves")

    def heard(event: RoomMessage) -> None:
        if event.room == room:
            out.line(f"{clean(event.username)}: {clean(event.text)}")
            out.record({"room": room, "username": event.username, "text": event.text})

    def moved(event: RoomMemberJoined | RoomMemberLeft) -> None:
        if event.room == room:
            word = "came" if isinstance(event, RoomMemberJoined) else "left"
            out.note(f"{clean(event.username)} {word}")

    client.events.on(RoomMessage, heard)
    client.events.on(RoomMemberJoined, moved)
    client.events.on(RoomMemberLeft, moved)

    async def send(line: str) -> None:
        client.rooms.say(room, line)

    await _typed(send)


async def _typed(send: Callable[[str], Coroutine[Any, Any, None]]) -> None:
    """Send what is typed, line by line; when there is no more, wait a moment for answers."""
    async for line in lines():
        if text := line.strip():
            await send(text)
    await asyncio.sleep(_LEAVING)


def _rights(name: str, doing: str, done: str) -> None:
    @room_app.command(name, help=doing)
    @logged_in
    @patient
    async def change(client: Client, out: Output, room: RoomArgument, user: UserArgument) -> None:
        await getattr(client.rooms, name.replace("-", "_"))(room, user)
        out.line(f"{clean(user)} {done} {clean(room)}")
        out.record({"room": room, "username": user, "done": name})


_rights("grant-membership", "Make a user a member of a private room.", "is now a member of")
_rights("revoke-membership", "End a user's membership of a private room.", "is no longer a member of")
_rights("grant-operator", "Make a member an operator.", "is now an operator of")
_rights("revoke-operator", "Make an operator a plain member.", "is no longer an operator of")


@room_app.command("drop")
@logged_in
@patient
async def drop(
    client: Client,
    out: Output,
    room: RoomArgument,
    ownership: Annotated[
        bool, typer.Option("--ownership", help="The room is yours: its members lose it too.")
    ] = False,
) -> None:
    """Give up your membership of a private room, or the room itself."""
    what = "ownership" if ownership else "membership"
    await (client.rooms.drop_ownership(room) if ownership else client.rooms.drop_membership(room))
    out.line(f"gave up the {what} of {clean(room)}")
    out.record({"room": room, "done": f"drop {what}"})


@room_app.command("invitations")
@logged_in
@patient
async def invitations(
    client: Client,
    out: Output,
    answer: Annotated[str, typer.Argument(help="on: others may make you a member; off.", metavar="on|off")],
) -> None:
    """Say whether others may make you a member of private rooms."""
    if answer not in ("on", "off"):
        raise UsageError(f"on or off, not {answer!r}")
    noted = await client.rooms.accept_invitations(answer == "on")
    out.line(f"invitations are {'on' if noted else 'off'}")
    out.record({"invitations": noted})


@room_app.command("favour")
@local
async def favour(
    book: AddressBook,
    out: Output,
    room: RoomArgument,
    private: Annotated[bool, typer.Option("--private", help="It is a private room.")] = False,
    no: Annotated[bool, typer.Option("--no", help="Enter it no more by itself.")] = False,
) -> None:
    """Enter a room at each login of a soulmesh that stays."""
    if no:
        if room not in book.rooms:
            raise NotFound(f"{room} is not entered at login")
        del book.rooms[room]
        out.note(f"{clean(room)} is no longer entered at login")
    else:
        book.rooms[room] = private
    book.changed()
    out.table(
        [Column("room", "Entered at login", wide=True)], [{"room": name} for name in sorted(book.rooms)]
    )


@room_app.command("feed")
@logged_in
async def feed(client: Client, out: Output) -> None:
    """Show what is said in all public rooms, until Ctrl-C."""
    with client.events.stream(PublicMessage) as said:
        client.rooms.public_feed(True)
        out.note("everything said in public rooms; Ctrl-C leaves")
        async for event in said:
            if isinstance(event, PublicMessage):
                out.line(f"{clean(event.room)}  {clean(event.username)}: {clean(event.text)}")
                out.record({"room": event.room, "username": event.username, "text": event.text})


@room_app.command("ticker")
@logged_in
@patient
async def ticker(
    client: Client,
    out: Output,
    room: RoomArgument,
    text: Annotated[str, typer.Argument(help="Your line on the wall; nothing takes it away.")] = "",
) -> None:
    """Put a line on the wall of a room."""
    # A name that is misspelt is not to become a room.
    found = await client.rooms.join(room, create=False)
    client.rooms.set_ticker(room, text)
    await asyncio.sleep(_LEAVING)
    out.table(
        [Column("username", "User"), Column("text", "Ticker", wide=True)],
        [{"username": name, "text": line} for name, line in found.tickers.items()],
    )


@chat_app.command("send")
@logged_in
@patient
async def send(
    client: Client,
    out: Output,
    user: UserArgument,
    text: TextArgument,
) -> None:
    """Write to a user; the server keeps it for one who is offline."""
    words = " ".join(text)
    await client.users.look_up(user)
    await client.chat.send(user, words)
    # The answer to a later question says that the server has it.
    await client.privileges.check()
    out.line(f"sent to {clean(user)}")
    out.record({"username": user, "text": words})


@chat_app.command("with")
@logged_in
async def chat_with(client: Client, out: Output, user: UserArgument) -> None:
    """Talk with one user: show what comes, send what you type."""
    for line in await client.chat.history(user, limit=20):
        _show_line(out, user, line)
    await client.chat.mark_read(user)

    def heard(event: PrivateMessage) -> None:
        if event.username == user:
            out.line(f"{clean(user)}: {clean(event.text)}")
            out.record({"username": user, "text": event.text})

    client.events.on(PrivateMessage, heard)
    await _typed(lambda line: client.chat.send(user, line))


@chat_app.command("list")
@logged_in
@patient
async def list_chats(client: Client, out: Output) -> None:
    """List conversations, the newest first, after fetching what waited at the server; rooms are none."""
    await client.privileges.check()
    await asyncio.sleep(_LEAVING)
    if not out.table(
        [
            Column("unread", "Unread", right=True),
            Column("lines", "Lines", right=True),
            Column("place", "With"),
        ],
        [
            {"place": entry.place, "lines": entry.lines, "unread": entry.unread, "last": entry.last}
            for entry in await client.chat.conversations()
            if not entry.place.startswith("#")
        ],
    ):
        out.note("no conversations yet")


@chat_app.command("history")
@kept
@patient
async def history(
    here: Kept,
    out: Output,
    user: Annotated[str, typer.Argument(help="A user, or #room.")],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="So many lines.")] = 50,
    find: Annotated[
        str, typer.Option("--find", metavar="WORDS", help="Only lines with these words; nothing is marked.")
    ] = "",
) -> None:
    """Show what was said with a user (or in a room), as far as it is here, and mark it as read.

    What waits at the server is fetched by everything that logs in, as `chat list`.
    """
    found = await here.chat.history(user, limit=limit, words=find)
    if not found:
        where = f"in {user[1:]}" if user.startswith("#") else f"with {user}"
        raise NotFound(f"nothing was said {where}" + (f" that has the words {find!r}" if find else ""))
    for line in found:
        _show_line(out, user, line)
    if not find:
        await here.chat.mark_read(user)


@chat_app.command("forget")
@kept
@patient
async def forget(here: Kept, out: Output, user: Annotated[str, typer.Argument(help="A user.")]) -> None:
    """Delete what was said with a user; it does not come back."""
    if not await here.chat.history(user, limit=1):
        raise NotFound(f"nothing was said with {user}")
    await here.chat.forget(user)
    out.line(f"what was said with {clean(user)} is forgotten")


def _show_line(out: Output, place: str, line: Line) -> None:
    when = datetime.fromtimestamp(line.at).astimezone()
    out.line(f"{moment(when)}  {clean(line.author)}: {clean(line.text)}")
    out.record(
        {
            "place": place,
            "at": when.isoformat(),
            "username": line.author,
            "text": line.text,
            "ours": line.ours,
        }
    )
