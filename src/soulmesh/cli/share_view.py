"""``soulmesh share search``, ``browse-as`` and ``explain``: what others see of our files, and why."""

from __future__ import annotations

import json as json_module
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from soulmesh import wire
from soulmesh.cli import run, settings
from soulmesh.cli.output import Column, JsonOption, clean, duration, size
from soulmesh.cli.share import DataOption, app, data_folder, opened
from soulmesh.client.shares.explain import explain as explain_path
from soulmesh.core.query import long_enough, parse_query
from soulmesh.core.upload_queue import Person
from soulmesh.daemon.choices import queue_rules
from soulmesh.errors import NotFound, SoulmeshError
from soulmesh.net.names import shown_path
from soulmesh.wire.peer import PeerSharesReply

__all__ = ["Assumed"]

ATTRIBUTES = {0: "kbit/s", 1: "s", 2: "VBR", 4: "Hz", 5: "bit"}

AsOption = Annotated[str, typer.Option("--as", metavar="USER", help="As this user would find it.")]
FriendOption = Annotated[
    bool, typer.Option("--friend", help="Take the user for a friend, even if they are not on the list.")
]
GroupOption = Annotated[
    list[str] | None,
    typer.Option(
        "--group", metavar="NAME", help="Take the user for one of this group, besides those that name them."
    ),
]


def _friends(data: Path | None) -> frozenset[str]:
    """Whom a client with this data folder, or a daemon, has on its list of friends."""
    found: set[str] = set()
    for place in (data_folder(data), data_folder(data) / "client"):
        with suppress(OSError, ValueError, AttributeError):
            people = json_module.loads((place / "people.json").read_text(encoding="utf-8"))
            found.update(str(name) for name in people.get("friends", ()))
    return frozenset(found)


class TooDear(SoulmeshError):
    """A search was broken off because it would have cost too much."""

    hint = "a rarer word, or fewer wildcards and signs, make it cheaper"

    def __str__(self) -> str:
        return "this search would cost too much: it is dropped, and whoever makes it gets no answer"


@dataclass(frozen=True, slots=True)
class Assumed:
    """A circle of one user about whom the command line says everything."""

    username: str
    is_friend: bool
    in_groups: tuple[str, ...]

    def friend(self, username: str) -> bool:
        """Whether ``username`` is the user that is assumed, and a friend."""
        return self.is_friend and username == self.username

    def groups(self, username: str) -> Collection[str]:
        """The groups of the user that is assumed; nobody else is in any."""
        return self.in_groups if username == self.username else ()


def _assumed(username: str, friend: bool, groups: list[str] | None, data: Path | None) -> Assumed:
    friend = friend or username in _friends(data)
    known = queue_rules(settings.load().transfers).groups_of(Person(username, friend=friend))
    if groups:
        # Who is in another group is not one of the rest.
        known -= {"default"}
    return Assumed(username, friend, (*known, *(groups or ())))


