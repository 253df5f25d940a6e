"""A diagnosis: each finding says what was looked at, how it is, why, and what can be done."""

from __future__ import annotations

import asyncio
import resource
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from soulmesh.client.errors import ClientError
from soulmesh.core.reasons import reason_code
from soulmesh.daemon.checks import check_folder, check_shared
from soulmesh.daemon.service import Service
from soulmesh.errors import ConfigError, NetworkError
from soulmesh.net.stream import open_stream

__all__ = ["Finding", "examine"]

LITTLE_SPACE = 1 << 30
FEW_FILES = 1024
ASKED_AT_MOST = 2
"""Users who are asked to connect to us."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    state: Literal["good", "warning", "bad", "unknown"]
    found: str
    """How it is; when it is not good, why."""
    cure: str = ""
    """What can be done."""
    code: str = ""
    """What ``found`` and ``cure`` say, for who has words in another language. Codes stay what they are."""
    params: dict[str, str | int | float] = field(default_factory=dict)
    """What stands in them."""

    def form(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def _good(subject: str, found: str, code: str, **params: str | int | float) -> Finding:
    return Finding(subject, "good", found, "", code, params)


def _why(reason: str) -> dict[str, str | int | float]:
    return {"reason": reason, "reason_code": reason_code(reason)} if reason else {}


def _logged_out(subject: str) -> Finding:
    return Finding(subject, "unknown", "not logged in", "", "logged_out")


async def examine(service: Service) -> list[Finding]:
    """Look at everything; takes some seconds when something does not answer."""
    checks: list[Callable[[Service], Awaitable[list[Finding]]]] = [
        _login,
        _round_trip,
        _port,
        _relay,
        _tree,
        _search,
        _folders,
        _space,
        _shares,
        _limits,
    ]
    # What does not answer takes its time: all of it at once.
    found = await asyncio.gather(*(check(service) for check in checks))
    return [finding for findings in found for finding in findings]


async def _login(service: Service) -> list[Finding]:
    link = service.engine.link
    if link.logged_in:
        return [_good("login", f"logged in as {link.username}", "login.in", user=link.username or "")]
    if not link.username:
        return [
            Finding(
                "login",
                "bad",
                "there is no account",
                "set account.username and a password (`soulmesh init`)",
                "login.no_account",
            )
        ]
    if not link.wanted and reason_code(link.problem or "") == "logged_out":
        cure = "connect: PUT /api/v1/connection, or the page"
        return [Finding("login", "bad", "logged out, as somebody wished", cure, "login.logged_out")]
    reason = link.problem or ""
    if reason_code(reason) == "logged_in_elsewhere":
        cure = "end the other program that uses this name, or use another name here; then connect again"
        return [Finding("login", "bad", reason, cure, "login.elsewhere", _why(reason))]
    cure = "check the name and the password, and whether the server can be reached"
    return [Finding("login", "bad", reason or "not logged in yet", cure, "login.out", _why(reason))]


async def _round_trip(service: Service) -> list[Finding]:
    link = service.engine.link
    if not link.logged_in or not link.username:
        return [_logged_out("server")]
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        await service.engine.user_status(link.username)
    except ClientError as error:
        cure = "the server is slow or gone; wait, or choose another"
        return [Finding("server", "bad", str(error), cure, "server.silent", _why(str(error)))]
    took = round(1000 * (loop.time() - begun))
    return [_good("server", f"answers within {took} ms", "server.answers", milliseconds=took)]


async def _port(service: Service) -> list[Finding]:
    subject, link = "listening port", service.engine.link
    if not link.logged_in or not link.username:
        return [_logged_out(subject)]
    try:
        # What the server tells everybody who wants to connect to us.
        host, port = await service.engine.user_address(link.username)
    except ClientError as error:
        found = f"the server does not know it: {error}"
        return [Finding(subject, "bad", found, "log in again", "port.unknown", _why(str(error)))]
    if port == 0:
        found = "the server was told of no port"
        return [Finding(subject, "bad", found, "set network.listen_port", "port.none")]
    where: dict[str, str | int | float] = {"host": host, "port": port}
    cure = f"forward TCP port {port} to this machine, and let it through its firewall"
    asked = ""
    for username in _acquainted(service):
        try:
            await service.engine.called_back(username)
        except ClientError:
            # It may be gone, or unable to connect to anybody: another one says more.
            asked = username
            continue
        found = f"{username}, asked through the server, connected to {host}:{port}"
        return [_good(subject, found, "port.reached", user=username, **where)]
    try:
        async with asyncio.timeout(5):
            stream = await open_stream(service.world.network, host, port)
        stream.abort()
    except (NetworkError, TimeoutError) as error:
        reason = str(error) or "no answer"
        found = f"{host}:{port} cannot be reached from here: {reason}"
        code, cure = "port.unreachable", f"{cure}; some routers refuse only the way from inside"
        return [Finding(subject, "warning", found, cure, code, {**where, "reason": reason})]
    if asked:
        found = f"{asked}, asked through the server, did not connect to {host}:{port}"
        return [Finding(subject, "warning", found, cure, "port.not_reached", {**where, "user": asked})]
    # From here says nothing of a firewall or a router before this machine.
    found = f"{host}:{port} answers from here; there is nobody yet whom to ask from outside"
    cure = "befriend somebody who is there, or enter a room, and examine again"
    return [Finding(subject, "unknown", found, cure, "port.answers", where)]


def _acquainted(service: Service) -> list[str]:
    """Users who are there and may be asked to connect to us: those near us, those we watch, those in our
    rooms. Few: each may take long."""
    engine = service.engine
    tree, ours = engine.tree, engine.link.username
    near = [tree.parent, *tree.children, tree.root, *(t.username for t in service.ledger.running())]
    near += [name for name, status, _ in engine.watched() if status.presence == "Online"]
    rooms = [room for name in engine.rooms() if (room := engine.room(name)) is not None]
    near += [member.username for room in rooms for member in room.members if member.presence == "Online"]
    return [name for name in dict.fromkeys(near) if name and name != ours][:ASKED_AT_MOST]


async def _relay(service: Service) -> list[Finding]:
    subject = "indirect connection"
    if not service.engine.link.logged_in:
        return [_logged_out(subject)]
    try:
        took = round(1000 * await service.engine.relayed())
    except ClientError as error:
        # How servers treat what goes to oneself is written nowhere: that alone proves nothing.
        cure = "if transfers with users who cannot be connected to fail as well, try another server"
        found = f"a request for a connection to ourselves did not come back from the server: {error}"
        return [Finding(subject, "warning", found, cure, "relay.silent", _why(str(error)))]
    found = f"the server passes on a request for a connection within {took} ms"
    return [_good(subject, found, "relay.answers", milliseconds=took)]


async def _tree(service: Service) -> list[Finding]:
    tree = service.engine.tree
    if not service.engine.link.logged_in:
        return [_logged_out("distributed network")]
    counts = {"children": len(tree.children), "most": tree.most_children}
    children = f"{len(tree.children)} of at most {tree.most_children} children"
    if tree.parent is not None:
        found = f"parent {tree.parent}, level {tree.level}, {children}"
        return [
            _good("distributed network", found, "tree.parent", parent=tree.parent, level=tree.level, **counts)
        ]
    if tree.children:
        # The server itself hands searches to a root, and takes nobody's children away from it.
        found = f"root of a branch, {children}"
        return [_good("distributed network", found, "tree.root", **counts)]
    return [
        Finding(
            "distributed network",
            "warning",
            f"no parent yet, {children}",
            "wait a minute; without a parent nobody finds our files by searching",
            "tree.no_parent",
            {**counts},
        )
    ]


async def _search(service: Service) -> list[Finding]:
    engine = service.engine
    if not engine.link.logged_in:
        return [_logged_out("searching")]
    delay = engine.search_delay()
    if delay > 0:
        found = f"the pace allows the next search in {delay:.0f} s"
        cure = "wait; governor.enabled decides about the pace"
        return [Finding("searching", "warning", found, cure, "search.wait", {"seconds": round(delay)})]
    try:
        took = round(1000 * await engine.searched())
    except ClientError as error:
        found = f"a search of our own files did not come back: {error}"
        cure = (
            "the server is slow, or keeps what goes to oneself; if no search finds anything, choose another"
        )
        return [Finding("searching", "warning", found, cure, "search.silent", _why(str(error)))]
    found = f"a search of our own files came back within {took} ms"
    return [_good("searching", found, "search.answers", milliseconds=took)]


async def _folders(service: Service) -> list[Finding]:
    def look() -> list[Finding]:
        found = []
        for path, purpose in _written_to(service):
            try:
                check_folder(path, purpose)
                found.append(_good(purpose, f"{path} can be written", "folder.writable", path=str(path)))
            except ConfigError as error:
                # What it is for is said already.
                reason = str(error).removeprefix(f"{purpose}: ")
                params: dict[str, str | int | float] = {"path": str(path), "reason": reason}
                found.append(Finding(purpose, "bad", reason, error.hint or "", "folder.closed", params))
        return found

    return await asyncio.to_thread(look)


def _written_to(service: Service) -> list[tuple[Path, str]]:
    """The folders that we write in, and what they are for."""
    settings = service.settings
    found = [
        (Path(settings.daemon.data).expanduser().absolute(), "the data folder"),
        (service.downloads, "the folder of downloads"),
    ]
    if settings.downloads.incomplete:
        unfinished = Path(settings.downloads.incomplete).expanduser().absolute()
        found.append((unfinished, "the folder of unfinished files"))
    return found


async def _space(service: Service) -> list[Finding]:
    def free() -> dict[int, tuple[int, Path]]:
        """Bytes by file system, and a folder of ours on each: the most that is downloaded comes first."""
        found: dict[int, tuple[int, Path]] = {}
        for path, _ in reversed(_written_to(service)):
            found.setdefault(path.stat().st_dev, (shutil.disk_usage(path).free, path))
        return found

    try:
        places = await asyncio.to_thread(free)
    except OSError as error:
        return [Finding("disk space", "unknown", str(error), "", "space.unknown", {"reason": str(error)})]
    found = []
    for left, path in places.values():
        text = f"{left / (1 << 30):.1f} GiB free at {path}"
        where: dict[str, str | int | float] = {"bytes": left, "path": str(path)}
        if left < LITTLE_SPACE:
            cure = "make room, or choose another folder"
            found.append(Finding("disk space", "warning", text, cure, "space.little", where))
        else:
            found.append(_good("disk space", text, "space.enough", **where))
    return found


async def _shares(service: Service) -> list[Finding]:
    def problems() -> list[str]:
        found = []
        for folder in service.settings.shares.folders:
            problem = check_shared(Path(folder).expanduser().absolute())
            if problem is not None:
                found.append(problem)
        return found

    found = [
        Finding(
            "shares",
            "bad",
            problem,
            "mount it, or correct shares.folders",
            "shares.closed",
            {"reason": problem},
        )
        for problem in (await asyncio.to_thread(problems))
    ]
    shares = service.engine.shares
    if shares.faulted:
        found.append(
            Finding("shares", "bad", "the last scan failed", "see the log; scan again", "shares.failed")
        )
    elif shares.files == 0 and not shares.scanning:
        found.append(
            Finding(
                "shares",
                "warning",
                "nothing is shared",
                "share something: many users refuse who shares nothing",
                "shares.nothing",
            )
        )
    else:
        text = f"files: {shares.files}, in folders: {shares.folders}"
        found.append(_good("shares", text, "shares.some", files=shares.files, folders=shares.folders))
    return found


async def _limits(service: Service) -> list[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    now = service.now()
    found = []
    if soft < FEW_FILES:
        few: dict[str, str | int | float] = {"limit": soft, "most": hard}
        if hard != resource.RLIM_INFINITY and hard < FEW_FILES:
            cure = "have root raise it (LimitNOFILE in the systemd unit, --ulimit nofile in a container)"
            found.append(Finding("open files", "warning", f"at most {soft}", cure, "files.few_for_all", few))
        else:
            cure = f"raise the limit (ulimit -n, up to {hard})"
            found.append(Finding("open files", "warning", f"at most {soft}", cure, "files.few", few))
    else:
        found.append(_good("open files", f"at most {soft}", "files.enough", limit=soft))
    try:
        # A clock that stands before our own database was written is wrong.
        written = await asyncio.to_thread(_written, service)
    except OSError:
        written = 0.0
    if now.year < 2025 or now.timestamp() < written - 3600:
        text = f"{now:%Y-%m-%d %H:%M}"
        cure = "set it, best by NTP"
        found.append(Finding("clock", "bad", f"it says {text}", cure, "clock.wrong", {"time": text}))
    else:
        text = f"{now:%Y-%m-%d %H:%M} UTC"
        found.append(_good("clock", text, "clock.right", time=text))
    return found


def _written(service: Service) -> float:
    """When our database was written last."""
    return (Path(service.settings.daemon.data).expanduser() / "daemon.sqlite").stat().st_mtime
