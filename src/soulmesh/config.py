"""Every setting of the client, its commands and the daemon: one file serves them all.

Here they are declared, each once. :mod:`soulmesh.settings` reads them from file, environment and options.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from soulmesh.settings import Root, Section

__all__ = [
    "Account",
    "ApiKeySettings",
    "Behaviour",
    "Daemon",
    "Downloads",
    "Governor",
    "History",
    "Logging",
    "Metrics",
    "Network",
    "Paths",
    "Script",
    "Settings",
    "Shares",
    "Transfers",
    "UploadGroup",
    "Web",
    "Webhook",
    "default_data",
    "parse_address",
    "parse_listen",
    "parse_pace",
]

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


def parse_listen(text: str) -> tuple[str, int]:
    """Split ``HOST:PORT``, ``[IPV6]:PORT`` or ``:PORT`` for listening, where port 0 is any that is free.

    Raises:
        ValueError: it is none of these.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon or (":" in host and not host.startswith("[")) or host.endswith(":"):
        raise ValueError(f"{text!r} is no HOST:PORT, as 127.0.0.1:5030 is, or [::1]:0 with any free port")
    if port == "0":
        return host.strip("[]"), 0
    if not host and port:
        return "", parse_address(f"any:{port}")[1]
    return parse_address(text)


def _address(text: str) -> str:
    parse_address(text)
    return text


def parse_pace(text: str) -> tuple[int, float]:
    """Read ``34 in 220``: so many, in so many seconds; ``0`` is no limit, as (0, 0.0).

    Raises:
        ValueError: it is not of that form.
    """
    found = re.fullmatch(r"\s*(\d{1,6})(?:\s+in\s+(\d{1,6}(?:\.\d{1,3})?)(?:\s*s)?)?\s*", text)
    count, seconds = (int(found[1]), float(found[2] or 0)) if found is not None else (1, 0.0)
    if count and not seconds:
        raise ValueError(
            f"{text!r} is no pace: write 34 in 220 (so many, in so many seconds), or 0 for no limit"
        )
    return (count, seconds) if count else (0, 0.0)


def _pace(text: str) -> str:
    parse_pace(text)
    return text


def _home(value: Any) -> Any:
    return Path(value).expanduser() if isinstance(value, str | Path) and str(value) else value


def _no_empty_text(value: Any) -> Any:
    return None if value == "" else value


Address = Annotated[str, AfterValidator(_address)]
LocalPath = Annotated[Path, BeforeValidator(_home)]
Blank = BeforeValidator(_no_empty_text)
Pace = Annotated[str, AfterValidator(_pace)]
Level = Literal["debug", "info", "warning", "error"]


def default_data() -> Path:
    """Where data is kept when nobody says otherwise: below ``$XDG_DATA_HOME``, or ``~/.local/share``."""
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base) / "soulmesh"


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
    listen_host: str = Field(default="", description="The address to listen on; empty: all of this machine.")
    obfuscated_port: Annotated[int | None, Blank] = Field(
        default=None,
        ge=-1,
        le=65535,
        description="A second port, for obfuscated messages: empty: the one after listen_port; -1: none.",
    )
    obfuscate: bool = Field(
        default=False, description="Prefer the obfuscated ports of others where they have one."
    )
    connect: Literal["both", "direct-first", "direct-only", "callback-only"] = Field(
        default="both",
        description=(
            "How to reach other users: directly and through the server at once (both), or one after the\n"
            "other (direct-first), or one way only."
        ),
    )
    local_address: str = Field(
        default="", description="Call from this address and listen on it alone. Empty for any."
    )
    interface: str = Field(
        default="",
        description=(
            "Use this network interface alone (Linux), so that nothing leaves another way\n"
            "when a VPN is down: tun0. Empty for any."
        ),
    )
    proxy: Annotated[SecretStr | None, Blank] = Field(
        default=None,
        description="Outgoing connections go through this SOCKS 5 proxy.",
        examples=["socks5://name:password@127.0.0.1:1080"],
    )
    map_port: Literal["off", "auto", "gateway", "upnp"] = Field(
        default="off",
        description=(
            "Have the home router open the port: gateway by PCP or NAT-PMP, upnp by UPnP\n"
            "(pip install 'soulmesh[upnp]'), auto by whatever works."
        ),
    )
    router: str = Field(default="", description="The router's address. Empty to find it out (Linux).")
    forwarded_port_file: Annotated[LocalPath | None, Blank] = Field(
        default=None,
        description="A file that holds the port that a VPN forwards; it is looked at now and then.",
        examples=["/run/vpn/forwarded_port"],
    )
    forwarded_port_command: Annotated[str | None, Blank] = Field(
        default=None,
        description="A command that prints the port that a VPN forwards; it is run now and then.",
        examples=["vpn-port --print"],
    )


