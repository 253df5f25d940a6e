#!/usr/bin/env python3
"""How fast messages are written and read, beside aioslsk and Nicotine+ in the same run.

Every implementation reads the same bytes, made here with nothing but ``struct`` and ``zlib``, and its own
bytes must read back. Implementations take turns, round after round, so that whatever else the machine
does falls on all of them; CPU time is counted, and the median round. Compressed messages are measured
whole, and again with ``zlib`` replaced by nothing.

    python benchmarks/codec.py                       everything, in two minutes
    python benchmarks/codec.py --only search_reply   one message
    python benchmarks/codec.py --levels              what each level of compression costs and saves
    python benchmarks/codec.py --json codec.json     the figures for machines too
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import platform
import random
import statistics
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "impls"), str(HERE.parent / "src")]

IMPLEMENTATIONS = ("ours", "aioslsk", "nicotine")
OURS = "ours"

# What ours should reach, as a multiple of each of the others.
GOALS = {"aioslsk": 2.0, "nicotine": 1.5}
GOALS_OF = {
    ("distributed_search", "nicotine"): 1.0,
    ("obfuscate_1MB", "aioslsk"): 50.0,
}

PlainFile = tuple[str, int, list[tuple[int, int]]]


# -- the bytes and values, the same for all -------------------------------------------


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<I", len(data)) + data


def packed_file(path: str, size: int, attributes: list[tuple[int, int]]) -> bytes:
    pairs = b"".join(struct.pack("<II", *pair) for pair in attributes)
    return b"\1" + text(path) + struct.pack("<QII", size, 0, len(attributes)) + pairs


def frame(code: int, body: bytes) -> bytes:
    return struct.pack("<II", len(body) + 4, code) + body


def compressed(code: int, body: bytes) -> bytes:
    return frame(code, zlib.compress(body))


def search_reply_body(files: list[PlainFile]) -> bytes:
    packed = b"".join(packed_file(*f) for f in files)
    head = text("uploader") + struct.pack("<II", 77, len(files))
    return head + packed + struct.pack("<BIII", 1, 1_000_000, 3, 0)


def shares_body(folders: list[tuple[str, list[PlainFile]]]) -> bytes:
    packed = [
        text(name) + struct.pack("<I", len(files)) + b"".join(packed_file(*f) for f in files)
        for name, files in folders
    ]
    return struct.pack("<I", len(folders)) + b"".join(packed) + bytes(4)


def search_frame(user: str, ticket: int, query: str) -> bytes:
    body = b"\3" + struct.pack("<I", 49) + text(user) + struct.pack("<I", ticket) + text(query)
    return struct.pack("<I", len(body)) + body


def room_list_frame(rooms: list[tuple[str, int]]) -> bytes:
    names = b"".join(text(name) for name, _ in rooms)
    counts = struct.pack(f"<{len(rooms)}I", *(users for _, users in rooms))
    count = struct.pack("<I", len(rooms))
    return frame(64, count + names + count + counts + bytes(20))


class Library:
    """Made-up music: folders and names that compress like real ones."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        consonants, vowels = "bcdfghklmnprstvw", "aeiou"
        self.words = [
            "".join(
                self.random.choice(consonants) + self.random.choice(vowels)
                for _ in range(self.random.randint(1, 4))
            )
            for _ in range(3000)
        ]

    def title(self, words: int) -> str:
        return " ".join(self.random.choice(self.words).capitalize() for _ in range(words))

    def file(self, name: str, lossless: bool) -> PlainFile:
        length = self.random.randint(90, 540)
        if lossless:
            return f"{name}.flac", length * 110_000, [(1, length), (4, 44_100), (5, 16)]
        rate = self.random.choice((128, 192, 256, 320))
        return f"{name}.mp3", length * rate * 125, [(0, rate), (1, length), (2, self.random.randint(0, 1))]

    def folder(self, files: int) -> tuple[str, list[PlainFile]]:
        lossless = self.random.random() < 0.3
        artist, album = self.title(2), self.title(3)
        tracks = [self.file(f"{n:02d} - {self.title(3)}", lossless) for n in range(1, files + 1)]
        return f"@@music\\{artist}\\{self.random.randint(1965, 2024)} - {album}", tracks

    def results(self, count: int) -> list[PlainFile]:
        found: list[PlainFile] = []
        while len(found) < count:
            folder, files = self.folder(self.random.randint(1, 12))
            found += [(f"{folder}\\{name}", size, attributes) for name, size, attributes in files]
        return found[:count]


