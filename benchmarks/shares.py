#!/usr/bin/env python3
"""What a large collection costs: index, memory, searches, changes, scanning, browsing; others beside it.

Each program runs in a process of its own, one after the other, on the same data: a made-up library
(`library.py`), kept in the temporary folder with the exact number of files that each query matches, and a
folder of small audio files. `wrong` counts answers whose size is not that number (up to the limit).

    python benchmarks/shares.py --files 1000000             everything (the first run makes the data: minutes)
    python benchmarks/shares.py --part search               a tenth of it, and searches only
    python benchmarks/shares.py --only ours --json shares.json
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import importlib.util
import json
import os
import random
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "impls"), str(HERE.parent / "src")]

IMPLEMENTATIONS = ("ours", "aioslsk", "nicotine")
NEEDS = {"aioslsk": "aioslsk", "nicotine": "pynicotine"}
DATA = Path(os.environ.get("BENCH_DATA") or Path(tempfile.gettempdir()) / "soulmesh-bench")

# What ours should reach: (figure, at most or at least, bound).
BOUNDS: dict[str, tuple[str, float]] = {
    "build_s": ("<=", 15),
    "open_ms": ("<=", 200),
    "bytes_per_file": ("<=", 120),
    "disk_beside_records_per_file": ("<=", 130),
    "queries_per_s": (">=", 12_000),
    "replies_per_s": (">=", 6_000),
    "p99_ms": ("<=", 1),
    "worst_ms": ("<=", 10),
    "hostile_worst_ms": ("<=", 50),
    "wrong": ("<=", 0),
    "add_1000_ms": ("<=", 100),
    "remove_1000_ms": ("<=", 20),
    "rescan_100k_s": ("<=", 2),
    "browse_s": ("<=", 10),
    "browse_mb": ("<=", 100),
    "browse_again_ms": ("<=", 50),
}


def resident(field: str = "VmRSS:") -> int:
    """Bytes of memory that this process has now, mapped files included."""
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return 0


def peak() -> int:
    """The most it ever had. (What getrusage says includes the process that started this one.)"""
    return resident("VmHWM:")


def timed(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def library(files: int, queries: int) -> Any:
    return importlib.import_module("library").load(DATA, files, queries)


# -- parts, each in a process of its own ----------------------------------------------------------------


def build(impl: str, args: argparse.Namespace, work: Path) -> dict[str, Any]:
    """The index, written by ours in a process that ends: what a client sees is measured elsewhere."""
    paths = library(args.files, args.queries).paths
    index = importlib.import_module(f"{impl}_search").Index(paths, str(work), 100)
    del paths
    before = resident()
    seconds = timed(index.build)
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {"build_s": seconds, "build_extra_mb": (child - before) / 1e6}


def search(impl: str, args: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Queries in a random order, until they or the seconds are used up."""
    made = library(args.files, args.queries)
    jobs = list(zip(made.queries, made.expected, strict=True))
    random.Random(1).shuffle(jobs)
    module = importlib.import_module(f"{impl}_search")
    cap = args.limit or module.CAP
    found: dict[str, Any] = {"limit": cap}
    if impl == "ours":
        count = len(made.paths)
        del made
        gc.collect()
        before = resident()
        index = module.Index([], str(work), cap)
        found["open_ms"] = timed(index.open) * 1000
    else:
        gc.collect()
        before = resident()
        count = len(made.paths)
        index = module.Index(made.paths, str(work), cap)
        made.paths = []
        found["build_s"] = timed(index.build)
        gc.collect()
    found |= ask(index.query, jobs, cap, args.seconds)
    found["bytes_per_file"] = (resident() - before) / count
    if getattr(index, "disk_bytes", 0):
        found["disk_per_file"] = index.disk_bytes / count
    if impl == "ours":
        # The listing holds name, size and attributes of each file, ready to be sent: records, not index.
        records = index.index.base.file.section("listing").nbytes
        found["disk_beside_records_per_file"] = (index.disk_bytes - records) / count
        replies = ask(index.reply, jobs, cap, args.seconds)
        found["replies_per_s"] = replies["queries_per_s"]
        found["reply_p99_ms"] = replies["p99_ms"]
        found["bytes_per_file_after_replies"] = (resident() - before) / count
        found |= hostile(index)
        found |= changes(index, jobs, cap)
    index.close()
    return found


