"""Every setting of the server: name, type, default, bounds and explanation in one place.

A setting comes from, in this order, the command line (``--set section.key=value``),
the environment (``SOULMESH_SERVER_SECTION_KEY``), the file, the default written
here. The file that ``soulmesh server init`` writes is made from these
declarations, so it cannot say anything else.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from soulmesh.errors import ConfigError

__all__ = ["BadSetting", "Settings", "load_settings", "template"]

PREFIX = "SOULMESH_SERVER_"


class BadSetting(ConfigError):
    """A setting that does not exist or cannot have this value: ``name``, ``reason``, ``source``."""

    def __init__(self, name: str, reason: str, source: str = "") -> None:
        self.name = name
        self.reason = reason
        self.source = source

    def __str__(self) -> str:
        where = f" ({self.source})" if self.source else ""
        return f"setting {self.name}: {self.reason}{where}"


def _key(
    default: Any,
    text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    facts = {"text": text, "low": low, "high": high, "choices": choices}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=facts)
    return field(default=default, metadata=facts)


@dataclass(slots=True)
class ServerSection:
    """Where the server listens and what it says to newcomers."""

    host: str = _key("127.0.0.1", 'Address to listen on; "0.0.0.0" is every IPv4 address of this machine.')
    port: int = _key(2242, "Port to listen on; 0 lets the system choose one.", low=0, high=65535)
    greeting: str = _key("Welcome.", "Message of the day, part of the answer to a login.")
    maximum_users: int = _key(20000, "Users online at the same time; more get SVRFULL.", low=1)
    private: bool = _key(False, "Only accounts that an administrator has made may log in; others get SVRPRIVATE.")
    drain_seconds: float = _key(2.0, "How long a stopping server waits for its last words to be read.", low=0, high=4)


@dataclass(slots=True)
class AccountsSection:
    """Names and passwords."""

    hash: str = _key(
        "argon2id",
        'How passwords are kept. "fast" is for load tests alone: whoever reads the database has the passwords.',
        choices=("argon2id", "fast"),
    )
    argon2_memory_kib: int = _key(19456, "Memory per hash, in KiB.", low=64, high=4194304)
    argon2_passes: int = _key(2, "Passes per hash.", low=1, high=100)
    argon2_lanes: int = _key(1, "Lanes per hash.", low=1, high=64)
    hash_threads: int = _key(2, "Hashes computed at the same time.", low=1, high=64)
    hash_queue: int = _key(1000, "Logins that may wait for a hash; more are sent away.", low=1)
    verified_cache: int = _key(
        100000, "Passwords found right that are remembered (as a digest, in memory) so that coming back is cheap.", low=0
    )
    empty_password: bool = _key(True, "Whether a password may be empty; if not, EMPTYPASSWORD.")
    minimum_version: int = _key(157, "Clients with a smaller major version get INVALIDVERSION.", low=0)
    initial_upload_speed: int = _key(
        0,
        "Bytes per second that an account without uploads counts as having. With 0 it may have no children in the\n"
        "distributed network, so a young or private network wants 2000000 here.",
        low=0,
        high=0xFFFFFFFF,
    )


@dataclass(slots=True)
class LimitsSection:
    """Bounds of what one connection may cost. They hold even when the abuse engine is off."""

    login_seconds: float = _key(60.0, "A connection that has not logged in by then is closed.", low=1)
    frame: int = _key(65536, "Largest frame of a client, in bytes.", low=1024)
    frame_before_login: int = _key(8192, "The same before it has logged in.", low=256)
    bad_messages: int = _key(200, "Messages that cannot be read before the connection is closed.", low=1)
    send_queue: int = _key(16777216, "Bytes that may wait for one reader; at more it is dropped.", low=65536)
    send_queue_soft: int = _key(
        2097152, "Bytes waiting for a reader that still reads at which those who talk to it are slowed.", low=16384
    )
    stall_seconds: float = _key(10.0, "A reader with bytes waiting that takes none for so long is dropped.", low=1)
    idle_seconds: float = _key(900.0, "A client that says nothing (not even Ping) for so long is gone.", low=60)


@dataclass(slots=True)
class RoomsSection:
    """Rooms."""

    login_list_minimum: int = _key(5, "Users a public room needs to be in the list that is sent at login.", low=0)
    maximum_tickers: int = _key(200, "Tickers per room; the oldest goes first.", low=1)
    maximum_joined: int = _key(500, "Rooms one user may be in at the same time.", low=1)
    maximum_rooms: int = _key(100000, "Rooms that exist at the same time.", low=1)


@dataclass(slots=True)
class ChatSection:
    """Private messages."""

    queue: int = _key(10000, "Unacknowledged messages kept per account; further ones are not accepted.", low=1)
    maximum_receivers: int = _key(1000, "Names that one message to many may carry.", low=1)


@dataclass(slots=True)
class DistributedSection:
    """The tree over which searches travel."""

    potential_parents_interval: float = _key(
        60.0, "Seconds between lists of possible parents for a client that looks for one.", low=0.05
    )
    maximum_parents: int = _key(10, "Entries in such a list.", low=1, high=100)
    parent_min_speed: int = _key(1, "KiB/s below which a client takes no children.", low=0, high=0xFFFFFFFF)
    parent_speed_ratio: int = _key(50, "A client takes speed / (ratio / 10 * 1024) children.", low=1, high=0xFFFFFFFF)


@dataclass(slots=True)
class SearchSection:
    """Searches."""

    wishlist_interval: int = _key(720, "Seconds between two searches of a wish list.", low=1)
    wishlist_interval_privileged: int = _key(120, "The same for privileged users.", low=1)
    excluded_phrases: list[str] = _key([], "Phrases whose files clients must leave out of results.")
    remembered: int = _key(1000, "Recent searches kept for the preview of new excluded phrases.", low=0)


@dataclass(slots=True)
class AbuseSection:
    """Published limits. First a notice that states the limit, then delay, then a ban for some time."""

    enabled: bool = _key(True, "Off: no limit of rate or count at all, connections per address included.")
    dry_run: bool = _key(False, "Write to the log and the audit log what would happen, and do nothing.")
    connections_per_address: int = _key(50, "Connections open at the same time from one address.", low=1)
    connects_per_minute: int = _key(120, "New connections per address and minute.", low=1)
    logins_per_minute: int = _key(60, "Logins per address and minute.", low=1)
    failed_logins_per_minute: int = _key(10, "Wrong passwords per address and minute.", low=1)
    searches_per_minute: int = _key(60, "Searches of every kind per account and minute.", low=1)
    same_search_per_hour: int = _key(30, "The same search per account and hour.", low=1)
    joins_per_minute: int = _key(120, "Rooms joined per account and minute.", low=1)
    messages_per_minute: int = _key(300, "Private messages and room lines per account and minute.", low=1)
    messages_to_one_per_minute: int = _key(120, "Private messages to one receiver per account and minute.", low=1)
    requests_per_minute: int = _key(20000, "Messages of every other kind per account and minute.", low=1)
    delay_seconds: float = _key(2.0, "How long a client over its limit is not read.", low=0)
    ban_after: int = _key(5, "Delays within ten minutes that end in a ban.", low=1)
    ban_minutes: float = _key(30.0, "How long that ban lasts.", low=0.1)


@dataclass(slots=True)
class AdminSection:
    """Administration beyond the command line."""

    admins: list[str] = _key([], "Accounts with administrator rights, beside those given with `admin user admin`.")
    http_host: str = _key("127.0.0.1", "Address of the HTTP administration port.")
    http_port: int = _key(0, "HTTP administration port; 0 is off. Serves /metrics and /health too.", low=0, high=65535)
    http_token: str = _key("", "Token that requests must carry (Authorization: Bearer ...). Needed if the port is on.")


@dataclass(slots=True)
class LogSection:
    """The log on standard error."""

    level: str = _key("info", "Least level shown.", choices=("debug", "info", "warning", "error"))
    format: str = _key("auto", '"text" for people, "json" for machines, "auto" asks the terminal.', choices=("auto", "text", "json"))
    levels: list[str] = _key([], 'Other levels for parts, such as "store=debug" or "abuse=warning".')


@dataclass(slots=True)
class Settings:
    """All sections."""

    server: ServerSection = field(default_factory=ServerSection)
    accounts: AccountsSection = field(default_factory=AccountsSection)
    limits: LimitsSection = field(default_factory=LimitsSection)
    rooms: RoomsSection = field(default_factory=RoomsSection)
    chat: ChatSection = field(default_factory=ChatSection)
    distributed: DistributedSection = field(default_factory=DistributedSection)
    search: SearchSection = field(default_factory=SearchSection)
    abuse: AbuseSection = field(default_factory=AbuseSection)
    admin: AdminSection = field(default_factory=AdminSection)
    log: LogSection = field(default_factory=LogSection)

    def set(self, name: str, value: object, source: str = "") -> None:
        """Set ``section.key``.

        Raises:
            BadSetting: no such setting, or not such a value.
        """
        section_name, _, key = name.partition(".")
        section = getattr(self, section_name, None) if section_name in _SECTIONS else None
        if section is None:
            raise BadSetting(name, f"no such section; there are {', '.join(_SECTIONS)}", source)
        declared = {f.name: f for f in fields(section)}
        if key not in declared:
            raise BadSetting(name, f"no such setting; [{section_name}] has {', '.join(declared)}", source)
        setattr(section, key, _checked(name, value, getattr(section, key), declared[key].metadata, source))


_SECTIONS = tuple(f.name for f in fields(Settings))


def _checked(name: str, value: Any, present: Any, facts: Mapping[str, Any], source: str) -> Any:
    if isinstance(present, bool):
        if not isinstance(value, bool):
            raise BadSetting(name, f"{value!r} is not true or false", source)
    elif isinstance(present, float | int):
        whole = isinstance(present, int)
        if isinstance(value, bool) or not isinstance(value, int | float) or (whole and value != int(value)):
            raise BadSetting(name, f"{value!r} is not a {'whole number' if whole else 'number'}", source)
        value = int(value) if whole else float(value)
        if facts["low"] is not None and value < facts["low"]:
            raise BadSetting(name, f"{value} is less than {facts['low']}", source)
        if facts["high"] is not None and value > facts["high"]:
            raise BadSetting(name, f"{value} is more than {facts['high']}", source)
    elif isinstance(present, list):
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise BadSetting(name, f'{value!r} is not a list of texts such as ["one", "two"]', source)
    elif not isinstance(value, str):
        raise BadSetting(name, f"{value!r} is not a text", source)
    elif facts["choices"] and value not in facts["choices"]:
        raise BadSetting(name, f"{value!r} is none of {', '.join(facts['choices'])}", source)
    return value


def load_settings(
    path: Path | None = None, environment: Mapping[str, str] | None = None, changes: Iterable[str] = ()
) -> Settings:
    """Settings from a file, the environment, and ``section.key=value`` texts.

    Raises:
        BadSetting: names the first setting that is unknown or wrong, and where it came from.
    """
    settings = Settings()
    if path is not None:
        try:
            document = tomllib.loads(path.read_text())
        except OSError as error:
            raise BadSetting("--config", f"cannot read {path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadSetting("--config", f"{path} is not TOML: {error}") from error
        for section, keys in document.items():
            if not isinstance(keys, dict):
                raise BadSetting(section, "stands outside of any [section]", str(path))
            if section not in _SECTIONS:
                raise BadSetting(section, f"no such section; there are {', '.join(_SECTIONS)}", str(path))
            for key, value in keys.items():
                settings.set(f"{section}.{key}", value, str(path))
    for variable, text in sorted((environment or {}).items()):
        if variable.startswith(PREFIX):
            section, _, key = variable.removeprefix(PREFIX).lower().partition("_")
            _set_text(settings, f"{section}.{key}", text, variable)
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals:
            raise BadSetting(change, "is not of the form section.key=value", "--set")
        _set_text(settings, name.strip(), text.strip(), "--set")
    return settings


def _set_text(settings: Settings, name: str, text: str, source: str) -> None:
    section, _, key = name.partition(".")
    present = getattr(getattr(settings, section, None), key, None) if section in _SECTIONS else None
    value: object = text
    if not isinstance(present, str):
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            if isinstance(present, bool) and text.lower() in ("true", "yes", "on", "1", "false", "no", "off", "0"):
                value = text.lower() in ("true", "yes", "on", "1")
            elif isinstance(present, list):
                value = [part.strip() for part in text.split(",") if part.strip()]
    if isinstance(present, bool) and isinstance(value, int) and value in (0, 1):
        value = bool(value)
    settings.set(name, value, source)


def template() -> str:
    """The commented file that ``soulmesh server init`` writes."""
    lines = [
        "# Settings of the soulmesh server. What is commented out is the default.",
        "# Each can also be given as SOULMESH_SERVER_SECTION_KEY in the environment,",
        "# or as --set section.key=value on the command line, which wins.",
    ]
    for section in fields(Settings):
        kind: Any = section.default_factory
        lines += ["", f"# {kind.__doc__}", f"[{section.name}]"]
        instance = kind()
        for item in fields(instance):
            lines += [""] + [f"# {part.strip()}" for part in item.metadata["text"].splitlines()]
            if item.metadata["choices"]:
                lines.append(f"# One of: {', '.join(item.metadata['choices'])}.")
            bounds = [
                f"{word} {item.metadata[bound]:g}" if isinstance(item.metadata[bound], float) else f"{word} {item.metadata[bound]}"
                for word, bound in (("at least", "low"), ("at most", "high"))
                if item.metadata[bound] is not None
            ]
            if bounds:
                lines.append(f"# A number, {' and '.join(bounds)}.")
            lines.append(f"# {item.name} = {_toml(getattr(instance, item.name))}")
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return repr(value)
