"""The data folder: made safe when new, looked at when old, used by one server at a time."""

from __future__ import annotations

import fcntl
import hashlib
import os
import resource
import stat
import tempfile
from pathlib import Path
from typing import IO

from soulmesh.errors import SoulmeshError

__all__ = [
    "DATABASE",
    "FolderInUse",
    "FolderUnusable",
    "control_path",
    "lock",
    "prepare",
    "raise_file_limit",
    "readable_secrets",
]

DATABASE = "server.sqlite3"
"""The store's file in the data folder."""

# Longest path of a Unix socket that every system takes.
_LONGEST_SOCKET = 100


class FolderInUse(SoulmeshError):
    """Another server runs on the data folder ``path``."""

    hint = "stop it first, or give this one a folder of its own with --data"

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return f"another server is running on {self.path}"


class FolderUnusable(SoulmeshError):
    """The data folder ``path`` cannot be made or written: ``reason``."""

    hint = "choose another folder with --data, or see who may write there"

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot use {self.path} as data folder: {self.reason}"


def prepare(path: Path) -> list[str]:
    """Make the folder if it is not there; a fresh or empty one is closed to others (mode 0700).

    Returns warnings for people, each with the command that mends what it is about.

    Raises:
        FolderUnusable: it cannot be made, or is not a folder that we can write in.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = next(path.iterdir(), None) is None
        if fresh:
            path.chmod(0o700)
    except OSError as error:
        raise FolderUnusable(path, error.strerror or str(error)) from error
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise FolderUnusable(path, "no permission to write there")
    warnings = []
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        warnings.append(f"other users of this machine can read {path}; mend it with: chmod 700 {path}")
    open_files = [
        file
        for file in (path / DATABASE, path / "server.toml")
        if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077
    ]
    return warnings + [
        f"other users of this machine can read {file}; mend it with: chmod 600 {file}" for file in open_files
    ]


def readable_secrets(path: Path) -> str | None:
    """A warning if others can read this file, which holds secrets, with the command that mends it."""
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        return f"other users of this machine can read the secrets in {path}; mend it with: chmod 600 {path}"
    return None


def lock(path: Path) -> IO[str]:
    """Take the folder for this process, until the returned file is closed.

    Raises:
        FolderInUse: another process has it.
    """
    file = open(os.open(path / "server.lock", os.O_RDWR | os.O_CREAT, 0o600), "r+")  # noqa: SIM115
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise FolderInUse(path) from error
    return file


def control_path(path: Path) -> Path:
    """Where the control socket of a data folder is: in it, or in a short place if its path is too long."""
    natural = path.absolute() / "control.sock"
    if len(os.fsencode(natural)) <= _LONGEST_SOCKET:
        return natural
    digest = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:16]
    short = Path(f"soulmesh-{os.getuid()}-{digest}") / "control.sock"
    place = Path(tempfile.gettempdir()) / short
    # The place for temporary files may be deep itself.
    return place if len(os.fsencode(place)) <= _LONGEST_SOCKET else Path("/tmp") / short


def raise_file_limit(users: int) -> str | None:
    """Ask for as many open files as the system allows; a warning if that is too few for ``users``."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    wanted = users + 200
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return None
    return (
        f"only {soft} files may be open, and server.maximum_users = {users} needs {wanted}:"
        f" raise it with `ulimit -n {wanted}`, or LimitNOFILE={wanted} in the systemd unit"
    )
