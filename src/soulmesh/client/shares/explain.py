"""Why a file is offered, to whom, and why not."""

from __future__ import annotations

import asyncio
import os
import stat
from dataclasses import dataclass, field

from soulmesh.client.shares.entries import unpack_attributes
from soulmesh.client.shares.model import NotShared, Root, Symlinks, excluder, remote_folder
from soulmesh.client.shares.service import Shares

__all__ = ["Explanation", "explain"]


@dataclass(slots=True)
class Explanation:
    """What is to be said about one path."""

    path: str
    """On disk, as far as known."""
    remote_path: str | None = None
    root: str | None = None
    offered: bool = False
    reason: str = ""
    """Why it is offered, or why not."""
    audience: str | None = None
    size: int | None = None
    attributes: dict[int, int] = field(default_factory=dict)
    problem: str | None = None
    """What was wrong with reading its attributes, or is with opening it now; it is offered all the same."""


async def explain(shares: Shares, path: str) -> Explanation:
    """Say what is known of a path on disk, or of a remote path (with backslashes).

    The disk, which may be a drive that sleeps, is looked at in a thread.
    """
    raw = os.fsencode(path)
    if b"\\" in raw and not await asyncio.to_thread(os.path.lexists, path):
        return await _explain_remote(shares, raw)
    # Not resolved: what a link points to is a question of its own.
    absolute = await asyncio.to_thread(os.path.abspath, raw)
    inside = [
        root
        for root in shares.roots
        if absolute == os.fsencode(root.path)
        or absolute.startswith(os.fsencode(root.path).rstrip(b"/") + b"/")
    ]
    if not inside:
        return Explanation(os.fsdecode(absolute), reason="it lies in no shared folder")
    root = max(inside, key=lambda root: len(os.fsencode(root.path)))
    relative = absolute[len(os.fsencode(root.path).rstrip(b"/")) :].lstrip(b"/")
    found = Explanation(os.fsdecode(absolute), root=os.fsdecode(root.name), audience=str(root.audience))
    found.reason = await asyncio.to_thread(_kept_out, root, absolute, relative)
    if found.reason:
        return found
    if await asyncio.to_thread(os.path.isdir, absolute):
        return await _explain_folder(shares, root, relative, found)
    folder, _, name = relative.rpartition(b"/")
    await _explain_stored(shares, root, folder.replace(b"/", b"\\"), name, found)
    return found


async def _explain_remote(shares: Shares, remote_path: bytes) -> Explanation:
    for root in shares.roots:
        inside = remote_path.startswith(root.name + b"\\")
        if remote_path == root.name or (inside and shares.index.folder(root.id, remote_path) is not None):
            relative = remote_path[len(root.name) + 1 :]
            local = shares.store.local_folder(root.id, relative) or b""
            path = os.path.join(os.fsencode(root.path), local)
            found = Explanation(os.fsdecode(path), root=os.fsdecode(root.name), audience=str(root.audience))
            return await _explain_folder(shares, root, relative, found)
    try:
        root, folder, name = shares.find(remote_path)
    except NotShared as error:
        return Explanation("", remote_path=os.fsdecode(remote_path), reason=error.reason)
    below = folder[len(root.name) + 1 :]
    local = shares.store.local_folder(root.id, below) or b""
    path = os.path.join(os.fsencode(root.path), local, name)
    found = Explanation(os.fsdecode(path), root=os.fsdecode(root.name), audience=str(root.audience))
    await _explain_stored(shares, root, below, name, found)
    return found


def _kept_out(root: Root, absolute: bytes, relative: bytes) -> str:
    """Why the rules of its root, or the disk, keep a path out; empty when they do not."""
    excluded = excluder(root.exclude)
    path = os.fsencode(root.path)
    below = b""
    for part in relative.split(b"/") if relative else ():
        path = os.path.join(path, part)
        below = below + b"/" + part if below else part
        shown = os.fsdecode(part)
        if part.startswith(b".") and not root.hidden:
            return f"{shown} is hidden: its name begins with a dot"
        if excluded.match(below.decode("utf-8", "surrogateescape")):
            return f"{os.fsdecode(below)} is excluded by one of: {', '.join(root.exclude)}"
        if os.path.islink(path):
            if root.symlinks is Symlinks.SKIP:
                return f"{shown} is a symbolic link, and {os.fsdecode(root.name)} does not follow links"
            real, top = os.path.realpath(path), os.path.realpath(os.fsencode(root.path))
            if real != top and not real.startswith(top.rstrip(b"/") + b"/"):
                return f"{shown} is a symbolic link that leads out of the shared folder"
    if not os.path.lexists(absolute):
        return "" if not root.online else "there is no such file"
    try:
        mode = os.stat(absolute).st_mode
    except OSError as error:
        return f"it cannot be looked at: {error.strerror}"
    return "" if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else "it is neither a file nor a folder"


def _closed(path: str) -> str | None:
    """What the disk says when a file cannot be opened; ``None`` if it can."""
    try:
        with open(path, "rb"):
            return None
    except OSError as error:
        return error.strerror or str(error)


async def _explain_folder(shares: Shares, root: Root, relative: bytes, found: Explanation) -> Explanation:
    remote = remote_folder(root.name, relative)
    entries = shares.index.folder(root.id, remote)
    found.remote_path = os.fsdecode(remote)
    if entries is None and await asyncio.to_thread(os.path.islink, found.path):
        found.reason = "a symbolic link to a folder that is shared where it lies, or was not scanned yet"
    elif entries is None:
        found.reason = "no files in it are known: scan first"
    elif not root.online:
        found.reason = "its shared folder is offline: entries are kept and not offered"
    else:
        found.offered = True
        found.reason = f"a folder with {len(entries or ())} shared files directly in it"
    return found


async def _explain_stored(shares: Shares, root: Root, below: bytes, name: bytes, found: Explanation) -> None:
    folder = root.name + b"\\" + below if below else root.name
    found.remote_path = os.fsdecode(folder + b"\\" + name)
    stored = shares.store.file(root.id, below, name)
    if stored is not None:
        found.size = stored[0]
        found.attributes = unpack_attributes(stored[1] or b"")
        found.problem = stored[2]
    number = shares.index.find(root.id, folder, name)
    if number is None:
        found.reason = (
            "it is known but not in the index yet: the last scan did not end"
            if stored is not None
            else "it has not been scanned yet"
        )
    elif not root.online:
        found.reason = f"{os.fsdecode(root.name)} is offline: its files are kept and not offered"
    elif not await asyncio.to_thread(os.path.exists, found.path):
        found.reason = "it is in the index, but no longer on the disk"
    else:
        found.offered = True
        found.reason = f"offered to {root.audience}"
        closed = await asyncio.to_thread(_closed, found.path)
        if closed:
            found.problem = (
                f"{closed}: who asks for it gets 'File read error.'; check its owner and permissions"
            )