@dataclass
class Job:
    """One message: what to write it from, what to read, and what must come out."""

    name: str
    label: str
    values: tuple[Any, ...]
    wire: bytes
    right: Any
    body: bytes | None = None
    """Of compressed messages: what is inside."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes that each implementation writes."""


def jobs() -> list[Job]:
    library = Library(7)
    results = library.results(100)
    folders = [library.folder(10) for _ in range(10_000)]
    rooms = [(f"{library.title(2)} {n}"[:24], library.random.randint(1, 400)) for n in range(10_000)]
    search = ("searcher", 12_345, "some artist album flac")
    reply, shares = search_reply_body(results), shares_body(folders)
    return [
        Job(
            "search_reply", "search reply, 100 files", (results,), frame(9, zlib.compress(reply)), 100, reply
        ),
        Job("shares", "shares, 100,000 files", (folders,), frame(5, zlib.compress(shares)), 100_000, shares),
        Job(
            "distributed_search",
            "DistributedSearchRequest",
            search,
            search_frame(*search),
            search[2],
        ),
        Job("room_list", "RoomList, 10,000 rooms", (rooms,), room_list_frame(rooms), 10_000),
    ]


# -- measuring ----------------------------------------------------------------------------


class NoCompression:
    """Stands in for ``zlib``: the same bytes out as in."""

    error = zlib.error
    MAX_WBITS = zlib.MAX_WBITS

    class _Stream:
        eof = False
        unused_data = b""
        unconsumed_tail: Any = b""

        def decompress(self, data: Any, max_length: int = 0) -> bytes:
            end = max_length or len(data)
            self.unconsumed_tail = data[end:]
            self.eof = not len(self.unconsumed_tail)
            return bytes(data[:end])

    @staticmethod
    def compress(data: Any, *_: Any, **__: Any) -> bytes:
        return bytes(data)

    @staticmethod
    def decompress(data: Any, *_: Any, **__: Any) -> bytes:
        return bytes(data)

    @classmethod
    def decompressobj(cls, *_: Any) -> _Stream:
        return cls._Stream()


@contextmanager
def without_compression(impl: ModuleType) -> Iterator[None]:
    try:
        for module in impl.COMPRESSES:
            module.zlib = NoCompression
        yield
    finally:
        for module in impl.COMPRESSES:
            module.zlib = zlib


@dataclass
class Figure:
    """One thing that is measured: calls per CPU second, one per round."""

    job: str
    label: str
    work: str
    impl: str
    call: Callable[[], object]
    rates: list[float]
    per_call: float = 1.0
    unit: str = "/s"

    @property
    def rate(self) -> float:
        return statistics.median(self.rates) * self.per_call


def burst(call: Callable[[], object], seconds: float) -> float:
    """Calls per CPU second, over at least ``seconds`` of CPU time and one call."""
    calls, batch = 0, 1
    started = time.process_time()
    while True:
        for _ in range(batch):
            call()
        calls += batch
        spent = time.process_time() - started
        if spent >= seconds:
            return calls / spent
        batch = max(1, min(calls, int(calls / max(spent, 1e-4) * seconds / 10)))


