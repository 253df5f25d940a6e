"""``soulmesh share add``, ``remove`` and ``list``: what is shared, and with whom.

Scanning is in :mod:`soulmesh.cli.share_scan`, what others see in :mod:`soulmesh.cli.share_view`.
"""

from __future__ import annotations

import asyncio
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from soulmesh import wire
from soulmesh.cli import run, settings
from soulmesh.cli.access import DataOption
from soulmesh.cli.output import Column, JsonOption, clean
from soulmesh.client.plain_shares import check_shareable
from soulmesh.client.shares import (
    Audience,
    Circle,
    Named,
    Root,
    RootRefused,
    ScanBusy,
    Shares,
    ShareSettings,
    Symlinks,
)
from soulmesh.client.shares.doubts import idle_exclusions
from soulmesh.client.shares.model import folder_name, hidden_name
from soulmesh.client.shares.store import damage_told
from soulmesh.daemon.choices import queue_rules
from soulmesh.errors import NotFound, UsageError
from soulmesh.net.names import shown_path
from soulmesh.net.world import World

__all__ = [
    "DataOption",
    "app",
    "data_directory",
    "data_folder",
    "find_root",
    "opened",
    "root_name",
]

app = typer.Typer(
    name="share",
    help="What you share: folders, scans, and what others see of it.",
    no_args_is_help=True,
)

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def data_directory(given: Path | None) -> Path:
    """Where the shares live: below ``--data``, or the folder that the settings name."""
    return data_folder(given) / "shares"


def data_folder(given: Path | None) -> Path:
    """What ``--data`` says, else the settings: where everything is kept, the shares among it."""
    return (given or settings.load().daemon.data).expanduser()


def named_folders() -> list[Path]:
    """The folders that the settings share (``shares.folders``), whole paths, each once."""
    folders = (Path(os.path.abspath(folder.expanduser())) for folder in settings.load().shares.folders)
    return list(dict.fromkeys(folders))


@contextmanager
def opened(
    data: Path | None,
    circle: Circle | None = None,
    how: ShareSettings | None = None,
    *,
    named: bool = True,
) -> Iterator[Shares]:
    """The shares, for the length of one command.

    Args:
        named: those that the settings name are among them, as for a daemon, and those that they named before
            are not; where a daemon runs, it is the one to say so.
    """
    shares = Shares(data_directory(data), wall_clock=World.real().wall_clock, circle=circle, settings=how)
    try:
        with damage_told(shares.store.path):
            if named and not (data_folder(data) / "daemon.json").exists():
                _follow_settings(shares)
            yield shares
    finally:
        shares.close()


def _follow_settings(shares: Shares) -> None:
    folders = named_folders()
    for root in shares.roots:
        if root.path in folders and root.named is Named.BY_RUN:
            shares.name_root(root.id, Named.BY_SETTINGS)
        elif root.path not in folders and root.named is Named.BY_SETTINGS:
            shares.remove_root(root.id)
    known = {root.path for root in shares.roots}
    for folder in folders:
        if folder not in known and folder.is_dir():
            shares.save_root(Root(0, root_name(shares, folder, None), folder, named=Named.BY_SETTINGS))


def find_root(shares: Shares, given: str) -> Root:
    """A root by its name or its folder."""
    path = Path(os.path.abspath(Path(given).expanduser()))
    for root in shares.roots:
        if os.fsdecode(root.name) == given or root.path == path:
            return root
    error = NotFound(f"{given} is not shared")
    error.hint = "soulmesh share list names what is"
    raise error


