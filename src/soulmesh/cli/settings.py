"""The settings of the client and its commands, and ``soulmesh init``, which writes their file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from soulmesh import log, settings
from soulmesh.cli import run
from soulmesh.config import (
    Account,
    Downloads,
    Logging,
    Network,
    Settings,
    Shares,
    parse_address,
)
from soulmesh.errors import ConfigError
from soulmesh.net.disk import write_whole

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
NOT_SETTINGS = ("SOULMESH_CONFIG", "SOULMESH_DATA", "SOULMESH_DEBUG", "SOULMESH_SERVER_", "SOULMESH_TEST_")

WAYS_TO_A_PASSWORD = (
    "account.password",
    "account.password_file",
    "account.password_command",
    "account.keyring",
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


def load(options: Mapping[str, Any] | None = None, over: Mapping[str, Any] | None = None) -> Settings:
    """The settings for this command; also sets logging up as they say.

    Args:
        options: what the command's own options said, by dotted key; ``None`` values were not given.
        over: what goes before all else, since it was said to the running program.

    Raises:
        ConfigError: a key is unknown or a value wrong.
    """
    given = dict(options or {})
    if given.get("daemon.data") is None:
        # What `--data` may name in the environment holds for the commands without that option, too.
        given["daemon.data"] = os.environ.get("SOULMESH_DATA") or None
    found = settings.load(
        Settings,
        file=config_file(),
        prefix=PREFIX,
        options=given,
        over=over,
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
        typer.Option(
            metavar="DIR", readable=False, help="Write this shared folder into the file; may be repeated."
        ),
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
    write_whole(path, text)
    run.output().line(f"wrote {path}")


HEADING = """\
Settings of soulmesh.

Every key stands here with its default, commented out; take the # away and change it.
Each can also be set in the environment, as SOULMESH_SECTION_KEY (SOULMESH_NETWORK_SERVER),
and many by an option of a command. Options are stronger than the environment, and the
environment is stronger than this file. A key that does not exist is an error.
"""