class Behaviour(Section):
    """How the client behaves, and what it says of you."""

    description: str = Field(default="", description="What you say of yourself to those who ask.")
    picture: Annotated[LocalPath | None, Blank] = Field(
        default=None,
        description="An image that you show to those who ask; at most 4 MiB.",
        examples=["~/me.jpg"],
    )
    results_per_answer: int = Field(
        default=300, ge=0, le=5000, description="At most so many files in one answer to a search of others."
    )
    accept_children: bool = Field(
        default=True, description="Pass searches on to others. Whoever shares should."
    )


class Shares(Section):
    """What others may find and download."""

    folders: list[LocalPath] = Field(
        default=[],
        description='Folders that are shared, with everything below them: ["~/Music", "/srv/audio"].',
    )
    watch: bool = Field(
        default=True,
        description="Notice changed files at once, where the system can tell (needs the package watchfiles).",
    )
    rescan_hours: float = Field(
        default=12.0, ge=0, description="Look through all folders so often, in hours; 0 is never."
    )
    lose_at_most: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description=(
            "When a larger part of a folder's files is gone, they are kept until a scan is told otherwise\n"
            "(soulmesh share scan --yes). 1 forgets them without a question."
        ),
    )


class Downloads(Section):
    """Where files go."""

    folder: LocalPath = Field(
        default=Path("~/Downloads/soulmesh"),
        description="Where finished downloads are put.",
        validate_default=True,
    )
    incomplete: Annotated[LocalPath | None, Blank] = Field(
        default=None, description="Where unfinished files grow; .incomplete in the folder above if not set."
    )
    layout: str = Field(
        default="{folder}/{name}",
        description=(
            "The place of a finished file below the folder. There are {name}, {stem}, {ext}, {folder}\n"
            "(the last remote folder), {parent} (the one above), {folders} (all of them), {username}."
        ),
    )
    portable_names: bool = Field(
        default=False,
        description=(
            'Replace what Windows does not take in names (? : * " < > |, blanks and dots at the end): then\n'
            "finished files can be copied anywhere. Otherwise names stay as they are where the disk takes it."
        ),
    )
    sync: bool = Field(
        default=False,
        description="Force finished files onto the disk before they are moved: slower, for power cuts.",
    )
    verify: bool = Field(
        default=False,
        description="Look whether finished audio files are as long as they, and their owners, say.",
    )
    decode: bool = Field(
        default=False,
        description="Decode finished FLAC files and compare the sound with its MD5 (needs the program flac).",
    )
    accept_pushes: str = Field(
        default="friends", description="Who may send you files unasked: nobody, friends, everyone, or names."
    )
    other_sources: Literal["never", "failed", "better"] = Field(
        default="never",
        description=(
            "When another user who has the same file takes over by itself: never, when the one that was\n"
            "asked failed for good, or also when no byte came for a while and a better one is there."
        ),
    )
    better_source: str = Field(
        default="free", description="Who is better, as a filter of a search: free speed>500k queue<5."
    )
    better_after_minutes: float = Field(
        default=60.0, ge=1, description="Minutes without a byte after which a better source is looked for."
    )
    patience_minutes: float = Field(
        default=60.0,
        ge=1,
        description="Minutes in a queue without a byte after which `get` and wishes turn to the next source.",
    )
    away_minutes: float = Field(
        default=10.0,
        ge=1,
        description=(
            "Minutes for which the source of a `get` or a wish may be offline or unreachable while another\n"
            "one stands by; also for the rest of its files when it has refused one."
        ),
    )
    reserve_mib: int = Field(default=64, ge=0, description="MiB of the disk that are left free.")


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


# -- the daemon -----------------------------------------------------------------------------------------


class ApiKeySettings(Section):
    """One API key."""

    key: SecretStr = Field(description="The key: 16 to 255 characters.")
    role: Literal["ReadOnly", "ReadWrite", "Guest", "Administrator"] = Field(
        default="ReadOnly", description="What it allows."
    )
    cidr: str = Field(default="0.0.0.0/0,::/0", description="From which addresses it may be used.")