def _confirm(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        error = UsageError(f"{question} This needs an answer")
        error.hint = "add --yes"
        raise error
    if not typer.confirm(question, err=True):
        raise typer.Exit(run.FAILED)


# Folders


@app.command()
@run.command
def add(
    folder: Annotated[
        Path, typer.Argument(help="The folder to share, with everything below it.", readable=False)
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", "-n", help="What others see as its name (default: the folder's own)."),
    ] = None,
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="Show a name like @@abcde, which tells nothing.")
    ] = False,
    audience: Annotated[
        list[str] | None,
        typer.Option(
            "--for", metavar="WHO", help="everyone, friends, user:NAME or group:NAME; can be repeated."
        ),
    ] = None,
    locked: Annotated[
        bool | None, typer.Option("--locked/--not-locked", help="Others see the files, locked.")
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", "-x", metavar="PATTERN", help="Leave out names, or paths with a slash."),
    ] = None,
    hidden: Annotated[
        bool | None, typer.Option("--hidden/--no-hidden", help="Share names that begin with a dot.")
    ] = None,
    links: Annotated[
        Symlinks | None, typer.Option("--links", help="Follow symbolic links that stay inside the folder.")
    ] = None,
    yes: YesOption = False,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Share a folder, or change how one is offered.

    A new folder is offered after the next `soulmesh share scan`; who may see it changes at once.
    """
    out = run.output(json=json)
    path = Path(os.path.abspath(folder.expanduser()))
    check_shareable(path)
    if anonymous and name is not None:
        raise UsageError("a folder has one name: --name or --anonymous")
    wanted = hidden_name(path, platform.node()) if anonymous else None if name is None else os.fsencode(name)
    chosen_settings = settings.load()
    how = ShareSettings(guard=chosen_settings.shares.lose_at_most)
    with opened(data, how=how) as shares:
        root = next((root for root in shares.roots if root.path == path), None)
        if root is None:
            root = Root(0, wanted or root_name(shares, path, None), path)
        elif wanted not in (None, root.name):
            raise RootRefused(
                path, f"is shared as {os.fsdecode(root.name)}: remove it first to change the name"
            )
        changes: dict[str, Any] = {}
        if audience is not None or locked is not None:
            changes["audience"] = _audience(root, audience, locked)
        if exclude is not None:
            changes["exclude"] = tuple(pattern for pattern in exclude if pattern)
        if hidden is not None:
            changes["hidden"] = hidden
        if links is not None:
            changes["symlinks"] = links
        changed = replace(root, **changes)
        doubt = asyncio.run(shares.doubt(changed))
        if doubt is not None:
            _confirm(f"{clean(path)}: {doubt}. Go on?", yes)
        saved = shares.save_root(changed)
        out.record(_root_row(shares, saved))
        out.line(f"{clean(path)} is shared as {clean(wire.text(saved.name))}, for {saved.audience}")
        for pattern in idle_exclusions(shares.store, root, saved, shares.roots):
            out.note(f"{clean(pattern)} leaves out none of the files that are known")
        for group in sorted(saved.audience.groups - queue_rules(chosen_settings.transfers).groups.keys()):
            out.note(f"there is no group {clean(group)}: transfers.groups in the settings makes one")
        if not saved.scanned or not changes.keys() <= {"audience"}:
            out.note("soulmesh share scan makes it so")


def _audience(root: Root, words: list[str] | None, locked: bool | None) -> Audience:
    """Who a folder is for, as it was but for what was said. A lock stays until it is taken off."""
    before = root.audience
    try:
        chosen = before if words is None else Audience.parse(words)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if locked and chosen.everyone:
        refused = UsageError("--locked is for a folder that not everyone may have")
        refused.hint = "say whom it is for: --for friends, --for user:NAME, --for group:NAME"
        raise refused
    return replace(chosen, locked=before.locked if locked is None else locked)


def root_name(shares: Shares, path: Path, given: str | None) -> bytes:
    """What others see as the name of a shared folder: as given, or the folder's own if it is not taken."""
    if given is not None:
        return os.fsencode(given)
    return folder_name(path, {root.name for root in shares.roots})


@app.command()
@run.command
def remove(
    folder: Annotated[str, typer.Argument(help="The name or the path of a shared folder.")],
    yes: YesOption = False,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Stop sharing a folder. Nothing changes on the disk."""
    out = run.output(json=json)
    with opened(data) as shares:
        root = find_root(shares, folder)
        name = wire.text(root.name)
        if root.path in named_folders():
            refused = UsageError(f"{clean(name)} is named in the settings, and would be shared again")
            refused.hint = "take it out of shares.folders"
            raise refused
        _confirm(f"Stop sharing {clean(name)} ({root.files} files)?", yes)
        shares.remove_root(root.id)
        if not shares.roots:
            # No later scan would: there is nothing to scan.
            with suppress(ScanBusy):
                asyncio.run(shares.scan(niceness=0))
        out.record({"removed": wire.text(root.name), "path": shown_path(root.path), "files": root.files})
        out.line(f"{clean(name)} is no longer shared")


def _root_row(shares: Shares, root: Root) -> dict[str, Any]:
    return {
        "name": wire.text(root.name),
        "path": shown_path(root.path),
        "for": str(root.audience),
        "files": root.files,
        "state": "online" if root.online else "offline",
        "scanned": root.scanned,
        "exclude": list(root.exclude),
        "hidden": root.hidden,
        "links": root.symlinks.value,
        "held_back": shares.store.get(f"held_back:{root.id}", 0),
    }


@app.command(name="list")
@run.command
def list_(data: DataOption = None, json: JsonOption = False) -> None:
    """The shared folders, and whom they are for."""
    out = run.output(json=json)
    with opened(data) as shares:
        asyncio.run(shares.check_online())
        count = out.table(
            [
                Column("name", "NAME"),
                Column("path", "FOLDER", keep_end=True, wide=True),
                Column("for", "FOR"),
                Column("files", "FILES", right=True),
                Column("state", "STATE"),
                Column("scanned", "SCANNED"),
            ],
            [_root_row(shares, root) for root in shares.roots],
        )
        if not count:
            out.note("nothing is shared yet: soulmesh share add FOLDER")