def figures_of(job: Job, impls: dict[str, ModuleType], plain: bool) -> list[Figure]:
    """What can be measured of one message; everything is tried once and must be right."""
    found: list[Figure] = []
    data = job.wire[:8] + job.body if plain and job.body is not None else job.wire
    if plain:
        data = struct.pack("<I", len(data) - 4) + data[4:]
    suffix = ", no zlib" if plain else ""
    for name, impl in impls.items():
        make, parse = getattr(impl, f"make_{job.name}"), getattr(impl, f"parse_{job.name}")
        message = getattr(impl, f"prepare_{job.name}")(*job.values) if make else None
        with without_compression(impl) if plain else _as_it_is():
            if make:
                own = make(message)
                job.sizes[name] = len(own)
                _must_be(job, impl, parse(own), "its own bytes")
                write = _bound(make, message)
                found.append(Figure(job.name, job.label + suffix, "write", name, write, []))
            _must_be(job, impl, parse(data), "the bytes given to all")
        found.append(Figure(job.name, job.label + suffix, "read", name, _bound(parse, data), []))
    return found


def _must_be(job: Job, impl: ModuleType, got: object, what: str) -> None:
    if got != job.right:
        raise SystemExit(f"{impl.NAME}: {job.label}: {what} are read as {got!r}, not {job.right!r}")


def _bound(function: Callable[[Any], object], argument: Any) -> Callable[[], object]:
    return lambda: function(argument)


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


def obfuscation_figures(impls: dict[str, ModuleType]) -> list[Figure]:
    example = bytes.fromhex("1494ee4a2028dd952850ba2b4aa37457")
    blob = random.Random(3).randbytes(1_000_000)
    found = []
    for name, impl in impls.items():
        if impl.obfuscate is None:
            continue
        if impl.deobfuscate(example).hex() != "0800000079000000e8030000":
            raise SystemExit(f"{impl.NAME}: the worked example of the obfuscation comes out wrong")
        hidden = impl.obfuscate(blob)
        if impl.deobfuscate(hidden) != blob:
            raise SystemExit(f"{impl.NAME}: obfuscation does not come back")
        for work, function, data in (("write", impl.obfuscate, blob), ("read", impl.deobfuscate, hidden)):
            call = _bound(function, data)
            found.append(Figure("obfuscate_1MB", "obfuscating 1 MB", work, name, call, [], 1.0, " MB/s"))
    return found


def measure(
    found: list[Figure], impls: dict[str, ModuleType], rounds: int, seconds: float, plain: bool
) -> None:
    """Fill in the rates: implementations take turns, and another one begins each round."""
    for work in ("write", "read"):
        turns = [f for f in found if f.work == work]
        for number in range(rounds):
            for figure in turns[number % len(turns) :] + turns[: number % len(turns)]:
                with without_compression(impls[figure.impl]) if plain else _as_it_is():
                    gc.collect()
                    figure.rates.append(burst(figure.call, seconds / rounds))


# -- telling --------------------------------------------------------------------------------


