"""Every setting of the server: name, type, default, bounds and explanation in one place.

A setting comes from, in this order, the command line (``--set section.key=value``),
the environment (``SOULMESH_SERVER_SECTION_KEY``), the file, the default written
here (see :mod:`soulmesh.settings`). The file that ``soulmesh server init`` writes
is made from these declarations, so it cannot say anything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from soulmesh import log
from soulmesh import settings as machinery
from soulmesh.settings import Root, Section

__all__ = ["PREFIX", "Settings", "load_settings", "make_settings", "template"]

PREFIX = "SOULMESH_SERVER_"

LOGGED_PARTS = ("abuse", "admin", "audit", "bus", "door", "doors", "http", "member", "store")
"""What names itself ``server.PART`` in the log."""


def _key(default: Any, text: str, *, low: float | None = None, high: float | None = None) -> Any:
    return Field(default=default, description=text, ge=low, le=high)


def _list(text: str) -> Any:
    return Field(default_factory=list, description=text)


class ServerSection(Section):
    """Where the server listens and what it says to newcomers."""

    host: str = _key("127.0.0.1", 'Address to listen on; "0.0.0.0" is every IPv4 address of this machine.')
    port: int = _key(2242, "Port to listen on; 0 lets the system choose one.", low=0, high=65535)
    greeting: str = _key("Welcome.", "Message of the day, part of the answer to a login.")
    maximum_users: int = _key(20000, "Users online at the same time; more get SVRFULL.", low=1)
    private: bool = _key(
        False, "No account is made by logging in, only by an administrator; who has none gets SVRPRIVATE."
    )
    drain_seconds: float = _key(
        2.0, "How long a stopping server waits for its last words to be read.", low=0, high=4
    )


class AccountsSection(Section):
    """Names and passwords."""

    hash: Literal["argon2id", "fast"] = _key(
        "argon2id",
        'How passwords are kept. "fast" is for load tests alone: who reads the database has the passwords.',
    )
    argon2_memory_kib: int = _key(19456, "Memory per hash, in KiB.", low=64, high=4194304)
    argon2_passes: int = _key(2, "Passes per hash.", low=1, high=100)
    argon2_lanes: int = _key(1, "Lanes per hash.", low=1, high=64)
    hash_threads: int = _key(2, "Hashes computed at the same time.", low=1, high=64)
    hash_queue: int = _key(1000, "Logins that may wait for a hash; more are sent away.", low=1)
    verified_cache: int = _key(
        100000,
        "Passwords found right that are remembered (as a digest, in memory) so that coming back is cheap.",
        low=0,
    )
    empty_password: bool = _key(True, "Whether a password may be empty; if not, EMPTYPASSWORD.")
    minimum_version: int = _key(157, "Clients with a smaller major version get INVALIDVERSION.", low=0)
    initial_upload_speed: int = _key(
        0,
        "Bytes per second that an account without uploads counts as having. With 0 it may have no children in"
        " the distributed network, so a young or private network wants 2000000 here.",
        low=0,
        high=0xFFFFFFFF,
    )


class StoreSection(Section):
    """Where everything is kept that outlives a restart."""

    url: str = _key(
        "",
        "Empty: a SQLite file in the data folder. Otherwise a PostgreSQL database, such as"
        " postgresql://user:password@host:5432/soulmesh (needs the extra `postgres`).",
    )


class BusSection(Section):
    """How several processes, on one host or on many, are one server together."""

    url: str = _key(
        "",
        "Empty: this process is the server. Otherwise the Redis over which processes that share a store work"
        " together, such as redis://user:password@host:6379/0 (needs the extra `redis`).",
    )
    network: str = _key("main", "Keeps servers that use one Redis apart: the same for all processes of one.")


class LimitsSection(Section):
    """Bounds of what one connection may cost. They hold even when the abuse engine is off."""

    login_seconds: float = _key(60.0, "A connection that has not logged in by then is closed.", low=1)
    frame: int = _key(65536, "Largest frame of a client, in bytes.", low=1024)
    frame_before_login: int = _key(8192, "The same before it has logged in.", low=256)
    bad_messages: int = _key(200, "Messages that cannot be read before the connection is closed.", low=1)
    send_queue: int = _key(16777216, "Bytes that may wait for one reader; at more it is dropped.", low=65536)
    send_queue_soft: int = _key(
        2097152,
        "Bytes waiting for a reader that still reads at which those who talk to it are slowed.",
        low=16384,
    )
    stall_seconds: float = _key(
        10.0, "A reader with bytes waiting that takes none for so long is dropped.", low=1
    )
    idle_seconds: float = _key(
        900.0,
        "A client that says nothing (not even Ping) for so long is gone, after twice as long at the latest.",
        low=60,
    )


class RoomsSection(Section):
    """Rooms."""

    login_list_minimum: int = _key(
        5, "Users a public room needs to be in the list that is sent at login.", low=0
    )
    maximum_tickers: int = _key(200, "Tickers per room; the oldest goes first.", low=1)
    maximum_joined: int = _key(500, "Rooms one user may be in at the same time.", low=1)
    maximum_rooms: int = _key(100000, "Rooms that exist at the same time.", low=1)
    maximum_made: int = _key(
        500, "Rooms, public and private, that one account may have made and that still exist.", low=0
    )
    maximum_owned: int = _key(50, "Private rooms that one account may own at the same time.", low=0)


class ChatSection(Section):
    """Private messages."""

    queue: int = _key(
        10000, "Unacknowledged messages kept per account; further ones are not accepted.", low=1
    )
    maximum_receivers: int = _key(1000, "Names that one message to many may carry.", low=1)


class DistributedSection(Section):
    """The tree over which searches travel."""

    potential_parents_interval: float = _key(
        60.0, "Seconds between lists of possible parents for a client that looks for one.", low=0.05
    )
    maximum_parents: int = _key(10, "Entries in such a list.", low=1, high=100)
    parent_min_speed: int = _key(1, "KiB/s below which a client takes no children.", low=0, high=0xFFFFFFFF)
    parent_speed_ratio: int = _key(
        50, "A client takes speed / (ratio / 10 * 1024) children.", low=1, high=0xFFFFFFFF
    )


class SearchSection(Section):
    """Searches."""

    wishlist_interval: int = _key(720, "Seconds between two searches of a wish list.", low=1)
    wishlist_interval_privileged: int = _key(120, "The same for privileged users.", low=1)
    excluded_phrases: list[str] = _list("Phrases whose files clients must leave out of results.")
    remembered: int = _key(1000, "Recent searches kept for the preview of new excluded phrases.", low=0)


class AbuseSection(Section):
    """Published limits: first a notice that states the limit, then delay, then a ban."""

    enabled: bool = _key(True, "Off: no limit of rate or count at all, connections per address included.")
    dry_run: bool = _key(False, "Write to the log and the audit log what would happen, and do nothing.")
    connections_per_address: int = _key(100, "Connections open at the same time from one address.", low=1)
    connects_per_minute: int = _key(300, "New connections per address and minute.", low=1)
    logins_per_minute: int = _key(200, "Logins per address and minute.", low=1)
    failed_logins_per_minute: int = _key(20, "Wrong passwords per address and minute.", low=1)
    searches_per_minute: int = _key(60, "Searches of every kind per account and minute.", low=1)
    same_search_per_hour: int = _key(30, "The same search per account and hour.", low=1)
    joins_per_minute: int = _key(120, "Rooms joined per account and minute.", low=1)
    messages_per_minute: int = _key(300, "Private messages and room lines per account and minute.", low=1)
    messages_to_one_per_minute: int = _key(
        120, "Private messages to one receiver per account and minute.", low=1
    )
    connections_asked_per_minute: int = _key(
        2000, "Introductions (ConnectToPeer) asked for per account and minute.", low=1
    )
    requests_per_minute: int = _key(20000, "Messages of every other kind per account and minute.", low=1)
    address_factor: float = _key(
        20.0,
        "How many times what one account may do per minute all accounts at one address may do together (many"
        " people may share one). More, if a proxy hides from where clients call.",
        low=1,
    )
    delay_seconds: float = _key(2.0, "How long a client over its limit is not read.", low=0)
    ban_after: int = _key(10, "Delays within ten minutes that end in a ban.", low=1)
    ban_minutes: float = _key(30.0, "How long that ban lasts.", low=0.1)


class AdminSection(Section):
    """Administration beyond the command line."""

    admins: list[str] = _key(
        [],
        "Accounts with administrator rights, beside those given with `admin user admin`. One that is not"
        " there yet has to be made with `admin user add`: nobody gets it by logging in first.",
    )
    http_host: str = _key("127.0.0.1", "Address of the HTTP administration port.")
    http_port: int = _key(
        0,
        "HTTP administration port, /metrics and /health too. 0 is off, unless there is a token: then the"
        " system chooses one, and the log names it.",
        low=0,
        high=65535,
    )
    http_token: str = _key(
        "", "Token that requests must carry (Authorization: Bearer ...). Needed if the port is on."
    )


class LogSection(Section):
    """The log on standard error."""

    level: Literal["debug", "info", "warning", "error"] = _key("info", "Least level shown.")
    format: Literal["auto", "human", "json"] = _key(
        "auto", '"human" for people, "json" for machines, "auto" asks the terminal.'
    )
    levels: list[str] = _list(
        'Other levels for parts, such as "store=debug" or "audit=warning"; the parts are '
        + ", ".join(LOGGED_PARTS)
        + "."
    )

    @field_validator("levels")
    @classmethod
    def _known(cls, levels: list[str]) -> list[str]:
        for text in levels:
            part, equals, level = text.partition("=")
            if part.removeprefix("server.") not in LOGGED_PARTS:
                raise ValueError(f"{part!r} is no part that logs; there are {', '.join(LOGGED_PARTS)}")
            if not equals or level.lower() not in log.LEVELS:
                raise ValueError(f"{text!r} is not a part, =, and one of {', '.join(log.LEVELS)}")
        return levels

    def by_part(self) -> dict[str, str]:
        """``levels`` as :func:`soulmesh.log.configure` takes them."""
        pairs = (text.split("=") for text in self.levels)
        return {f"server.{part.removeprefix('server.')}": level.lower() for part, level in pairs}


class Settings(Root):
    """All sections. Make one with :func:`load_settings` or :func:`make_settings`."""

    server: ServerSection = Field(
        default_factory=ServerSection, description="Where the server listens and what it says to newcomers."
    )
    accounts: AccountsSection = Field(default_factory=AccountsSection, description="Names and passwords.")
    store: StoreSection = Field(
        default_factory=StoreSection, description="Where everything is kept that outlives a restart."
    )
    bus: BusSection = Field(
        default_factory=BusSection,
        description="How several processes, on one host or on many, are one server together.",
    )
    limits: LimitsSection = Field(
        default_factory=LimitsSection,
        description="Bounds of what one connection may cost. They hold even when the abuse engine is off.",
    )
    rooms: RoomsSection = Field(default_factory=RoomsSection, description="Rooms.")
    chat: ChatSection = Field(default_factory=ChatSection, description="Private messages.")
    distributed: DistributedSection = Field(
        default_factory=DistributedSection, description="The tree over which searches travel."
    )
    search: SearchSection = Field(default_factory=SearchSection, description="Searches.")
    abuse: AbuseSection = Field(
        default_factory=AbuseSection,
        description="Published limits: first a notice that states the limit, then delay, then a ban.",
    )
    admin: AdminSection = Field(
        default_factory=AdminSection, description="Administration beyond the command line."
    )
    log: LogSection = Field(default_factory=LogSection, description="The log on standard error.")

    def has_secrets(self) -> bool:
        """Whether a file with these settings is nobody else's business."""
        return bool(self.admin.http_token) or any("@" in url for url in (self.store.url, self.bus.url))


def load_settings(
    path: Path | None = None,
    environment: Mapping[str, str] | None = None,
    changes: Iterable[str] = (),
    options: Mapping[str, Any] | None = None,
) -> Settings:
    """Settings from a file, the environment, and ``section.key=value`` texts.

    ``options`` are values by dotted key that beat all others; ``None`` is one not given.

    Raises:
        ConfigError: names the setting that is unknown or wrong, and where it came from.
    """
    given: dict[str, Any] = dict(machinery.assignments(changes))
    given.update({key: value for key, value in (options or {}).items() if value is not None})
    return machinery.load(Settings, file=path, prefix=PREFIX, environ=environment or {}, options=given)


def make_settings(options: Mapping[str, Any] | None = None) -> Settings:
    """The defaults, changed by dotted key: for servers inside of tests and demonstrations."""
    return load_settings(options=options)


def template() -> str:
    """The commented file that ``soulmesh server init`` writes."""
    return machinery.template(
        Settings,
        heading="Settings of the soulmesh server. What is commented out is the default. Each can be given as"
        " SOULMESH_SERVER_SECTION_KEY in the environment, or as --set section.key=value, which wins.",
    )
