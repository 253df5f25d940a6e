"""``soulmesh daemon``: a client that is always on, spoken to over HTTP."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soulmesh import config, settings
from soulmesh.cli import account as accounts
from soulmesh.cli import run
from soulmesh.cli.settings import config_file, load
from soulmesh.config import Settings
from soulmesh.errors import ConfigError, SoulmeshError

if TYPE_CHECKING:
    from soulmesh.daemon.engine import Account

__all__ = ["daemon", "require_extra"]

EXTRA = ("starlette", "uvicorn", "httptools", "websockets", "httpx", "jwt")


class ExtraMissing(SoulmeshError):
    """Packages of the ``daemon`` extra are not installed: ``package`` is the first one missing."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.hint = "install them with: pip install 'soulmesh[daemon]'"

    def __str__(self) -> str:
        return f"the daemon needs packages that are not installed ({self.package})"


@dataclass(frozen=True, slots=True)
class _Loader:
    """Reads the settings, now and whenever they change."""

    options: Mapping[str, Any]

    def __call__(self, overlay: Mapping[str, Any]) -> tuple[Settings, Account]:
        from soulmesh.daemon.checks import check_file
        from soulmesh.daemon.engine import Account

        file = config_file()
        if file is not None:
            check_file(file.absolute(), "the settings file")
        found = load(self.options, overlay)
        username = found.account.username
        if not username:
            return found, Account(None)
        if not _has_password(found.account):
            # Nobody is asked at a terminal: a daemon has none. The page asks.
            return found, Account(None)
        secret = found.account.password_file
        if secret is not None and str(secret) != "-":
            check_file(secret.expanduser().absolute(), "account.password_file")
        return found, Account(username, accounts.password(found.account))


def _has_password(account: config.Account) -> bool:
    return bool(
        account.password is not None or account.password_file or account.password_command or account.keyring
    )


@run.command
async def daemon(
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Folder with everything that the daemon keeps."),
    ] = None,
    server: accounts.ServerOption = None,
    username: accounts.UsernameOption = None,
    password_file: accounts.PasswordFileOption = None,
    listen_port: accounts.ListenPortOption = None,
    share: Annotated[
        list[Path] | None,
        typer.Option("--share", metavar="PATH", help="Share this folder; may be repeated.", readable=False),
    ] = None,
    downloads: Annotated[
        Path | None, typer.Option("--downloads", metavar="DIR", help="Where finished downloads are put.")
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(
            "--http",
            metavar="HOST:PORT",
            help="Where to serve HTTP; 127.0.0.1:5030 if not given, port 0 is any.",
        ),
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option("--api-key", metavar="KEY", help="A key of an administrator, 16 to 255 characters."),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Any setting; may be repeated."),
    ] = None,
) -> None:
    """Run the client as a daemon, until SIGTERM or Ctrl-C.

    Prints ``ready http://HOST:PORT`` as soon as HTTP is served, logged in or not. SIGHUP, or a change of
    the configuration file, has the settings read again.
    """
    require_extra()
    from soulmesh.daemon.run import Daemon

    host, port = _address(http)
    named: dict[str, Any] = {
        "daemon.data": _absolute(data),
        "network.server": server,
        "account.username": username,
        "account.password_file": password_file,
        "network.listen_port": listen_port,
        "shares.folders": [_absolute(folder) for folder in share] if share else None,
        "downloads.folder": _absolute(downloads),
        "web.host": host,
        "web.port": port,
        "web.api_key": api_key,
    }
    options = settings.assignments(changes or [])
    options |= {key: value for key, value in named.items() if value is not None}
    loader = _Loader(options)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, stop.set)
    again = False
    async with Daemon(loader, config_file=config_file()) as running:
        loop.add_signal_handler(signal.SIGHUP, lambda: running.service.spawn(running.reload(), "reload"))
        sys.stdout.write(f"ready {running.url}\n")
        sys.stdout.flush()
        ends = [asyncio.create_task(stop.wait()), asyncio.create_task(running.stopped())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ends:
                task.cancel()
            loop.remove_signal_handler(signal.SIGHUP)
        again = running.again and not stop.is_set()
    if again:
        # A new process: code, environment and every setting are read afresh.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.expanduser().absolute()


def _address(text: str | None) -> tuple[str | None, int | None]:
    if text is None:
        return None, None
    try:
        return config.parse_listen(text)
    except ValueError as error:
        raise ConfigError(f"--http: {error}") from None


def require_extra() -> None:
    """See to it that the daemon's packages are there.

    Raises:
        ExtraMissing: one is not.
    """
    import importlib.util

    for package in EXTRA:
        if importlib.util.find_spec(package) is None:
            raise ExtraMissing(package)
