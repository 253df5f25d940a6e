"""How fluid the page stays: 25,000 results as they come, their order, the filter; 200 transfers that move; a
user who shares a million files.

The daemon runs in a process of its own, on a client that does nothing but answer; the page runs in Chromium,
without a window or a graphics card. Printed are the bars that were set beside what was seen, and in brackets
the processor time of the page's main thread: other work on the machine does not show in it.

    python benchmarks/page.py [--results 25000] [--seconds 5] [--tree 1000000] [--only results|tree]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "src")]

try:
    from playwright.async_api import CDPSession, Page, async_playwright
except ImportError:
    sys.exit("playwright is missing: make bench ARGS=benchmarks/page.py, or pip install playwright pytest")
from tests.daemon.fakes import KEY, Stage, stage, strike  # noqa: E402
from tests.daemon.stagecraft import SHARER, network  # noqa: E402
from tests.page.conftest import DESK, FLAGS, chromium  # noqa: E402

from soulmesh.client.transfers.events import TransferProgressed  # noqa: E402
from soulmesh.core.transfer import State  # noqa: E402
from soulmesh.daemon.api0.api import api as api0  # noqa: E402
from soulmesh.daemon.api1.api import api as api1  # noqa: E402
from soulmesh.daemon.http import page as page_files  # noqa: E402
from soulmesh.daemon.http.replies import empty  # noqa: E402
from soulmesh.daemon.http.routing import Router  # noqa: E402
from soulmesh.daemon.http.serving import HttpServer  # noqa: E402
from soulmesh.daemon.http.shell import Api, Shell  # noqa: E402
from soulmesh.daemon.ports import Answer, File  # noqa: E402

PER_TICK, TICK = 200, 0.1
"""Files that come at once, and seconds between."""
PER_USER, PER_FOLDER = 20, 10
TRANSFERS = 200

WATCH = """
window.seen = { tasks: [], frames: [] };
new PerformanceObserver((list) => { for (const one of list.getEntries()) seen.tasks.push(one.duration); })
  .observe({ type: "longtask", buffered: true });