def ask(query: Callable[[str], int], jobs: list[tuple[str, int]], cap: int, seconds: float) -> dict[str, Any]:
    """Queries a second are counted in CPU time, on one core; how long single ones take, on the clock, and
    the worst of them in CPU time too: on a busy machine the clock counts what others do meanwhile."""
    times, wrong, worst = [], 0, 0.0
    end = time.perf_counter() + seconds
    worked = time.process_time()
    for text, right in jobs:
        began, cpu = time.perf_counter(), time.thread_time()
        got = query(text)
        now, cpu = time.perf_counter(), time.thread_time() - cpu
        times.append(now - began)
        worst = max(worst, cpu)
        wrong += got != min(right, cap)
        if now > end:
            break
    worked = time.process_time() - worked
    times.sort()
    return {
        "asked": len(times),
        "queries_per_s": len(times) / worked,
        "queries_per_s_by_the_clock": len(times) / sum(times),
        "median_us": times[len(times) // 2] * 1e6,
        "p99_ms": times[int(len(times) * 0.99)] * 1e3,
        "worst_ms": times[-1] * 1e3,
        "worst_cpu_ms": worst * 1e3,
        "wrong": wrong,
    }


def hostile(index: Any) -> dict[str, Any]:
    """Terms that cost as much as they can: single letters, signs around common words, hundreds of terms."""
    from soulmesh.core.query import parse_query

    rng = random.Random(3)
    letters = "abcdefghijklmnopqrstuvwxyz"
    common = ["mp3", "the", "of", "live", "love", "flac", "01", "02", "feat", "remix"]
    queries = [f"*{a}" for a in letters] + [f"*{a}{b}" for a in letters[:8] for b in letters]
    queries += [
        ",mp3",
        ".mp3",
        "mp3 -mp3.",
        "-.mp3 the",
        "*e.the",
        "*.mp3",
        "mp3 -*3",
        "*a *e *i *o *u",
        "r. -v0,i -!98-",
    ]
    queries += [" ".join(common), " ".join(f"*{a}{b}" for a in letters for b in letters)[:3000]]
    for _ in range(400):
        terms = []
        for _ in range(rng.randint(1, 4)):
            word = rng.choice(["", "-", "*", "-*"]) + rng.choice([*common, *letters])
            terms.append(
                word + rng.choice(["", ".", ",", "-", "'", "_", ")"]) + rng.choice(["", *common, *letters])
            )
        queries.append(" ".join(terms))
    times, dropped = [], 0
    for text in queries:
        began = time.perf_counter()
        dropped += index.index.search(parse_query(text), 100).too_dear
        times.append(time.perf_counter() - began)
    times.sort()
    return {
        "hostile_asked": len(times),
        "hostile_mean_ms": sum(times) / len(times) * 1e3,
        "hostile_worst_ms": times[-1] * 1e3,
        "hostile_dropped": dropped,
    }


def changes(adapter: Any, jobs: list[tuple[str, int]], cap: int) -> dict[str, Any]:
    """A thousand files come, a thousand go, and searches go on."""
    index = adapter.index
    added = [
        (b"New\\Folder %d" % (n // 10), b"%02d - a new love song %d.mp3" % (n % 10, n)) for n in range(1000)
    ]
    step = max(1, index.base.files // 1000)
    gone = [index.remote_path(number).rpartition(b"\\") for number in range(0, index.base.files, step)][:1000]
    add = timed(lambda: [index.add(1, folder, name, 1000, b"") for folder, name in added])
    remove = timed(lambda: [index.remove(1, folder, name) for folder, _, name in gone])
    after = ask(adapter.query, jobs[:3000], cap, 30)
    return {
        "add_1000_ms": add * 1000,
        "remove_1000_ms": remove * 1000,
        "queries_per_s_with_changes": after["queries_per_s"],
    }


def browse(impl: str, args: argparse.Namespace, work: Path) -> dict[str, Any]:
    """The browse reply of everything: made, sent again from the cache, made again after a change."""
    from soulmesh.client.shares import Root, Shares
    from soulmesh.client.shares.store import Store

    # The records as a scan would have written them; the index is the one that was built.
    store = Store(work / "shares.sqlite")
    if not store.roots():
        store.save_root(Root(0, b"bench", work))
        store.execute("UPDATE roots SET files = 1")
    store.set("base", "base.shares")
    store.close()
    shutil.rmtree(work / "browse", ignore_errors=True)
    shares = Shares(work, wall_clock=lambda: datetime.now(UTC))
    before = resident()
    found: dict[str, Any] = {}

    async def one(name: str, scale: float) -> None:
        began = time.perf_counter()
        size = 0
        for piece in await shares.browse_reply("somebody"):
            size += len(piece)
        found[name] = (time.perf_counter() - began) * scale
        found["browse_bytes"] = size
        if size < args.files:
            raise SystemExit(f"a browse reply of {size} bytes cannot name {args.files:,} files")

    high = peak()
    asyncio.run(one("browse_s", 1))
    found["browse_mb"] = (max(peak(), high) - before) / 1e6
    asyncio.run(one("browse_again_ms", 1000))
    shares.close()
    return found


def scan(impl: str, args: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Audio files with attributes: all new, nothing changed, and again after a restart."""
    folder = audio_folder(args.audio)
    module = importlib.import_module(f"{impl}_scan")
    scanner = module.Scanner(str(folder), str(work / "scan"))
    found: dict[str, Any] = {"scan_s": timed(scanner.scan), "rescan_s": timed(scanner.scan)}
    scanner.store()
    found["scanned"], found["with_attributes"] = scanner.counts()
    return found


def restart(impl: str, args: argparse.Namespace, work: Path) -> dict[str, Any]:
    """A new process with what the first scan stored."""
    folder = audio_folder(args.audio)
    module = importlib.import_module(f"{impl}_scan")
    box: list[Any] = []
    load = timed(lambda: box.append(module.Scanner(str(folder), str(work / "scan"))))
    return {"restart_s": load + timed(box[0].scan)}


def rescan(impl: str, args: argparse.Namespace, work: Path) -> dict[str, Any]:
    """An unchanged tree of 100,000 files."""
    tree = DATA / "tree-100000"
    if not tree.exists():
        for number in range(100_000):
            place = tree / f"artist {number // 500:03}" / f"album {number // 10 % 50:02}"
            if number % 10 == 0:
                place.mkdir(parents=True, exist_ok=True)
            (place / f"{number % 10:02} - track.txt").touch()
    module = importlib.import_module(f"{impl}_scan")
    scanner = module.Scanner(str(tree), str(work / "rescan"))
    scanner.scan()
    return {"rescan_100k_s": min(timed(scanner.scan) for _ in range(2))}


PARTS: dict[str, tuple[Callable[[str, argparse.Namespace, Path], dict[str, Any]], tuple[str, ...]]] = {
    "build": (build, ("ours",)),
    "search": (search, IMPLEMENTATIONS),
    "browse": (browse, ("ours",)),
    "scan": (scan, IMPLEMENTATIONS),
    "restart": (restart, IMPLEMENTATIONS),
    "rescan": (rescan, IMPLEMENTATIONS),
}
# What a part needs beside itself when it is asked for alone.
TOGETHER = {"build": ("search", "browse"), "restart": ("scan",), "rescan": ("scan",)}


# -- audio files -----------------------------------------------------------------------------------------


def audio_folder(count: int) -> Path:
    """Small audio files, each a copy of its own, read once so that none comes from a cold disk."""
    folder = DATA / f"audio-{count}"
    if not folder.exists():
        made = make_audio(DATA / "audio-sources")
        rng = random.Random(5)
        unfinished = folder.with_suffix(".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        for number in range(count):
            place = unfinished / f"Artist {number // 40:04}" / f"Album {number // 10:05}"
            if number % 10 == 0:
                place.mkdir(parents=True)
            source = rng.choice(made)
            shutil.copyfile(source, place / f"{number % 10:02} - track {number}{source.suffix}")
        unfinished.rename(folder)
    for where, _, names in os.walk(folder):
        for name in names:
            (Path(where) / name).read_bytes()
    return folder


def make_audio(folder: Path) -> list[Path]:
    """Some sources: made by ffmpeg where it is installed, otherwise wave files of our own."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = [
        ("mp3", ["-c:a", "libmp3lame", "-b:a", "192k"]),
        ("mp3", ["-c:a", "libmp3lame", "-q:a", "1"]),
        ("flac", ["-c:a", "flac"]),
        ("ogg", ["-c:a", "libvorbis", "-q:a", "4"]),
        ("m4a", ["-c:a", "aac"]),
    ]
    made = []
    for number in range(20):
        suffix, options = kinds[number % len(kinds)] if shutil.which("ffmpeg") else ("wav", [])
        path = folder / f"{number}.{suffix}"
        if suffix == "wav" and not path.exists():
            with wave.open(str(path), "wb") as file:
                file.setparams((1, 2, 22050, 0, "NONE", ""))
                file.writeframes(struct.pack("<h", number) * 22050)
        elif not path.exists():
            source = f"sine=frequency={200 + 31 * number}:duration={1 + number % 3}"
            command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, *options, str(path)]
            subprocess.run(command, check=True)
        made.append(path)
    return made


# -- all of it -------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=100_000, help="paths in the library (default 100,000)")
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--audio", type=int, default=20_000, help="audio files to scan")
    parser.add_argument(
        "--limit", type=int, default=0, help="results in an answer (0: each program's default)"
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each program is asked")
    parser.add_argument("--only", choices=IMPLEMENTATIONS, help="one program")
    parser.add_argument("--part", choices=("search", "browse", "scan"), help="one part")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        part, impl, work = args.worker
        print("FIGURES " + json.dumps(PARTS[part][0](impl, args, Path(work))))
        return
    library(args.files, args.queries)
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="soulmesh-shares-") as scratch:
        for impl in IMPLEMENTATIONS:
            if args.only not in (None, impl):
                continue
            if impl in NEEDS and importlib.util.find_spec(NEEDS[impl]) is None:
                print(f"{impl} is not installed here: make bench sets it up", file=sys.stderr)
                continue
            work = Path(scratch) / impl
            work.mkdir()
            results[impl] = {}
            for part, (_, whose) in PARTS.items():
                if impl in whose and args.part in (None, part, *TOGETHER.get(part, ())):
                    print(f"{impl}: {part} ...", file=sys.stderr)
                    results[impl] |= worker(part, impl, work)
    show(results)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1), encoding="utf-8")


def worker(part: str, impl: str, work: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, *sys.argv[1:], "--worker", part, impl, str(work)]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if ran.returncode:
        return {f"{part}_failed": ran.returncode}
    found: dict[str, Any] = json.loads(ran.stdout.split("FIGURES ", 1)[1])
    return found


def show(results: dict[str, dict[str, Any]]) -> None:
    names = list(dict.fromkeys(name for figures in results.values() for name in figures))
    print(f"{'figure':32}" + "".join(f"{impl:>14}" for impl in results) + "   bound for ours")
    for name in names:
        row = f"{name:32}"
        for figures in results.values():
            value = figures.get(name)
            if isinstance(value, float) and value < 1000:
                row += f"{value:>14.4g}"
            else:
                row += f"{'-' if value is None else format(value, ',.0f'):>14}"
        if name in BOUNDS and "ours" in results and name in results["ours"]:
            sign, bound = BOUNDS[name]
            value = results["ours"][name]
            good = value <= bound if sign == "<=" else value >= bound
            row += f"   {sign} {bound:,}  {'reached' if good else 'MISSED'}"
        print(row)


if __name__ == "__main__":
    main()
