"""The settings of the client and its commands, and ``soulmesh init``, which writes their file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from soulmesh import log, settings
from soulmesh.cli import run
from soulmesh.errors import ConfigError
from soulmesh.settings import Root, Section

__all__ = [
    "Account",
    "Downloads",
    "Logging",
    "Network",
    "Settings",
    "Shares",
    "config_file",
    "load",
    "parse_address",
]

PREFIX = "SOULMESH_"

# Variables that are no settings, and those of the programs whose settings have a prefix of their own.
NOT_SETTINGS = ("SOULMESH_CONFIG", "SOULMESH_DEBUG", "SOULMESH_SERVER_", "SOULMESH_TEST_")

WAYS_TO_A_PASSWORD = (
    "account.password",
    "account.password_file",
    "account.password_command",
    "account.keyring",
)

DEFAULT_PORT = 2242


def parse_address(text: str, default_port: int = DEFAULT_PORT) -> tuple[str, int]:
    """Split ``HOST``, ``HOST:PORT`` or ``[IPV6]:PORT``.

    Raises:
        ValueError: the port is no number from 1 to 65535, or the host is missing.
    """
    host, port_text = text.strip(), ""
    if host.startswith("["):
        host, closed, rest = host[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r} is no HOST:PORT")
        port_text = rest[1:]
    elif host.count(":") == 1:
        host, _, port_text = host.partition(":")
        if not port_text:
            raise ValueError(f"{text!r} lacks the port after the colon")
    if not host:
        raise ValueError(f"{text!r} lacks a host")
    if not port_text:
        return host, default_port
    if not port_text.isascii() or not port_text.isdigit() or not 0 < int(port_text) < 65536:
        raise ValueError(f"{port_text!r} is no port: use a number from 1 to 65535")
    return host, int(port_text)


def _address(text: str) -> str:
    parse_address(text)
    return text


def _home(value: Any) -> Any:
    return Path(value).expanduser() if isinstance(value, str | Path) and str(value) else value


def _no_empty_text(value: Any) -> Any:
    return None if value == "" else value


Address = Annotated[str, AfterValidator(_address)]
LocalPath = Annotated[Path, BeforeValidator(_home)]
Blank = BeforeValidator(_no_empty_text)
Level = Literal["debug", "info", "warning", "error"]


class Account(Section):
    """Who we are on the network."""

    username: Annotated[str | None, Blank] = Field(
        default=None, description="Your name on the network. An unused name is registered at the first login."
    )
    password: Annotated[SecretStr | None, Blank] = Field(
        default=None,
        description=(
            "Your password. One of the three ways below keeps it out of this file.\n"
            "With none of them, a terminal is asked, without showing what is typed."
        ),
    )
    password_file: Annotated[LocalPath | None, Blank] = Field(
        default=None,
        description="Read the password from the first line of this file.",
        examples=["~/.soulseek-password"],
    )
    password_command: Annotated[str | None, Blank] = Field(
        default=None,
        description="Read the password from the first line that this command prints.",
        examples=["pass show soulseek"],
    )
    keyring: bool = Field(
        default=False, description="Read the password from the desktop's keyring (needs the package keyring)."
    )


class Network(Section):
    """Where to connect, and where others reach us."""

    server: Address = Field(
        default="server.slsknet.org:2242", description="The server to log into, HOST:PORT."
    )
    listen_port: int = Field(
        default=2234,
        ge=0,
        le=65535,
        description="The port where other users reach us. 0 lets the system choose one.",
    )


class Shares(Section):
    """What others may find and download."""

    folders: list[LocalPath] = Field(
        default=[],
        description='Folders that are shared, with everything below them: ["~/Music", "/srv/audio"].',
    )


class Downloads(Section):
    """Where files go."""

    folder: LocalPath = Field(
        default=Path("~/Downloads/soulmesh"),
        description="Where finished downloads are put.",
        validate_default=True,
    )


class Logging(Section):
    """What the program tells about its work."""

    level: Level = Field(
        default="warning", description="The least important lines shown: debug, info, warning, error."
    )
    levels: dict[str, Level] = Field(
        default={},
        description='The same for single parts of the program: { server = "debug", net = "info" }.',
    )
    format: Literal["auto", "human", "json"] = Field(
        default="auto",
        description="human, json, or auto: human at a terminal, otherwise one JSON object per line.",
    )


class Settings(Root):
    """All settings of the client."""

    account: Account = Field(default_factory=Account, description="Who you are on the network.")
    network: Network = Field(
        default_factory=Network, description="Where to connect, and where others reach you."
    )
    shares: Shares = Field(default_factory=Shares, description="What others may find and download.")
    downloads: Downloads = Field(default_factory=Downloads, description="Where files go.")
    log: Logging = Field(
        default_factory=Logging, description="What the program tells about its work, on standard error."
    )


def default_file() -> Path:
    """Where the configuration lives if nobody says otherwise."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "soulmesh" / "config.toml"


def config_file() -> Path | None:
    """The file to read: ``--config``, ``$SOULMESH_CONFIG``, or the usual place if there is one there."""
    named = run.options().config or (os.environ.get("SOULMESH_CONFIG") or None)
    if named:
        return Path(named).expanduser()
    return default_file() if default_file().exists() else None


def load(options: Mapping[str, Any] | None = None) -> Settings:
    """The settings for this command; also sets logging up as they say.

    Args:
        options: what the command's own options said, by dotted key; ``None`` values were not given.

    Raises:
        ConfigError: a key is unknown or a value wrong.
    """
    found = settings.load(
        Settings,
        file=config_file(),
        prefix=PREFIX,
        options=options,
        ignore=NOT_SETTINGS,
        alternatives=[WAYS_TO_A_PASSWORD],
    )
    level = run.options().log_level or found.log.level
    log.configure(level, levels=found.log.levels, form=found.log.format)
    return found


@run.command
def init(
    username: Annotated[str | None, typer.Option(help="Write this name into the file.")] = None,
    server: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Write this server into the file.")
    ] = None,
    share: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Write this shared folder into the file; may be repeated."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a configuration file that explains every setting."""
    path = Path(run.options().config or os.environ.get("SOULMESH_CONFIG") or default_file()).expanduser()
    values = {
        "account.username": username,
        "network.server": server,
        "shares.folders": [str(folder.expanduser().resolve()) for folder in share] if share else None,
    }
    chosen = {key: value for key, value in values.items() if value is not None}
    settings.load(Settings, prefix=PREFIX, environ={}, options=chosen)
    text = settings.template(Settings, chosen, heading=HEADING)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not force:
        raise ConfigError(f"{path} is there already", hint="edit it, or write it anew with --force")
    # For its owner alone: a password may be written into it.
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    run.output().line(f"wrote {path}")


HEADING = """\
Settings of soulmesh.

Every key stands here with its default, commented out; take the # away and change it.
Each can also be set in the environment, as SOULMESH_SECTION_KEY (SOULMESH_NETWORK_SERVER),
and many by an option of a command. Options are stronger than the environment, and the
environment is stronger than this file. A key that does not exist is an error.
"""