let before = performance.now();
const frame = (now) => { seen.frames.push(now - before); before = now; requestAnimationFrame(frame); };
requestAnimationFrame(frame);
"""

CHANGE = """async ([selector, value, kind]) => {
  const element = document.querySelector(selector);
  const rows = () => [...document.querySelectorAll("[data-id]")].map((row) => row.dataset.id).join();
  const old = rows();
  const start = performance.now();
  element.value = value;
  element.dispatchEvent(new Event(kind, { bubbles: true }));
  while (rows() === old && performance.now() - start < 5000) await new Promise(requestAnimationFrame);
  return performance.now() - start;
}"""
"""Changes a field and waits until other rows are seen; milliseconds."""


SESSIONS: dict[Page, CDPSession] = {}
"""Where the browser tells about its own work."""


def answer(number: int) -> Answer:
    """What one user found: two folders of ten files."""
    files = []
    for at in range(PER_USER):
        album = f"Album {number * 7 % 97} part {at // PER_FOLDER} (19{number % 90 + 10})"
        folder = f"music\\Artist {number % 331}\\{album}"
        kind = "flac" if number % 3 else "mp3"
        attributes = ((1, 180 + at), (4, 44100), (5, 16)) if kind == "flac" else ((0, 320), (1, 200 + at))
        name = f"{folder}\\{at % PER_FOLDER + 1:02} - Title {number * at % 7919}.{kind}"
        files.append(File(name, 3_000_000 + number * at * 997 % 40_000_000, attributes))
    return Answer(f"user{number:05}", number % 2 == 0, number * 1013 % 9_000_000, number % 60, files)


async def feed(on: Stage, results: int) -> None:
    """Answer the newest search."""
    _, search = on.engine.searches[-1]
    loop = asyncio.get_running_loop()
    begun, told = loop.time(), 0
    while told < results:
        for _ in range(PER_TICK // PER_USER):
            search.answer(answer(told // PER_USER))
            told += PER_USER
        await asyncio.sleep(max(0.0, begun + told / PER_TICK * TICK - loop.time()))
    search.stop()


async def serve(folder: Path, results: int, pipe: Connection) -> None:
    on = await stage(folder)
    files = Api((), Router(page_files.routes(page_files.PageFiles())), lambda e: empty(e.status), _no, {}, {})
    shell = Shell([api0(on.service), api1(on.service), files], lambda: on.service.authenticator)
    server = HttpServer(shell, "127.0.0.1", 0)
    await server.start()
    pipe.send(server.port)
    loop = asyncio.get_running_loop()
    transfers = []
    while (order := await loop.run_in_executor(None, pipe.recv)) != "end":
        if order == "feed":
            on.service.spawn(feed(on, results), "feed")
        elif order == "activate":
            for number in range(TRANSFERS):
                made = on.engine.transfers.add(f"peer {number % 40}", f"a\\b\\{number}.flac", 10**8)
                transfers.append(made)
                on.engine.transfers.move(made, State.RUNNING)
        elif order == "progress":
            for at, one in enumerate(transfers):
                event = TransferProgressed(
                    one.id, "download", one.username, one.remote_path, 10**5 * at, 10**8, 1e6
                )
                on.engine.emit(event)
        pipe.send(time.process_time())
    await server.stop()
    await strike(on)


def shares_of(files: int) -> bytes:
    """A whole PeerSharesReply: artists of twenty albums of ten files."""

    def text(words: str) -> bytes:
        return struct.pack("<I", len(words)) + words.encode()

    packer = zlib.compressobj(1)
    parts = [b""]
    albums = files // 10
    parts[0] += packer.compress(struct.pack("<I", albums))
    for album in range(albums):
        artist = f"music\\Artist {album // 20:05}"
        entries = [text(f"{artist}\\Album {album % 20:02} (19{album % 90 + 10})"), struct.pack("<I", 10)]
        for number in range(10):
            size = 3_000_000 + album * 997 % 40_000_000 + number
            attributes = struct.pack("<IIIIIII", 3, 1, 180 + number, 4, 44100, 5, 16)
            name = text(f"{number + 1:02} - Title {album * number % 7919}.flac")
            entries.append(b"\x01" + name + struct.pack("<Q", size) + text("flac") + attributes)
        parts.append(packer.compress(b"".join(entries)))
    # The unknown number that ends the public part, and no locked folders.
    parts.append(packer.compress(struct.pack("<II", 0, 0)) + packer.flush())
    body = b"".join(parts)
    return struct.pack("<II", len(body) + 4, 5) + body


async def serve_tree(folder: Path, files: int, pipe: Connection) -> None:
    """A real network, with a user who shares so many files."""
    async with network(folder) as net:
        frame = await asyncio.to_thread(shares_of, files)

        async def browse(_username: str) -> bytes:
            return frame

        net.sharer.info._index.browse = browse  # type: ignore[method-assign]
        pipe.send(net.daemon.http.port)
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, pipe.recv) != "end":
            pipe.send(time.process_time())


def tree_process(folder: Path, files: int, pipe: Connection) -> None:
    asyncio.run(serve_tree(folder, files, pipe))


def _no(_error: object) -> None:
    return None


def server_process(folder: Path, results: int, pipe: Connection) -> None:
    asyncio.run(serve(folder, results, pipe))


def show(what: str, seen: str, bar: str = "") -> None:
    print(f"{what:<44} {seen:>24}  {bar}", flush=True)


def orders(pipe: Connection):  # type: ignore[no-untyped-def]
    def order(what: str) -> float:
        pipe.send(what)
        found: float = pipe.recv()
        return found

    return order


@contextlib.asynccontextmanager
async def visit(port: int) -> AsyncIterator[Page]:
    """A page of the daemon that is watched."""
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=chromium(), args=FLAGS)
        context = await browser.new_context(viewport=DESK, locale="en-GB")  # type: ignore[arg-type]
        kept = json.dumps({"token": None, "key": KEY})
        await context.add_init_script(f"localStorage.setItem('soulmesh.session', {json.dumps(kept)})")
        await context.add_init_script("localStorage.setItem('soulmesh.start.later', 'true')")
        await context.add_init_script(WATCH)
        page = await context.new_page()
        page.on("console", lambda line: print(line.text, file=sys.stderr) if line.type == "error" else None)
        page.on("pageerror", lambda error: print(error, file=sys.stderr))
        yield page
        await browser.close()


async def measure(port: int, pipe: Connection, results: int, seconds: float) -> None:
    order = orders(pipe)
    async with visit(port) as page:
        begun = time.perf_counter()
        await page.goto(f"http://127.0.0.1:{port}/")
        await page.get_by_role("heading", level=1).wait_for()
        show("page live, first visit", f"{1000 * (time.perf_counter() - begun):.0f} ms")
        loaded = await page.evaluate(
            "performance.getEntriesByType('resource').reduce((sum, one) => sum + one.transferSize, 0)"
        )
        show("loaded for it", f"{loaded / 1024:.0f} KB")
        await searching(page, order, results)
        await progress(page, order, seconds)


async def measure_tree(port: int, pipe: Connection, files: int) -> None:
    order = orders(pipe)
    async with visit(port) as page:
        await page.goto(f"http://127.0.0.1:{port}/")
        await page.get_by_role("heading", level=1).wait_for()
        heap = await memory(page)
        begun, before, own = time.perf_counter(), order("time"), await processor(page)
        await page.evaluate("seen.tasks.length = seen.frames.length = 0")
        await page.evaluate("name => { location.hash = `#/browse/${name}` }", SHARER)
        tree = page.get_by_role("treegrid")
        first = tree.get_by_role("row", level=2).first
        await first.wait_for(timeout=240_000)
        show(f"{files:,} files of a user: first rows after", f"{time.perf_counter() - begun:.1f} s")
        show(
            "  processor time: page, everybody else",
            f"{await processor(page) - own:.2f} s, {order('time') - before:.2f} s",
        )
        await page.locator(".browse-coming").wait_for(state="detached", timeout=240_000)
        used, own = order("time") - before, await processor(page) - own
        show("  all of them after", f"{time.perf_counter() - begun:.1f} s")
        show("  processor time: page, everybody else", f"{own:.2f} s, {used:.2f} s")
        show("  rows of the tree", await tree.get_attribute("aria-rowcount") or "?")
        tasks = await page.evaluate("seen.tasks")
        show("  long tasks of the page", f"{len(tasks)}, longest {max(tasks, default=0):.0f} ms")
        await tree.focus()
        for what, key in (("to the last row", "End"), ("to the first row", "Home")):
            own, begun = await processor(page), time.perf_counter()
            await page.keyboard.press(key)
            active = "document.querySelector('.list-row.active')?.getBoundingClientRect().height > 0"
            await page.wait_for_function(active)
            took = 1000 * (time.perf_counter() - begun)
            show(f"  {what}", f"{took:.0f} ms ({1000 * (await processor(page) - own):.0f} ms)")
        row = tree.get_by_role("row", level=2).first
        own, begun = await processor(page), time.perf_counter()
        await row.locator(".twist").click()
        await tree.get_by_role("row", level=3).first.wait_for()
        took = 1000 * (time.perf_counter() - begun)
        show("  a folder opened", f"{took:.0f} ms ({1000 * (await processor(page) - own):.0f} ms)")
        grown = await memory(page) - heap
        nodes = await page.evaluate("document.querySelectorAll('*').length")
        show("  elements; memory of scripts for it", f"{nodes}; {grown / 1e6:.1f} MB")


async def memory(page: Page) -> float:
    """Bytes that scripts hold, after collecting garbage."""
    session = await page.context.new_cdp_session(page)
    await session.send("HeapProfiler.collectGarbage")
    return float(await page.evaluate("performance.memory.usedJSHeapSize"))


async def best(page: Page, field: str, value: str, back: str, *, pause: float = 0) -> str:
    """The quickest of three changes from ``back`` to ``value``: what else runs on the machine is not ours."""
    kind = "change" if field.endswith("select") else "input"
    took, used = [], []
    for _ in range(3):
        before = await processor(page)
        took.append(await page.evaluate(CHANGE, [field, value, kind]) - pause)
        used.append(await processor(page) - before)
        await page.evaluate(CHANGE, [field, back, kind])
    return f"{min(took):.0f} ms ({1000 * min(used):.0f} ms)"


async def processor(page: Page) -> float:
    """Seconds of processor time that the page's main thread took so far."""
    session = SESSIONS.get(page)
    if session is None:
        session = SESSIONS[page] = await page.context.new_cdp_session(page)
        await session.send("Performance.enable", {"timeDomain": "threadTicks"})
    found = await session.send("Performance.getMetrics")
    return float(next(one["value"] for one in found["metrics"] if one["name"] == "TaskDuration"))


