"""Which server, under which name and with which password: the options that every client command shares.

A password is given by an option, the environment or the configuration file, as itself, as a file, as a
command that prints it, or as the promise that the desktop's keyring has it. If nobody gave it, a terminal is
asked, without showing what is typed. It is never printed and never logged.
"""

from __future__ import annotations

import getpass
import importlib
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from soulmesh.cli.settings import Account, Settings, parse_address
from soulmesh.errors import ConfigError

__all__ = [
    "Credentials",
    "ListenPortOption",
    "PasswordFileOption",
    "PasswordOption",
    "ServerOption",
    "UsernameOption",
    "account_options",
    "credentials",
    "password",
]

KEYRING_SERVICE = "soulmesh"

ServerOption = Annotated[
    str | None, typer.Option("--server", "-s", metavar="HOST[:PORT]", help="The server to log into.")
]
UsernameOption = Annotated[
    str | None, typer.Option("--username", "-u", metavar="NAME", help="Your name on the network.")
]
PasswordOption = Annotated[
    str | None,
    typer.Option(
        "--password", metavar="TEXT", help="Your password. Others on this machine can see it: prefer a file."
    ),
]
PasswordFileOption = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        metavar="FILE",
        help="Read the password from this file; - is standard input.",
        readable=False,
    ),
]
ListenPortOption = Annotated[
    int | None,
    typer.Option(
        "--listen-port", min=0, max=65535, metavar="PORT", help="Where others reach us; 0: any free one."
    ),
]


def account_options(
    *,
    server: str | None = None,
    username: str | None = None,
    password: str | None = None,
    password_file: Path | None = None,
    listen_port: int | None = None,
) -> dict[str, Any]:
    """The shared options by the keys of the settings, for :func:`soulmesh.cli.settings.load`."""
    given: dict[str, Any] = {
        "network.server": server,
        "network.listen_port": listen_port,
        "account.username": username,
        "account.password": password,
        "account.password_file": password_file,
    }
    return given


@dataclass(frozen=True, slots=True)
class Credentials:
    """What it takes to log in."""

    host: str
    port: int
    username: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials({self.username!r} at {self.host}:{self.port})"


def credentials(settings: Settings) -> Credentials:
    """The server, name and password to log in with.

    Raises:
        ConfigError: the name or the password is missing, or cannot be read.
    """
    account = settings.account
    if not account.username:
        raise ConfigError(
            "no username",
            hint="give one with --username, SOULMESH_ACCOUNT_USERNAME or in the file of `soulmesh init`",
        )
    host, port = parse_address(settings.network.server)
    return Credentials(host, port, account.username, password(account))


def password(account: Account) -> str:
    """The password of ``account``, from wherever the settings say it is.

    Raises:
        ConfigError: it is nowhere, or the place that should have it has none.
    """
    if account.password is not None:
        return account.password.get_secret_value()
    if account.password_file is not None:
        return _from_file(account.password_file)
    if account.password_command is not None:
        return _from_command(account.password_command)
    if account.keyring:
        return _from_keyring(account.username or "")
    if not sys.stdin.isatty():
        raise ConfigError(
            f"no password for {account.username}",
            hint="give it with --password-file, SOULMESH_ACCOUNT_PASSWORD or in the file of `soulmesh init`",
        )
    typed = getpass.getpass(f"Password of {account.username}: ", stream=sys.stderr)
    if not typed:
        raise ConfigError("the password is empty")
    return typed


def _from_file(path: Path) -> str:
    try:
        text = sys.stdin.readline() if str(path) == "-" else path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the password file {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"the password file {path} is not text in UTF-8") from None
    return _first_line(text, f"the password file {path}")


def _from_command(command: str) -> str:
    try:
        done = subprocess.run(
            shlex.split(command), stdout=subprocess.PIPE, text=True, timeout=60, check=False
        )
    except (OSError, ValueError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"cannot run the password command: {reason}") from None
    except subprocess.TimeoutExpired:
        raise ConfigError("the password command took longer than a minute") from None
    if done.returncode != 0:
        raise ConfigError(f"the password command failed with exit code {done.returncode}")
    return _first_line(done.stdout, "what the password command printed")


def _from_keyring(username: str) -> str:
    try:
        keyring: Any = importlib.import_module("keyring")
    except ImportError:
        raise ConfigError(
            "account.keyring is set, but the package keyring is not installed",
            hint="pip install 'soulmesh[keyring]'",
        ) from None
    try:
        found = keyring.get_password(KEYRING_SERVICE, username)
    except Exception as error:  # keyring's backends raise what they like
        raise ConfigError(f"the keyring cannot be read: {error}") from None
    if not found:
        raise ConfigError(
            f"the keyring has no password for {username}", hint=f"keyring set {KEYRING_SERVICE} {username}"
        )
    return str(found)


def _first_line(text: str, where: str) -> str:
    line = (text.splitlines() or [""])[0]
    if not line:
        raise ConfigError(f"{where} begins with an empty line where the password should be")
    return line