def number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def rows_of(found: list[Figure]) -> list[dict[str, Any]]:
    """One row per message and work, with the ratios and whether the goal is reached."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for figure in found:
        row = rows.setdefault(
            (figure.label, figure.work),
            {"message": figure.label, "job": figure.job, "work": figure.work, "unit": figure.unit.strip()},
        )
        row[figure.impl] = figure.rate
    for row in rows.values():
        for other, general in GOALS.items():
            if other in row and OURS in row:
                goal = GOALS_OF.get((row["job"], other), general)
                row[f"times_{other}"] = row[OURS] / row[other]
                row[f"goal_{other}"] = goal
    return list(rows.values())


def table(rows: list[dict[str, Any]], impls: dict[str, ModuleType]) -> str:
    head = ["message", "", *(impl.NAME for impl in impls.values())]
    others = [name for name in impls if name != OURS]
    head += [f"ours / {impls[name].NAME}" for name in others]
    lines = [head]
    for row in rows:
        line = [row["message"], row["work"]]
        line += [f"{number(row[n])} {row['unit']}" if n in row else "-" for n in impls]
        for name in others:
            ratio = row.get(f"times_{name}")
            goal = row.get(f"goal_{name}", 0.0)
            mark = "" if ratio is None else " ok" if ratio >= goal else f" < {goal:g}"
            line.append("-" if ratio is None else f"{ratio:.2f}{mark}")
        lines.append(line)
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    shown = [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([shown[0], "-" * len(shown[0]), *shown[1:]])


def levels(impl: ModuleType, wanted: list[Job], seconds: float) -> list[dict[str, Any]]:
    """What each level of compression costs and saves, in our own writer and reader."""
    from soulmesh import wire

    found = []
    for job in wanted:
        if job.body is None:
            continue
        message = getattr(impl, f"prepare_{job.name}")(*job.values)
        parse = getattr(impl, f"parse_{job.name}")
        for level in (0, 1, 2, 3, 4, 5, 6, 9):
            written = wire.encode(message, level=level)
            write = burst(lambda m=message, n=level: wire.encode(m, level=n), seconds / 3)
            read = burst(lambda p=parse, d=written: p(d), seconds / 3)
            row = {"message": job.label, "level": level, "bytes": len(written), "write": write, "read": read}
            found.append(row)
            print(
                f"{job.label:<26} level {level}: {len(written):>10,} bytes"
                f"  write {number(write):>8} /s  read {number(read):>8} /s"
            )
    return found


def load(names: list[str]) -> dict[str, ModuleType]:
    found = {}
    for name in names:
        try:
            found[name] = importlib.import_module(f"{name}_codec")
        except ImportError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", metavar="NAME", help="measure only messages whose name contains this")
    parser.add_argument("--impl", action="append", choices=IMPLEMENTATIONS, help="only this one (repeatable)")
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU time per figure (default 1)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each implementation (default 3)")
    parser.add_argument("--levels", action="store_true", help="measure levels of compression instead")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too; - is standard output")
    parser.add_argument("--check", action="store_true", help="exit code 1 if a goal is missed")
    options = parser.parse_args()

    impls = load(options.impl or list(IMPLEMENTATIONS))
    if not impls:
        print("error: nothing to measure", file=sys.stderr)
        return 2
    chosen = [job for job in jobs() if not options.only or options.only in job.name]
    report: dict[str, Any] = {
        "python": platform.python_version(),
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
        "machine": platform.machine(),
    }
    if options.levels:
        if OURS not in impls:
            print("error: --levels measures ours", file=sys.stderr)
            return 2
        report["levels"] = levels(impls[OURS], chosen, options.seconds)
    else:
        rows: list[dict[str, Any]] = []
        sizes: dict[str, dict[str, int]] = {}
        for job in chosen:
            print(f"{job.label} ...", file=sys.stderr)
            for plain in (True, False) if job.body is not None else (False,):
                found = figures_of(job, impls, plain)
                measure(found, impls, options.rounds, options.seconds, plain)
                rows += rows_of(found)
            sizes[job.label] = job.sizes
        if not options.only or options.only in "obfuscate_1MB":
            found = obfuscation_figures(impls)
            measure(found, impls, options.rounds, options.seconds, False)
            rows += rows_of(found)
        print(f"Python {report['python']}, zlib {report['zlib']}; per second of CPU time, median of rounds")
        print()
        print(table(rows, impls))
        print()
        for label, written in sizes.items():
            own = ", ".join(f"{impls[name].NAME} {size:,}" for name, size in written.items())
            print(f"bytes written, {label}: {own}")
        report["figures"], report["bytes"] = rows, sizes
    if options.json:
        shown = json.dumps(report, indent=2) + "\n"
        if options.json == "-":
            sys.stdout.write(shown)
        else:
            Path(options.json).write_text(shown, encoding="utf-8")
    missed = [
        row
        for row in report.get("figures", ())
        for other in GOALS
        if row.get(f"times_{other}", 1e9) < row.get(f"goal_{other}", 0)
    ]
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
