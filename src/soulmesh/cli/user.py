"""``soulmesh user``: who somebody is, and what we think of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from soulmesh.cli.logged_in import TimeoutOption, local, logged_in
from soulmesh.cli.output import Column, Output, clean, moment, size, speed
from soulmesh.cli.patience import patient
from soulmesh.client.bans import BadRange, read_range
from soulmesh.client.book import AddressBook
from soulmesh.client.client import Client
from soulmesh.errors import NotFound, SoulmeshError
from soulmesh.wire.enums import UserStatus

__all__ = ["app"]

app = typer.Typer(help="Other users: who they are, friends, bans, notes.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="The user's name.")]

_STATUS = {UserStatus.OFFLINE: "offline", UserStatus.AWAY: "away", UserStatus.ONLINE: "online"}


@app.command("show")
@logged_in
async def show(
    client: Client,
    out: Output,
    name: NameArgument,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE", help="Write the user's picture here.")
    ] = None,
    timeout: TimeoutOption = 30.0,
) -> None:
    """Show what the server and the user itself say, and what we remember."""
    user = await client.users.look_up(name)
    past = client.book.histories.get(name)
    record: dict[str, Any] = {
        "username": name,
        "status": _STATUS.get(UserStatus(user.status)) if user.status in (0, 1, 2) else user.status,
        "privileged": user.privileged,
        "country": user.country,
        "speed": user.speed,
        "uploads": user.uploads,
        "files": user.files,
        "folders": user.folders,
        "friend": client.users.friend(name),
        "banned": client.users.banned(name),
        "note": client.book.notes.get(name, ""),
        "downloaded": past.downloaded if past else 0,
        "uploaded": past.uploaded if past else 0,
        "past_speed": past.speed if past else None,
        "failures": past.failures if past else 0,
        "last_seen": past.last_seen if past else "",
    }
    if user.online:
        where = await client.users.address(name)
        record |= {"address": where.host, "port": where.port, "obfuscated_port": where.obfuscated_port}
        try:
            about = await client.info.ask(name, timeout=timeout)
        except SoulmeshError as error:
            record["info_error"] = str(error)
        else:
            record |= {
                "description": about.description,
                "upload_slots": about.upload_slots,
                "queue": about.queue,
                "free_slot": about.free_slot,
                "picture_bytes": len(about.picture or b""),
            }
            if picture is not None and about.picture:
                await client.world.disk.write_atomic(picture, about.picture)
                out.note(f"wrote {picture}")
    out.record(record)
    if not out.json:
        _show(out, record)


def _show(out: Output, record: dict[str, Any]) -> None:
    shown: dict[str, Callable[[Any], str]] = {
        "speed": speed,
        "past_speed": speed,
        "downloaded": size,
        "uploaded": size,
        "picture_bytes": size,
        "last_seen": moment,
    }
    for key, value in record.items():
        if value not in (None, "", False, 0) or key in ("status", "files"):
            words = "yes" if value is True else shown[key](value) if key in shown else value
            out.line(f"{key.replace('_', ' '):>14}  {clean(words, lines=True)}")


def _with_give(context: typer.Context, days: int | None) -> int | None:
    """``--give`` and ``--days`` go together: what is given away does not come back."""
    if (context.params.get("give") is None) != (days is None):
        raise typer.BadParameter("--give NAME and --days N go together")
    return days


@app.command("privileges")
@logged_in
@patient
async def privileges(
    client: Client,
    out: Output,
    give: Annotated[
        str | None,
        typer.Option("--give", metavar="NAME", is_eager=True, help="Give days of yours, see --days."),
    ] = None,
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="So many, with --give.", callback=_with_give)
    ] = None,
) -> None:
    """Show how long you have privileges, or give days of them to somebody."""
    if give is not None:
        assert days is not None, "see _with_give"
        await client.users.look_up(give)
        left = await client.privileges.give(give, days)
        out.line(f"{clean(give)} got {days} day{'s'[: days != 1]}")
    else:
        left = await client.privileges.check()
    whole, rest = divmod(left, 86400)
    out.line(f"{whole} days and {rest // 3600} hours of privileges are left" if left else "no privileges")
    out.record({"seconds_left": left, "given_to": give, "days": days or 0})


@app.command("list")
@local
async def list_people(book: AddressBook, out: Output) -> None:
    """List friends, bans and notes."""
    rows: list[dict[str, Any]] = []
    rows += [{"kind": "friend", "name": name, "note": book.notes.get(name)} for name in sorted(book.friends)]
    rows += [
        {"kind": "banned", "name": name, "note": book.notes.get(name)} for name in sorted(book.banned_names)
    ]
    ranges = list(book.banned_ranges)
    # A block list is no table.
    shown = ranges if out.json else ranges[:_MOST_RANGES]
    rows += [{"kind": "banned", "name": one, "note": None} for one in shown]
    others = set(book.notes) - book.friends - book.banned_names
    rows += [{"kind": "note", "name": name, "note": book.notes[name]} for name in sorted(others)]
    if not out.table([Column("kind", ""), Column("name", "Name"), Column("note", "Note", wide=True)], rows):
        out.note("no friends, bans or notes yet")
    if len(shown) < len(ranges):
        out.note(f"and {len(ranges) - len(shown)} more ranges of addresses: soulmesh user export-bans")


@app.command("befriend")
@local
async def befriend(book: AddressBook, out: Output, name: NameArgument) -> None:
    """Put a user on the list of friends."""
    book.friends.add(name)
    book.changed()
    out.line(f"{clean(name)} is a friend")


@app.command("unfriend")
@local
async def unfriend(book: AddressBook, out: Output, name: NameArgument) -> None:
    """Take a user off the list of friends."""
    if name not in book.friends:
        raise NotFound(f"{name} is not on the list of friends")
    book.friends.discard(name)
    book.changed()
    out.line(f"{clean(name)} is no longer a friend")


_MOST_RANGES = 50

BanArgument = Annotated[str, typer.Argument(help="A user's name; an address or range with --address.")]
AddressOption = Annotated[bool, typer.Option("--address", help="It is an address or a range: 192.0.2.0/24.")]


@app.command("ban")
@local
async def ban(book: AddressBook, out: Output, name: BanArgument, address: AddressOption = False) -> None:
    """Have nothing to do with a user, or with an address."""
    if address:
        book.ban_range(name)
    else:
        book.banned_names.add(name)
        book.changed()
        with contextlib.suppress(BadRange):
            read_range(name)
            out.note(f"that bans a user called {name}; addresses are banned with --address")
    out.line(f"{clean(name)} is banned")


@app.command("unban")
@local
async def unban(book: AddressBook, out: Output, name: BanArgument, address: AddressOption = False) -> None:
    """Take a ban back."""
    if address:
        if not book.unban_range(name):
            raise NotFound(f"{name} is not banned")
    else:
        if name not in book.banned_names:
            raise NotFound(f"{name} is not banned")
        book.banned_names.discard(name)
        book.changed()
    out.line(f"{clean(name)} is no longer banned")


@app.command("note")
@local
async def note(
    book: AddressBook,
    out: Output,
    name: NameArgument,
    text: Annotated[str, typer.Argument(help="What to remember; nothing takes the note away.")] = "",
) -> None:
    """Write something down about a user."""
    if text:
        book.notes[name] = text
    else:
        book.notes.pop(name, None)
    book.changed()
    out.line(f"noted: {clean(text)}" if text else "the note is gone")


@app.command("export-bans")
@local
async def export_bans(book: AddressBook, out: Output) -> None:
    """Print all bans, for `import-bans` on another machine."""
    for line in book.export_bans().splitlines():
        out.line(line)
        kind, _, name = line.partition(" ")
        out.record({"kind": kind, "name": name})


@app.command("import-bans")
@local
async def import_bans(
    book: AddressBook,
    out: Output,
    file: Annotated[Path, typer.Argument(help="From `export-bans`, or a plain list of addresses.")],
) -> None:
    """Add the bans of a list to ours."""
    # Such lists come in many encodings; what matters in them is ASCII.
    count = book.import_bans(file.read_bytes().decode("utf-8", "replace"))
    out.line(f"{count} bans read")
    out.record({"read": count})
