"""What has to be right before the daemon starts: folders, permissions, addresses.

A container with a wrong user id or a volume that is not there is the commonest
trouble of self-hosters, so each finding names the path, who we are, and the
permission that is missing.
"""

from __future__ import annotations

import ipaddress
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from soulmesh.config import Settings
from soulmesh.errors import ConfigError

__all__ = ["check_file", "check_folder", "check_listening", "check_shared", "is_local", "who_we_are"]

BITS = {os.R_OK: "read (r)", os.W_OK: "write (w)", os.X_OK: "search (x)"}

REACH = "let us through there, or choose another user id (PUID and PGID, or --user, in a container)"


def who_we_are() -> str:
    """``user id 1000, group ids 1000, 27``."""
    groups = sorted({os.getegid(), *os.getgroups()})
    return f"user id {os.geteuid()}, group ids {', '.join(map(str, groups))}"


def _owner(path: Path) -> str:
    status = path.stat()
    return f"it belongs to {status.st_uid}:{status.st_gid} with mode {stat.S_IMODE(status.st_mode):04o}"


def _missing(path: Path, wanted: int) -> Iterator[str]:
    for bit, name in BITS.items():
        if wanted & bit and not os.access(path, bit, effective_ids=os.access in os.supports_effective_ids):
            yield name


def _closed(path: Path) -> str | None:
    """The first folder on the way to a path that does not let us through, in words."""
    for folder in reversed(path.parents):
        try:
            status = folder.stat()
        except OSError:
            return None
        if stat.S_ISDIR(status.st_mode) and list(_missing(folder, os.X_OK)):
            return f"{folder} lacks the permission to {BITS[os.X_OK]} for {who_we_are()}; {_owner(folder)}"
    return None


def check_folder(path: Path, purpose: str, *, make: bool = True) -> None:
    """See that a folder is there, made if need be, and that we may write in it.

    Args:
        path: the folder.
        purpose: what it is for, in words.
        make: ``False`` to see only that it could be made.

    Raises:
        ConfigError: it names the path, who we are and what is missing.
    """
    if "\0" in str(path):
        raise ConfigError(f"{purpose}: {str(path)!r} has a null character in it")
    closed = _closed(path)
    if closed is not None:
        raise ConfigError(
            f"{purpose}: {path} cannot be reached: {closed}",
            hint=REACH,
        )
    nearest = path
    while not nearest.exists() and nearest.parent != nearest:
        nearest = nearest.parent
    if not path.exists():
        if not make:
            check_folder(nearest, f"{purpose}: {path} cannot be made")
            return
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"{purpose}: {path} cannot be made: {error.strerror or error} in {nearest}"
                f" ({who_we_are()}; {_owner(nearest)})",
                hint="make the folder, or choose another user id (PUID and PGID, or --user, in a container)",
            ) from None
    if not path.is_dir():
        raise ConfigError(f"{purpose}: {path} is no folder")
    missing = list(_missing(path, os.R_OK | os.W_OK | os.X_OK))
    if missing:
        raise ConfigError(
            f"{purpose}: {path} lacks the permission to {' and '.join(missing)} for {who_we_are()};"
            f" {_owner(path)}",
            hint=f"chown {os.geteuid()} {path}, or run as its owner",
        )
    probe = path / f".soulmesh-{os.getpid()}"
    try:
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        # A file system that is mounted read-only, or full, has all its permission bits.
        raise ConfigError(f"{purpose}: cannot write in {path}: {error.strerror or error}") from None


def check_file(path: Path, purpose: str) -> None:
    """See that a file is there and that we may read it.

    Raises:
        ConfigError: it names the path, who we are and what is missing.
    """
    closed = _closed(path)
    if closed is not None:
        raise ConfigError(f"{purpose}: {path} cannot be reached: {closed}", hint=REACH)
    if not path.exists():
        raise ConfigError(f"{purpose}: {path} is not there")
    if path.is_dir():
        raise ConfigError(f"{purpose}: {path} is a folder")
    missing = list(_missing(path, os.R_OK))
    if missing:
        raise ConfigError(
            f"{purpose}: {path} lacks the permission to {missing[0]} for {who_we_are()}; {_owner(path)}",
            hint=f"let us read it: chown {os.geteuid()} {path}, or run as its owner",
        )


def check_shared(path: Path) -> str | None:
    """What is wrong with a shared folder, in words; that is no reason not to start."""
    closed = _closed(path)
    if closed is not None:
        return f"{path} cannot be reached: {closed}"
    if not path.is_dir():
        return f"{path} is not there: its files are not offered until it is"
    missing = list(_missing(path, os.R_OK | os.X_OK))
    if missing:
        return f"{path} lacks the permission to {' and '.join(missing)} for {who_we_are()}; {_owner(path)}"
    return None


def is_local(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_listening(settings: Settings) -> None:
    """Refuse to listen for others without authentication.

    Raises:
        ConfigError: it would be open to whoever comes, or open to nobody.
    """
    web = settings.web
    has_login = bool(web.username and web.password is not None and web.password.get_secret_value())
    has_key = web.api_key is not None or bool(web.api_keys)
    if is_local(web.host):
        return
    where = web.host or "all addresses"
    if not web.authentication:
        raise ConfigError(
            f"web.authentication is off, so the daemon does not listen on {where}",
            hint="leave web.host at 127.0.0.1, or turn authentication on and set a key or a login",
        )
    if not has_login and not has_key:
        raise ConfigError(
            f"nobody could log in, so the daemon does not listen on {where}",
            hint="set web.api_key (--api-key), or web.username and web.password",
        )
