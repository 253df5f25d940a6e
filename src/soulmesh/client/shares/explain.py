"""Why a file is offered, to whom, and why not.

What keeps a file from others is asked in this order: no shared folder holds it; the rules of its
folder leave it out; the folder is away; the file is not on the disk, or cannot be read; the index
does not have it. A file may be in the index all the same, until the next scan: then searches name
it, and nobody gets it.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field

from soulmesh.client.shares.entries import unpack_attributes
from soulmesh.client.shares.model import NotShared, Root, Symlinks, excluder, remote_folder
from soulmesh.client.shares.service import Shares
from soulmesh.client.shares.walk import others_inside, rules_of

__all__ = ["Explanation", "explain"]


@dataclass(slots=True)
class Explanation:
    """What is to be said about one path."""

    path: str
    """On disk, as far as known."""
    remote_path: str | None = None
    root: str | None = None
    offered: bool = False
    """Those in ``audience`` get it when they ask for it."""
    listed: bool = False
    """The index has it: searches and lists name it, to those who may see its shared folder."""
    reason: str = ""
    """Why it is offered, or why not."""
    audience: str | None = None
    size: int | None = None
    attributes: dict[int, int] = field(default_factory=dict)
    problem: str | None = None
    """What was wrong with reading its attributes; it is offered all the same."""


async def explain(shares: Shares, path: str) -> Explanation:
    """Say what is known of a path on disk, or of a remote path (with backslashes).

    The disk, which may be a drive that sleeps, is looked at in a thread.
    """
    raw = os.fsencode(path)
    remote = b"\\" in raw or any(root.name == raw for root in shares.roots)
    if remote and not await asyncio.to_thread(os.path.lexists, path):
        return await _explain_remote(shares, raw)
    # Not resolved: what a link points to is a question of its own.
    absolute = await asyncio.to_thread(os.path.abspath, raw)
    place = _inside(shares.roots, absolute) or await asyncio.to_thread(_really_inside, shares.roots, absolute)
    if place is None:
        return Explanation(os.fsdecode(absolute), reason="it lies in no shared folder")
    return await _explain_local(shares, *place)


def _inside(roots: Iterable[Root], absolute: bytes) -> tuple[Root, bytes] | None:
    """The innermost shared folder that holds a path, and the path below it."""
    found: tuple[Root, bytes] | None = None
    for root in roots:
        top = os.fsencode(root.path).rstrip(b"/")
        if absolute == top or absolute.startswith(top + b"/"):
            below = absolute[len(top) :].strip(b"/")
            if found is None or len(below) < len(found[1]):
                found = root, below
    return found


def _really_inside(roots: Iterable[Root], absolute: bytes) -> tuple[Root, bytes] | None:
    """The same where a shared folder was named through a link, and the path was not."""
    folder, name = os.path.split(absolute)
    real = os.path.join(os.path.realpath(folder), name)
    found: tuple[Root, bytes] | None = None
    for root in roots:
        top = os.path.realpath(os.fsencode(root.path)).rstrip(b"/")
        if real == top or real.startswith(top + b"/"):
            below = real[len(top) :].strip(b"/")
            if found is None or len(below) < len(found[1]):
                found = root, below
    return found


async def _explain_remote(shares: Shares, remote_path: bytes) -> Explanation:
    try:
        root, folder, name = shares.find(remote_path)
    except NotShared as error:
        return await _explain_unknown(shares, remote_path, error.reason)
    local = shares.store.local_folder(root.id, folder[len(root.name) + 1 :])
    return await _explain_local(shares, root, os.path.join(local or b"", name))


async def _explain_unknown(shares: Shares, remote_path: bytes, reason: str) -> Explanation:
    """A remote path that no file of the index has: a folder, or something on the disk that is not offered."""
    if not {b"", b".", b".."}.isdisjoint(remote_path.split(b"\\")):
        # No name of ours has such a part, and the disk is not asked about other places.
        return Explanation("", remote_path=os.fsdecode(remote_path), reason="there is no such file")
    for root in shares.roots:
        below = remote_path[len(root.name) + 1 :]
        if remote_path != root.name and not remote_path.startswith(root.name + b"\\"):
            continue
        local = shares.store.local_folder(root.id, below) if below else b""
        if local is None:
            local = below.replace(b"\\", b"/")
            if not await asyncio.to_thread(os.path.lexists, os.path.join(os.fsencode(root.path), local)):
                break
        return await _explain_local(shares, root, local)
    return Explanation("", remote_path=os.fsdecode(remote_path), reason=reason)


async def _explain_local(shares: Shares, root: Root, relative: bytes) -> Explanation:
    path = os.path.join(os.fsencode(root.path), relative) if relative else os.fsencode(root.path)
    found = Explanation(os.fsdecode(path), root=os.fsdecode(root.name), audience=str(root.audience))
    kept_out = await asyncio.to_thread(_kept_out, root, shares.roots, relative)
    disk = await asyncio.to_thread(_on_disk, path)
    name = os.fsdecode(root.name)
    folder = disk.folder if disk.there else shares.store.knows_folder(root.id, relative)
    if folder:
        known = _look_up_folder(shares, root, relative, found)
    else:
        known = _look_up_file(shares, root, relative, found)
    if kept_out:
        found.reason = kept_out
        if found.listed:
            found.reason += "; the index has it until the next scan, so searches name it"
    elif not root.online:
        found.reason = (
            f"{name} is offline: its files are kept and not offered"
            if found.listed
            else f"{name} is offline, and this is not known of it"
        )
        found.listed = False
    elif not disk.there:
        found.reason = _missing(shares, root, found)
    elif disk.trouble:
        found.reason = disk.trouble
        if found.listed:
            found.reason += "; the index has it, so searches name it"
    elif not found.listed:
        found.reason = _unlisted(shares, root, relative, folder, known)
    else:
        found.offered = True
        found.reason = known
    return found


def _missing(shares: Shares, root: Root, found: Explanation) -> str:
    """Why something is not offered that is not on the disk."""
    if not found.listed:
        return "there is no such file"
    held_back = shares.store.get(f"held_back:{root.id}", 0)
    if held_back:
        return (
            f"it is gone from the disk; the index keeps it, as {held_back} files are too many to forget"
            " unasked: soulmesh share scan --yes"
        )
    return "it is in the index, but no longer on the disk: the next scan takes it out"


def _unlisted(shares: Shares, root: Root, relative: bytes, folder: bool, known: str) -> str:
    """Why something is not in the index, though it is on the disk and the rules share it."""
    problem = shares.store.problem_at(root.id, relative)
    if problem is not None:
        where, why = problem
        return (
            why
            if where == relative
            else f"its folder {os.fsdecode(where) or root.path} cannot be read: {why}"
        )
    if known:
        return known
    if root.scanned is None:
        return f"{os.fsdecode(root.name)} has not been scanned yet: soulmesh share scan"
    return (
        "no files in it are known: it is empty, or newer than the last scan"
        if folder
        else "it has not been scanned yet"
    )


# The disk


@dataclass(frozen=True, slots=True)
class _Disk:
    """What is on the disk under a name."""

    there: bool = False
    folder: bool = False
    trouble: str = ""


def _on_disk(path: bytes) -> _Disk:
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return _Disk()
    except OSError as error:
        return _Disk(there=True, trouble=f"it cannot be looked at: {error.strerror}")
    if stat.S_ISDIR(mode):
        may = os.access(path, os.R_OK | os.X_OK)
        return _Disk(there=True, folder=True, trouble="" if may else "we may not read this folder")
    if not stat.S_ISREG(mode):
        return _Disk(there=True, trouble="it is neither a file nor a folder")
    closed = _closed(os.fsdecode(path))
    trouble = (
        f"{closed}: who asks for it gets 'File read error.'; check its owner and permissions"
        if closed
        else ""
    )
    return _Disk(there=True, trouble=trouble)


def _closed(path: str) -> str | None:
    """What the disk says when a file cannot be opened; ``None`` if it can."""
    try:
        with open(path, "rb"):
            return None
    except OSError as error:
        return error.strerror or str(error)


def _kept_out(root: Root, roots: Iterable[Root], relative: bytes) -> str:
    """Why the rules of its root keep a path out; empty when they do not."""
    rules = rules_of(root, roots)
    excluded = excluder(root.exclude)
    others = others_inside(rules)
    top = os.path.realpath(rules.path)
    below = b""
    parts = relative.split(b"/") if relative else []
    for number, part in enumerate(parts):
        below = below + b"/" + part if below else part
        shown = os.fsdecode(part)
        if part.startswith(b".") and not root.hidden:
            return f"{shown} is hidden: its name begins with a dot"
        if excluded(below):
            return f"{os.fsdecode(below)} is excluded by {_which(root, below)}"
        if below in others:
            return f"{os.fsdecode(below)} belongs to another shared folder"
        path = os.path.join(rules.path, below)
        if not os.path.islink(path):
            continue
        if root.symlinks is Symlinks.SKIP:
            return f"{shown} is a symbolic link, and {os.fsdecode(root.name)} does not follow links"
        real = os.path.realpath(path)
        if real != top and not real.startswith(top.rstrip(b"/") + b"/"):
            return f"{shown} is a symbolic link that leads out of the shared folder"
        if not os.path.lexists(real):
            return f"{shown} is a symbolic link to nothing"
        target = real[len(top) :].strip(b"/")
        why = _kept_out(root, roots, target)
        if why:
            return f"{shown} is a symbolic link to {os.fsdecode(target)}, which is not shared: {why}"
        if os.path.isdir(real):
            rest = os.path.join(real, *parts[number + 1 :])
            return (
                f"{shown} is a symbolic link to a folder, and what is in that is shared where it lies:"
                f" ask about {os.fsdecode(rest)}"
            )
    return ""


def _which(root: Root, below: bytes) -> str:
    return ", ".join(pattern for pattern in root.exclude if excluder((pattern,))(below))


# The index


def _look_up_folder(shares: Shares, root: Root, relative: bytes, found: Explanation) -> str:
    remote = remote_folder(root.name, relative)
    found.remote_path = os.fsdecode(remote)
    direct = len(shares.index.folder(root.id, remote) or ())
    everything = shares.store.count_below(root.id, relative)
    found.listed = everything > 0
    if not everything:
        return ""
    below = "" if everything == direct else f", {everything} with what is below it"
    return f"a folder with {direct} shared files directly in it{below}, shared with {root.audience}"


def _look_up_file(shares: Shares, root: Root, relative: bytes, found: Explanation) -> str:
    """Fill in what is known of a file; returns why it is offered, or why it is known and not in the index."""
    below, _, name = relative.rpartition(b"/")
    below = below.replace(b"/", b"\\")
    folder = remote_folder(root.name, below)
    found.remote_path = os.fsdecode(folder + b"\\" + name)
    stored = shares.store.file(root.id, below, name)
    if stored is not None:
        found.size = stored[0]
        found.attributes = unpack_attributes(stored[1] or b"")
        found.problem = stored[2]
    if shares.index.find(root.id, folder, name) is not None:
        found.listed = True
        return f"shared with {root.audience}"
    if stored is None:
        return ""
    if shares.needs_index:
        return "the index is missing or damaged: soulmesh share scan writes it again"
    return "it is known but not in the index yet: the last scan did not end"