class Webhook(Section):
    """An address that is told about events."""

    on: list[str] = Field(
        default=["Any"],
        description="Kinds of events: DownloadFileComplete, goal.GoalFinished, share, * for all.",
    )
    url: str = Field(description="Where the event is posted to, as JSON.")
    headers: dict[str, str] = Field(default={}, description="Sent along.")
    secret: SecretStr | None = Field(
        default=None, description="Signs the body: HMAC-SHA256 in the header X-Soulmesh-Signature."
    )
    ignore_certificate_errors: bool = Field(default=False, description="Trust any certificate.")
    timeout: float = Field(default=5.0, gt=0, le=300, description="Seconds that one attempt may take.")
    attempts: int = Field(
        default=10, ge=1, le=100, description="How often it is tried before it is given up."
    )


class Script(Section):
    """A program that is run for events."""

    on: list[str] = Field(
        default=["Any"],
        description="Kinds of events: DownloadFileComplete, goal.GoalFinished, share, * for all.",
    )
    command: str | None = Field(default=None, description="Run by the shell.")
    executable: str | None = Field(default=None, description="Run without a shell, with args.")
    args: list[str] = Field(default=[], description="For the executable.")
    timeout: float = Field(default=300.0, gt=0, description="Seconds after which it is ended.")
    attempts: int = Field(default=1, ge=1, le=100, description="How often it is tried.")


class Daemon(Section):
    """The program that is always on."""

    data: LocalPath = Field(
        default_factory=default_data,
        description="Where it keeps its databases. A local file system, please.",
        validate_default=True,
    )


class Web(Section):
    """The HTTP side of the daemon."""

    host: str = Field(
        default="127.0.0.1",
        description="The address to listen on. Anything but this machine needs authentication.",
    )
    port: int = Field(default=5030, ge=0, le=65535, description="0 lets the system choose one.")
    url_base: str = Field(default="/", description="The path that a reverse proxy puts before ours.")
    authentication: bool = Field(default=True, description="Off: everybody who reaches the port may do all.")
    username: Annotated[str | None, Blank] = Field(default=None, description="The login of the page.")
    password: Annotated[SecretStr | None, Blank] = Field(default=None, description="Its password.")
    api_key: Annotated[SecretStr | None, Blank] = Field(
        default=None,
        description="A key with the role of an administrator: 16 to 255 characters.\n"
        'May carry a role and addresses: "role=ReadWrite;cidr=10.0.0.0/8;THE KEY".',
    )
    api_keys: dict[str, ApiKeySettings] = Field(
        default={},
        description='Further keys by name: { lidarr = { key = "...", role = "ReadWrite" } }.',
    )
    jwt_key: Annotated[SecretStr | None, Blank] = Field(
        default=None,
        description="Signs logins, at least 32 characters. Without it, a restart logs everybody out.",
    )
    jwt_lifetime: float = Field(default=168.0, gt=0, description="Hours that a login lasts.")
    certificate: Annotated[LocalPath | None, Blank] = Field(
        default=None, description="A PEM file with certificate and chain: HTTPS instead of HTTP."
    )
    certificate_key: Annotated[LocalPath | None, Blank] = Field(
        default=None, description="The PEM file of its key, if it is a file of its own."
    )


class Governor(Section):
    """How often the server is asked for what it limits."""

    enabled: bool = Field(
        default=True,
        description="Keep to the pace that the public server bears. Off only for a server of your own.",
    )
    search: Pace = Field(
        default="34 in 220", description="Searches: so many in so many seconds; 0 for no limit."
    )
    join: Pace = Field(default="30 in 60", description="Rooms that are entered.")
    connect: Pace = Field(default="60 in 10", description="Links to other users that are opened.")
    browse: Pace = Field(default="20 in 60", description="Users who are asked for all that they share.")
    place: Pace = Field(default="30 in 60", description="Questions for our place in the queues of others.")


class UploadGroup(Section):
    """How one group of users is served; what is not said stays as it is for that group, or for default."""

    users: list[str] = Field(default=[], description="Who belongs to it, by name.")
    tier: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Lower tiers go first: privileged 0, friends 1, default 2, leechers 3.",
    )
    weight: int | None = Field(default=None, ge=1, le=1000, description="Its part in the order by weights.")
    slots: int | None = Field(
        default=None, ge=0, le=1000, description="Uploads to the whole group at a time; 0 for no limit."
    )
    slots_per_user: int | None = Field(default=None, ge=1, le=100, description="Uploads to one user of it.")
    queue_files: int | None = Field(
        default=None, ge=0, description="Files that one of them may have waiting; 0 for any number."
    )
    queue_megabytes: int | None = Field(
        default=None, ge=0, description="Megabytes that one of them may have waiting; 0 for any number."
    )
    speed_kib: int | None = Field(
        default=None, ge=0, description="KiB per second for all of them together; 0 for no limit."
    )


