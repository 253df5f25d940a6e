"""``soulmesh demo``: a whole network on this machine, and a real file that travels through it."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
import tempfile
import textwrap
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from soulmesh.cli import run
from soulmesh.cli.demo_network import HOST, PASSWORD, DemoNetwork, Traffic
from soulmesh.cli.demo_web import VISITOR, page, talk
from soulmesh.cli.hits import COLUMNS, row
from soulmesh.cli.output import JsonOption, Output, clean, duration, size
from soulmesh.cli.samples import make_library
from soulmesh.cli.server import require_extra
from soulmesh.cli.share import opened, root_name
from soulmesh.cli.share_scan import scan_bars
from soulmesh.client.client import Client
from soulmesh.client.plain_shares import check_shareable
from soulmesh.client.results import Hit
from soulmesh.client.shares import Root, Shares
from soulmesh.client.transfers import SharedFiles
from soulmesh.core.transfer import State
from soulmesh.errors import NotFound, SoulmeshError, UsageError
from soulmesh.net.tap import Seen

__all__ = ["demo"]

FIRST, SHARER, BYSTANDER, SEARCHER = "rosa", "alice", "carol", "dave"
SHOWN = 12
"""Rows of the table of results."""

SECONDS = 4.0
"""How long the download should take at least: over 127.0.0.1 it would be done before anybody looks."""

SLOW = 400 * 1024
"""Bytes per second that are sent to who looks at the page: so that there is progress to be seen."""

WAIT = 5.0
"""Seconds to wait for results; the first one usually comes within a few milliseconds."""

STUCK = {State.DELAYED, State.NO_ROOM, State.OFFLINE}

SOUND = frozenset(
    ["aac", "ac3", "aif", "aiff", "ape", "au", "flac", "m4a", "mp3", "mpc", "ogg", "opus", "wav", "wma", "wv"]
)


class DamagedCopy(SoulmeshError):
    """What arrived is not what was sent."""

    def __init__(self, sent: str, received: str) -> None:
        self.sent = sent
        self.received = received

    def __str__(self) -> str:
        return f"the copy differs: SHA-256 {self.sent} was sent, {self.received} arrived"


class DownloadStuck(SoulmeshError):
    """The download waits for something that will not come while the demonstration runs."""

    hint = "see that the folder of --into can be written and has room, or leave it out"

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.name} does not arrive: {self.reason}"


@run.command
async def demo(
    share: Annotated[
        Path | None,
        typer.Option(
            "--share",
            metavar="DIR",
            help="Share this folder; without it a small library is made.",
            readable=False,
        ),
    ] = None,
    query: Annotated[str | None, typer.Option("--query", metavar="WORDS", help="What to search for.")] = None,
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="DIR", help="Keep the downloaded file, in this folder."),
    ] = None,
    port: Annotated[int, typer.Option("--port", help="The server's port; 0 for any free one.")] = 0,
    full_speed: Annotated[
        bool, typer.Option("--full-speed", help="Do not slow the upload down for the eye.")
    ] = False,
    trace: Annotated[bool, typer.Option("--trace", help="Show each message as it travels.")] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the network running, and tell how to join it.")
    ] = False,
    web: Annotated[
        bool,
        typer.Option("--web", help="Open the page on this network instead, and stay until Ctrl-C."),
    ] = False,
    http_port: Annotated[
        int, typer.Option("--http-port", help="The page's port with --web; 0 for any free one.")
    ] = 0,
    json: JsonOption = False,
) -> None:
    """Start a server and some users, search, download, and compare checksums.

    Everything happens on 127.0.0.1 and in a folder that is removed at the end. The exit code is 0 only
    if the file that arrived is the file that was shared, byte for byte.
    """
    require_extra()
    out = run.output(json=json)
    workplace = Path(tempfile.mkdtemp(prefix="soulmesh-demo-"))
    try:
        show = _Show(out, workplace, share, query, into, port, full_speed, trace)
        if web:
            await show.web(http_port)
        else:
            await show.run(keep=keep)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


class _Show:
    """One demonstration."""

    def __init__(
        self,
        out: Output,
        workplace: Path,
        share: Path | None,
        query: str | None,
        into: Path | None,
        port: int,
        full_speed: bool,
        trace: bool,
    ) -> None:
        self.out = out
        self.workplace = workplace
        self.share = share.expanduser() if share is not None else None
        self.query = query
        self.downloads = into.expanduser() if into is not None else workplace / "downloads"
        self.port = port
        self.full_speed = full_speed
        self.traffic = Traffic(self._trace if trace else None)

    async def run(self, *, keep: bool) -> None:
        """The whole of it."""
        began = asyncio.get_running_loop().time()
        shared = await self._library()
        query = self.query
        if query is None:
            query = await asyncio.to_thread(likely_query, shared)
        with opened(self.workplace / "data") as index:
            await self._index(index, shared)
            async with DemoNetwork(self.workplace, self.traffic, port=self.port) as network:
                self._step(f"A server listens on {HOST}:{network.server.port}.")
                await network.join(FIRST)
                alice = await network.join(SHARER, shares=index, upload_limit=None)
                await network.join(BYSTANDER)
                dave = await network.join(SEARCHER, downloads=self.downloads)
                counts = alice.shares.counts
                self._step(
                    f"{FIRST}, {SHARER}, {BYSTANDER} and {SEARCHER} are online;"
                    f" {SHARER} shares {counts.files} files in {counts.folders} folders."
                )
                self._tree(network)
                hits = await self._search(dave, query)
                chosen = hits[0]
                await self._download(network, alice, dave, chosen)
                self._summary(network, asyncio.get_running_loop().time() - began)
                if keep:
                    await self._stay(network, query)

    async def web(self, http_port: int) -> None:
        """The same network for a person with a browser: nothing is searched or downloaded before they do."""
        shared = await self._library()
        query = self.query or await asyncio.to_thread(likely_query, shared)
        with opened(self.workplace / "data") as index:
            await self._index(index, shared)
            async with DemoNetwork(self.workplace, self.traffic, port=self.port) as network:
                await network.join(FIRST)
                alice = await network.join(SHARER, shares=index, upload_limit=None)
                await network.join(BYSTANDER)
                if not self.full_speed:
                    alice.transfers.settings = _limited(alice, SLOW)
                async with page(network, self.workplace, http_port) as url:
                    await talk(network)
                    self._step(f"The page is at {url} and you are {VISITOR}.")
                    self.out.line(f"  Search there for “{query}”: {SHARER} shares it.")
                    self.out.line("Ctrl-C ends it.", style="dim")
                    self.out.record({"kind": "page", "url": url, "username": VISITOR, "query": query})
                    await asyncio.Event().wait()

    # -- the acts

    async def _library(self) -> Path:
        if self.share is not None:
            check_shareable(self.share)
            return self.share
        folder = self.workplace / "Music"
        made = await asyncio.to_thread(make_library, folder)
        formats = sorted({one.path.suffix[1:] for one in made})
        self._step(f"Made a library of {len(made)} playable files ({', '.join(formats)}).")
        return folder

    async def _index(self, index: Shares, folder: Path) -> None:
        """Look through the folder, as any user's shares are: for names, lengths and qualities."""
        _share(index, folder)
        with scan_bars(self.out) as show:
            await index.scan(niceness=0, progress=show)

    def _tree(self, network: DemoNetwork) -> None:
        for username, client in network.users.items():
            figures = client.tree.figures
            place = "root of the branch" if figures.parent is None else f"below {figures.parent}"
            self.out.line(f"  level {figures.level}  {username}, {place}", style="dim")
            self.out.record(
                {"kind": "user", "username": username, "level": figures.level, "parent": figures.parent}
            )

    async def _search(self, dave: Client, query: str) -> list[Hit]:
        self._step(f"{SEARCHER} searches for “{query}”.")
        hits: list[Hit] = []
        search = dave.search(query, timeout=WAIT)
        async with search:
            async for hit in search:
                hits.append(hit)
                # One user shares: when its answer is here, all answers are.
                if len(hits) >= hit.folder_files:
                    search.stop()
        hits = [hit for hit in hits if not hit.locked]
        # The best: what would be here first; among equals the largest, so that there is something to see.
        hits.sort(key=lambda hit: (not hit.free_slot, hit.queue, -hit.file.size))
        if not hits:
            raise NotFound(f"nobody shares anything that matches {query!r}")
        rows = [row(hit) for hit in hits]
        self.out.table(COLUMNS, rows if self.out.json else rows[:SHOWN])
        if len(rows) > SHOWN:
            self.out.line(f"  … and {len(rows) - SHOWN} more", style="dim")
        return hits

    async def _download(self, network: DemoNetwork, alice: Client, dave: Client, hit: Hit) -> None:
        self._step(f"{SEARCHER} downloads {hit.file.name} from {hit.username}.")
        if not self.full_speed:
            limit = max(256 * 1024, int(hit.file.size / SECONDS))
            alice.transfers.settings = _limited(alice, limit)
        transfer = await dave.transfers.download(hit.username, hit.file.remote_path, hit.file.size)
        with self.out.transfers() as bars:
            key = bars.add(hit.file.name, hit.file.size)
            async for now in transfer.updates():
                bars.update(key, now.done)
                if now.over or now.state in STUCK:
                    reason = None if now.finished else now.reason or str(now.state)
                    # The reason is told by the error, once.
                    bars.finish(key, failed=None if reason is None else "stopped")
                    if reason is not None:
                        raise DownloadStuck(hit.file.name, reason)
        local = transfer.local_path
        assert isinstance(alice.shares, SharedFiles)
        original = await alice.shares.locate(dave.username, hit.file.remote_path)
        if local is None or original is None:
            raise NotFound("the file is gone")
        sent, received = await asyncio.gather(
            asyncio.to_thread(checksum, original.local_path), asyncio.to_thread(checksum, local)
        )
        self.out.line(f"  shared    SHA-256 {sent}")
        self.out.line(f"  received  SHA-256 {received}")
        if sent != received:
            raise DamagedCopy(sent, received)
        self.out.line(f"SHA-256 verified: {size(hit.file.size)}, byte for byte the same.", style="bold green")
        self.out.record(
            {
                "kind": "verified",
                "remote_path": hit.file.remote_path,
                "username": hit.username,
                "size": hit.file.size,
                "sha256": sent,
                "bytes_per_second": round(transfer.speed),
                "local_path": local,
            }
        )
        if self.downloads.parent != self.workplace:
            self.out.line(f"  kept as {local}")

    def _summary(self, network: DemoNetwork, seconds: float) -> None:
        counts = self.traffic.counts
        families: Counter[str] = Counter()
        for passed, count in counts.items():
            families[passed.family] += count
        self._step("What happened on the wire")
        self.out.line(
            f"  {network.root} was branch root: the server handed the search to it, and it travelled"
            " down the tree."
        )
        for family, title in FAMILIES.items():
            if not families[family]:
                continue
            names = [
                passed.name + (f"\u00a0×{count}" if count > 1 else "")
                for passed, count in counts.items()
                if passed.family == family
            ]
            self._wrapped(f"  {title}: {', '.join(names)}")
        total = sum(self.traffic.size.values())
        self.out.line(
            f"{sum(counts.values())} messages, {size(total)} beside the file; {duration(seconds)} in all."
        )
        self.out.record(
            {
                "kind": "summary",
                "branch_root": network.root,
                "messages": {
                    family: {p.name: n for p, n in counts.items() if p.family == family}
                    for family in FAMILIES
                    if families[family]
                },
                "seconds": round(seconds, 2),
            }
        )

    async def _stay(self, network: DemoNetwork, query: str) -> None:
        host, port = network.address
        self.out.line()
        self.out.line("The network stays. Join it with any name and password, from another terminal:", "bold")
        login = f"--server {host}:{port} --username you --password secret"
        self.out.line(f'  soulmesh search {login} "{query}"')
        self.out.line(f"  or point Nicotine+ (Preferences, Network, Server) at {host}:{port}")
        self.out.line("Ctrl-C ends it.", style="dim")
        self.out.record({"kind": "running", "host": host, "port": port, "password": PASSWORD})
        await asyncio.Event().wait()

    def _step(self, text: str) -> None:
        self.out.line(text, style="bold")

    def _wrapped(self, text: str) -> None:
        for line in textwrap.wrap(text, self.out.console.width, subsequent_indent="    "):
            self.out.line(line, style="dim")

    def _trace(self, seen: Seen) -> None:
        way = "->" if seen.sent else "<-"
        self.out.note(f"    {seen.owner:>6} {way} {seen.family:<11} {seen.name} ({seen.size} bytes)")


FAMILIES = {
    "server": "with the server",
    "peer_init": "opening connections",
    "distributed": "down the tree (D)",
    "peer": "between users (P)",
    "file": "on the file connection (F)",
}


def _share(index: Shares, folder: Path) -> None:
    path = folder.absolute()
    index.save_root(Root(0, root_name(index, path, None), path))


def _limited(client: Client, limit: int) -> Any:
    return replace(client.transfers.settings, upload_limit=limit)


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def likely_query(folder: Path) -> str:
    """Words that find something in a folder: those of its largest piece of music, or largest file.

    Raises:
        UsageError: there is no file with a word in its name.
    """
    best: tuple[bool, int, list[str]] = (False, -1, [])
    for path in folder.rglob("*"):
        if not path.is_file() or any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        inside = path.relative_to(folder).with_suffix("")
        words = _words(inside.parts[0] if len(inside.parts) > 1 else inside.name) or _words(inside.name)
        if words:
            best = max(best, (path.suffix[1:].lower() in SOUND, path.stat().st_size, words[:2]))
    if not best[2]:
        raise UsageError(f"{clean(str(folder))} holds no file to search for; share another folder")
    return " ".join(best[2])


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"[^\W_]+", text.lower()) if len(word) > 2]