@app.command()
@run.command
async def search(
    query: Annotated[list[str], typer.Argument(help="Words, *endings and -exclusions.")],
    username: AsOption = "",
    friend: FriendOption = False,
    group: GroupOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many files.")] = 100,
    excluded: Annotated[
        list[str] | None, typer.Option("--phrase", help="A phrase the server would exclude; can be repeated.")
    ] = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Search your own files as others do.

    Put -- before a query that begins with a dash.
    """
    out = run.output(json=json)
    with opened(data, _assumed(username, friend, group, data)) as shares:
        began = perf_counter()
        found = await shares.search(" ".join(query), username=username, limit=limit, excluded=excluded or ())
        took = perf_counter() - began
        rows = [
            {
                "path": file.filename,
                "size": file.filesize,
                "attributes": {a.key: a.value for a in file.attributes},
                "locked": locked,
            }
            for locked, files in ((False, found.results), (True, found.locked))
            for file in files
        ]
        columns = [
            Column("path", "FILE", wide=True, keep_end=True),
            Column("size", "SIZE", size, right=True),
            Column("attributes", "AUDIO", _attributes),
        ]
        if found.locked:
            columns.append(Column("locked", "", lambda locked: "locked" if locked else ""))
        count = out.table(columns, rows)
        out.note(f"{count} files in {took * 1000:.2f} ms")
        if not count:
            if shares.figures.too_dear:
                raise TooDear
            words = " ".join(query)
            if not long_enough(words, shares.settings.shortest_query):
                raise NotFound("queries of one or two letters are not answered, save those that are words")
            if not parse_query(words).include:
                raise NotFound("a query that only says what to leave out is not answered")
            nothing = NotFound("no shared file matches")
            if shares.needs_index or any(root.scanned is None for root in shares.roots):
                nothing.hint = "not everything is scanned: soulmesh share scan"
            raise nothing


def _attributes(attributes: dict[int, int]) -> str:
    parts = []
    for key, value in attributes.items():
        if key == 1:
            parts.append(duration(value))
        elif key == 2:
            parts.append("VBR" if value else "CBR")
        else:
            parts.append(f"{value} {ATTRIBUTES.get(key, key)}")
    return ", ".join(parts)


@app.command(name="browse-as")
@run.command
async def browse_as(
    username: Annotated[str, typer.Argument(help="Whose eyes to look through.")],
    folder: Annotated[str | None, typer.Argument(help="A remote folder: list its files.")] = None,
    friend: FriendOption = False,
    group: GroupOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """What a user gets to see when browsing you: the very message, read back."""
    out = run.output(json=json)
    with opened(data, _assumed(username, friend, group, data)) as shares:
        began = perf_counter()
        frame = await shares.browse(username)
        took = perf_counter() - began
        reply = wire.decode(frame, "peer", "peer")
        assert isinstance(reply, PeerSharesReply)
        directories = [
            (directory, locked)
            for locked, found in ((False, reply.directories), (True, reply.locked_directories or []))
            for directory in found
        ]
        if folder is not None:
            chosen = [(d, locked) for d, locked in directories if d.name == folder]
            if not chosen:
                raise NotFound(f"{username} sees no folder {folder}")
            columns = [
                Column("name", "FILE", wide=True),
                Column("size", "SIZE", size, right=True),
                Column("attributes", "AUDIO", _attributes),
            ]
            if any(locked for _, locked in chosen):
                columns.append(Column("locked", "", lambda locked: "locked" if locked else ""))
            out.table(
                columns,
                [
                    {
                        "name": file.filename,
                        "size": file.filesize,
                        "attributes": {a.key: a.value for a in file.attributes},
                        "locked": locked,
                    }
                    for directory, locked in chosen
                    for file in directory.files
                ],
            )
            return
        out.table(
            [
                Column("name", "FOLDER", wide=True, keep_end=True),
                Column("files", "FILES", right=True),
                Column("size", "SIZE", size, right=True),
                Column("locked", "", lambda locked: "locked" if locked else ""),
            ],
            [
                {
                    "name": d.name,
                    "files": len(d.files),
                    "size": sum(file.filesize for file in d.files),
                    "locked": locked,
                }
                for d, locked in directories
            ],
        )
        files = sum(len(d.files) for d, _ in directories)
        message = f"a message of {size(len(frame))}, in {took * 1000:.1f} ms"
        out.note(f"{files} files in {len(directories)} folders; {message}")


@app.command()
@run.command
async def explain(
    file: Annotated[str, typer.Argument(help="A file or folder on disk, or a remote path.")],
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Whether a file is offered, to whom, and why not."""
    out = run.output(json=json)
    with opened(data) as shares:
        await shares.check_online()
        found = await explain_path(shares, file)
        record = asdict(found)
        for key in ("path", "remote_path", "root"):
            if record[key] is not None:
                record[key] = shown_path(record[key])
        out.record(record)
        out.line(f"{'offered' if found.offered else 'not offered'}: {clean(shown_path(found.reason))}")
        for label, value in (
            ("file", record["path"]),
            ("others see", record["remote_path"]),
            ("for", found.audience),
            ("size", None if found.size is None else size(found.size)),
            ("audio", _attributes(found.attributes) or None),
            ("not readable", found.problem),
        ):
            if value:
                out.line(f"  {label:13}{clean(value)}")
        if not found.offered:
            raise typer.Exit(run.NOT_FOUND)
