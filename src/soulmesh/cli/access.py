"""The account, the data and the daemon that a command goes online with: options shared by all that do.

::

    @run.command
    @with_access
    async def push(access: Access, user: str) -> None:
        settings = access.settings()
        running = await access.running(settings)

gives a command with ``--server``, ``--username``, ``--daemon`` and the others; ``access`` has
what was said.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec

import typer

from soulmesh.cli import settings
from soulmesh.cli.account import (
    ListenPortOption,
    PasswordFileOption,
    PasswordOption,
    ServerOption,
    UsernameOption,
    account_options,
)
from soulmesh.cli.through import ApiKeyOption, DaemonOption, daemon_for
from soulmesh.config import Settings

if TYPE_CHECKING:
    from soulmesh.daemon.remote import Daemon

__all__ = ["ACCOUNT", "DAEMON", "Access", "DataOption", "add_options", "with_access", "with_account"]

P = ParamSpec("P")

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        envvar="SOULMESH_DATA",
        show_envvar=True,
        help="Where soulmesh keeps its data (default: ~/.local/share/soulmesh).",
    ),
]

ACCOUNT: dict[str, tuple[Any, Any]] = {
    "server": (ServerOption, None),
    # Many commands are about a user, and have a `username` of their own.
    "login_name": (UsernameOption, None),
    "password": (PasswordOption, None),
    "password_file": (PasswordFileOption, None),
    "listen_port": (ListenPortOption, None),
}
"""Parameter, type and default of the options of an account."""
DAEMON: dict[str, tuple[Any, Any]] = {"daemon": (DaemonOption, None), "api_key": (ApiKeyOption, None)}
"""The same of the options that name a daemon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the shared options said; ``None`` where nothing was said."""

    server: str | None = None
    login_name: str | None = None
    password: str | None = None
    password_file: Path | None = None
    listen_port: int | None = None
    daemon: str | None = None
    api_key: str | None = None
    data: Path | None = None

    @classmethod
    def taken(cls, arguments: dict[str, Any]) -> Access:
        """Take the shared options out of a command's arguments."""
        names = [name for name in (*ACCOUNT, *DAEMON, "data") if name in arguments]
        return cls(**{name: arguments.pop(name) for name in names})

    def settings(self, more: Mapping[str, Any] | None = None) -> Settings:
        """All settings, with these options, and ``more`` of the command's own, above file and environment.

        Raises:
            ConfigError: one of them cannot be used.
        """
        options = account_options(
            server=self.server,
            username=self.login_name,
            password=self.password,
            password_file=self.password_file,
            listen_port=self.listen_port,
        )
        return settings.load({**options, "daemon.data": self.data, **(more or {})})

    async def running(
        self, found: Settings, *, data: Path | None = None
    ) -> tuple[Daemon, dict[str, Any]] | None:
        """The daemon to go through, as :func:`soulmesh.cli.through.daemon_for` finds it."""
        return await daemon_for(
            found, self.daemon, self.api_key, data=data, account=self.login_name, server=self.server
        )


def add_options(
    function: Callable[..., Any],
    wrapper: Callable[..., Any],
    added: Mapping[str, tuple[Any, Any]],
    *,
    inner: int,
) -> Callable[..., Any]:
    """Give ``wrapper`` the parameters of ``function`` but the first ``inner``, and the ``added`` options.

    A parameter of the function's own goes before an added one of the same name.
    """
    signature = inspect.signature(function, eval_str=True)
    own = list(signature.parameters.values())[inner:]
    names = {parameter.name for parameter in own}
    extra = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in added.items()
        if name not in names
    ]
    wrapper.__signature__ = signature.replace(parameters=[*own, *extra])  # type: ignore[attr-defined]
    return wrapper


def _with(
    function: Callable[Concatenate[Access, P], Coroutine[Any, Any, None]],
    added: Mapping[str, tuple[Any, Any]],
) -> Callable[..., Coroutine[Any, Any, None]]:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> None:
        access = Access.taken(kwargs)
        await function(access, *args, **kwargs)

    return add_options(function, wrapper, added, inner=1)


def with_access(
    function: Callable[Concatenate[Access, P], Coroutine[Any, Any, None]],
) -> Callable[..., Coroutine[Any, Any, None]]:
    """The options of an account, its data and a daemon: a command that goes online, or through that."""
    return _with(function, {**ACCOUNT, "data": (DataOption, None), **DAEMON})


def with_account(
    function: Callable[Concatenate[Access, P], Coroutine[Any, Any, None]],
) -> Callable[..., Coroutine[Any, Any, None]]:
    """The options of an account and its data: a command that always goes online by itself."""
    return _with(function, {**ACCOUNT, "data": (DataOption, None)})