async def searching(page: Page, order, results: int) -> None:  # type: ignore[no-untyped-def]
    await page.get_by_role("searchbox", name="What to search for").fill("album title")
    await page.keyboard.press("Enter")
    await page.get_by_text("Waiting for the first answer").wait_for()
    await page.evaluate("seen.tasks.length = seen.frames.length = 0")
    before, own = order("feed"), await processor(page)
    shown = f"{results:,} files"
    await page.get_by_text(shown).first.wait_for(timeout=240_000)
    await page.get_by_role("button", name="Stop").wait_for(state="detached", timeout=60_000)
    used, own = order("time") - before, await processor(page) - own
    seen = await page.evaluate("seen")
    tasks, frames = seen["tasks"], seen["frames"]
    longest = max(tasks, default=0)
    show(f"{results:,} results stream in: long tasks", f"{len(tasks)}, longest {longest:.0f} ms", "100 ms")
    late = sum(1 for frame in frames if frame > 50)
    show("  frames later than 50 ms", f"{late} of {len(frames)}")
    show("  processor time: page, daemon", f"{own:.2f} s, {used:.2f} s")
    for by in ("size", "name", "speed", "quality"):
        show(f"sort by {by}, in groups", await best(page, ".search-tools select", by, "arrival"), "100 ms")
    for words in ("flac", "size>20mb free"):
        seen = await best(page, ".filter-field input", words, "", pause=120)
        show(f"filter {words!r}", seen, "100 ms, without the 120 for typing")
    await page.get_by_role("button", name="By user and folder").click()
    for by in ("size", "name"):
        show(f"sort by {by}, flat", await best(page, ".search-tools select", by, "arrival"), "100 ms")
    await page.get_by_role("button", name="By user and folder").click()
    await page.evaluate("seen.tasks.length = seen.frames.length = 0")
    await page.mouse.move(700, 500)
    own = await processor(page)
    for _ in range(40):
        await page.mouse.wheel(0, 900)
        await page.evaluate("new Promise(requestAnimationFrame)")
    tasks = await page.evaluate("seen.tasks")
    show(
        "scroll by 40 turns of the wheel: long tasks", f"{len(tasks)}, longest {max(tasks, default=0):.0f} ms"
    )
    show("  processor time of a turn, 32 new rows", f"{1000 * (await processor(page) - own) / 40:.0f} ms")
    nodes = await page.evaluate("document.querySelectorAll('*').length")
    show("elements in the document; memory of scripts", f"{nodes}; {await memory(page) / 1e6:.0f} MB")