class Transfers(Section):
    """Downloads and uploads."""

    retry: bool = Field(default=True, description="Try failed downloads again by themselves.")
    upload_slots: int = Field(default=3, ge=0, le=1000, description="Uploads at a time.")
    upload_limit_kib: Annotated[int | None, Blank] = Field(
        default=None, ge=1, description="KiB per second for all uploads."
    )
    download_limit_kib: Annotated[int | None, Blank] = Field(
        default=None, ge=1, description="KiB per second for all downloads."
    )
    schedule: list[str] = Field(
        default=[],
        description=(
            'Other limits at some hours, KiB per second: ["22:00-07:00 up=0 down=0"], 0 for none;\n'
            "what a rule does not name keeps its limit."
        ),
    )
    upload_order: Literal["round robin", "first come", "weighted"] = Field(
        default="round robin",
        description="Who is next: one file of each user in turn, as they asked, or by weights of groups.",
    )
    queue_files: int = Field(
        default=500, ge=0, description="Files that one user may have waiting here; 0 for any number."
    )
    queue_megabytes: int = Field(
        default=20_000, ge=0, description="Megabytes that one user may have waiting here; 0 for any number."
    )
    groups: dict[str, UploadGroup] = Field(
        default={},
        description=(
            "Groups of users with rules of their own, and other rules for privileged, friends, default and\n"
            'leechers: { band = { users = ["ann", "eve"], tier = 1, slots = 2, queue_files = 1000 } }.\n'
            "`soulmesh uploads try FILE` tells what rules would have done to the requests of the last days."
        ),
    )
    leech_files: int = Field(
        default=0, ge=0, description="Who shares fewer files than this is a leecher; 0: nobody."
    )
    leech_folders: int = Field(default=0, ge=0, description="The same by folders.")
    min_upload_kib: int = Field(
        default=0,
        ge=0,
        description="KiB per second that an upload must reach to keep its slot while others wait; 0: any.",
    )


class Paths(Section):
    """What other programs see where we see our folders."""

    seen_as: dict[str, str] = Field(
        default={},
        description='Folders as the programs that ask us see them: { "/data" = "/mnt/soulseek" }.',
    )


class History(Section):
    """How long things are remembered, in days; 0 is for ever."""

    searches: float = Field(default=7.0, ge=0, description="Finished searches with their results.")
    events: float = Field(default=30.0, ge=0, description="Events.")


class Metrics(Section):
    """Numbers for Prometheus."""

    enabled: bool = Field(default=False, description="Serve /metrics.")
    path: str = Field(default="/metrics", description="Where.")
    authentication: bool = Field(default=True, description="Ask for a name and a password of their own.")
    username: str = Field(default="soulmesh", description="The name.")
    password: Annotated[SecretStr | None, Blank] = Field(default=None, description="The password.")


class Settings(Root):
    """All settings of the client and of the daemon."""

    instance_name: str = Field(default="default", description="What this daemon is called.")
    remote_configuration: bool = Field(
        default=False, description="Whether the settings may be read and changed over HTTP."
    )
    remote_file_management: bool = Field(
        default=False, description="Whether files in the download folders may be deleted over HTTP."
    )

    account: Account = Field(default_factory=Account, description="Who you are on the network.")
    network: Network = Field(
        default_factory=Network, description="Where to connect, and where others reach you."
    )
    client: Behaviour = Field(
        default_factory=Behaviour, description="How the client behaves, and what it says of you."
    )
    shares: Shares = Field(default_factory=Shares, description="What others may find and download.")
    downloads: Downloads = Field(default_factory=Downloads, description="Where files go.")
    log: Logging = Field(
        default_factory=Logging, description="What the program tells about its work, on standard error."
    )
    daemon: Daemon = Field(
        default_factory=Daemon, description="soulmesh daemon, the program that is always on."
    )
    web: Web = Field(default_factory=Web, description="The daemon's HTTP side: its API and its page.")
    governor: Governor = Field(
        default_factory=Governor, description="How often the server is asked for what it limits."
    )
    transfers: Transfers = Field(default_factory=Transfers, description="Downloads and uploads.")
    paths: Paths = Field(
        default_factory=Paths, description="What other programs see where the daemon sees its folders."
    )
    history: History = Field(
        default_factory=History, description="How many days the daemon remembers, 0 for ever."
    )
    metrics: Metrics = Field(default_factory=Metrics, description="Numbers for Prometheus.")
    webhooks: dict[str, Webhook] = Field(
        default={},
        description='Addresses told about events, by name: { done = { on = ["Any"], url = "..." } }.',
    )
    scripts: dict[str, Script] = Field(
        default={},
        description='Programs run for events, by name: { tag = { on = ["Any"], command = "..." } }.',
    )