async def progress(page: Page, order, seconds: float) -> None:  # type: ignore[no-untyped-def]
    order("activate")
    await page.evaluate("location.hash = '#/transfers'")
    await page.get_by_role("treegrid", name="Downloads").wait_for()
    await page.evaluate("seen.tasks.length = seen.frames.length = 0")
    begun, before = time.perf_counter(), await processor(page)
    used = order("time")
    while time.perf_counter() - begun < seconds:
        order("progress")
        await asyncio.sleep(0.25)
    passed = time.perf_counter() - begun
    part, daemon = (await processor(page) - before) / passed, (order("time") - used) / passed
    show(f"progress of {TRANSFERS} transfers: page's main thread", f"{100 * part:.0f} %")
    show("  daemon", f"{100 * daemon:.1f} % of a core")
    tasks = await page.evaluate("seen.tasks")
    show("  long tasks", f"{len(tasks)}, longest {max(tasks, default=0):.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, default=25_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--tree", type=int, default=1_000_000, help="files of the user that is browsed")
    parser.add_argument("--only", choices=("results", "tree"))
    options = parser.parse_args()
    if chromium() is None:
        sys.exit("error: there is no chromium (on Debian: apt install chromium)")
    if options.only != "tree":
        run(server_process, options.results, lambda *to: measure(*to, options.results, options.seconds))
    if options.only != "results":
        run(tree_process, options.tree, lambda *to: measure_tree(*to, options.tree))


def run(serve: Callable[..., None], much: int, look: Callable[..., Coroutine[Any, Any, None]]) -> None:
    """Serve in a process of its own, and look at it from here."""
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=serve, args=(Path(folder), much, theirs)
        )
        process.start()
        try:
            asyncio.run(look(ours.recv(), ours))
            ours.send("end")
            process.join(10)
        finally:
            process.kill()


if __name__ == "__main__":
    main()
