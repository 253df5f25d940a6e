"""Numbers for Prometheus, under the names that dashboards ask for.

They are read from the service in the moment they are asked for, so nothing has
to be counted twice; counters that outlive nothing start anew with the process.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from soulmesh.client.info import BrowseFigures
from soulmesh.client.transfers.uploads import RequestFigures
from soulmesh.core.transfer import State
from soulmesh.daemon.engine import ClientEngine
from soulmesh.daemon.ports import Engine
from soulmesh.daemon.sampling import search_counts
from soulmesh.daemon.service import Service

__all__ = ["TEXT", "as_json", "as_text", "samples"]

TEXT = "text/plain; version=0.0.4; charset=utf-8"

_RUNNING = frozenset({State.STARTING, State.RUNNING, State.DRAINING, State.SAVING})
Sample = tuple[str, str, str, float]


def samples(service: Service) -> Iterator[Sample]:
    """Name, help, type and value of each."""
    counted = service.counted
    for direction in ("upload", "download"):
        name = f"slskd_transfers_{direction}s"
        yield (
            f"{name}_completed_succeeded",
            f"{direction}s that finished",
            "counter",
            counted[direction, "ok"],
        )
        yield (
            f"{name}_completed_failed",
            f"{direction}s that were given up",
            "counter",
            counted[direction, "no"],
        )
        yield (
            f"{name}_completed_bytes",
            f"bytes of {direction}s that finished",
            "counter",
            counted[direction, "bytes"],
        )
        running = service.ledger.running(direction)
        active = [transfer for transfer in running if transfer.state in _RUNNING]
        waiting = [transfer for transfer in running if transfer.state not in _RUNNING]
        speed = sum(transfer.speed for transfer in active)
        now = {
            "in_progress_files": len(active),
            "in_progress_users": len({transfer.username for transfer in active}),
            "in_progress_bytes": sum(transfer.size or 0 for transfer in active),
            "in_progress_speed_total": speed,
            "in_progress_speed_average": speed / len(active) if active else 0.0,
            "queued_files": len(waiting),
            "queued_users": len({transfer.username for transfer in waiting}),
            "queued_bytes": sum(transfer.size or 0 for transfer in waiting),
        }
        for what, value in now.items():
            yield f"{name}_{what}_current", f"{direction}s: {what.replace('_', ' ')}", "gauge", value
    tree = service.engine.tree
    yield "slskd_dnet_branch_level", "our level in the distributed network", "gauge", tree.level
    yield "slskd_dnet_child_limit", "children that we take", "gauge", tree.most_children
    yield "slskd_dnet_children", "children that we have", "gauge", len(tree.children)
    yield "slskd_dnet_has_parent", "whether we have a parent", "gauge", int(tree.parent is not None)
    yield (
        "soulmesh_dnet_is_root",
        "whether we are the root of a branch",
        "gauge",
        int(tree.parent is None and tree.level == 0 and service.engine.link.logged_in),
    )
    yield (
        "soulmesh_dnet_searches_per_second",
        "searches of others that reach us",
        "gauge",
        tree.searches_per_second,
    )
    yield (
        "soulmesh_dnet_forwarded_per_second",
        "copies of searches that go to children",
        "gauge",
        tree.forwarded_per_second,
    )
    yield "soulmesh_dnet_speed_bytes", "our upload speed as the server sees it", "gauge", tree.speed or 0
    engine = service.engine
    counts = search_counts(engine)
    yield "slskd_search_incoming_requests_received", "searches of others that came", "counter", counts["seen"]
    yield "slskd_search_incoming_requests_dropped", "those that were too many", "counter", counts["dropped"]
    yield (
        "soulmesh_searches_too_dear",
        "searches that would have cost too much to answer",
        "counter",
        engine.shared.figures.too_dear if isinstance(engine, ClientEngine) else 0,
    )
    yield "slskd_search_incoming_responses_sent", "answers that were sent", "counter", counts["answered"]
    yield "soulmesh_dnet_searches_forwarded", "copies that went to children", "counter", counts["forwarded"]
    yield "soulmesh_dnet_searches_matched", "searches that found something here", "counter", counts["matched"]
    yield from _asked_of_us(engine)
    link = engine.link
    yield "soulmesh_logged_in", "whether we are logged in", "gauge", int(link.logged_in)
    yield "soulmesh_shared_files", "files that we share", "gauge", service.engine.shares.files
    yield "soulmesh_searches_running", "searches of the API that run", "gauge", service.searches.running
    usage = resource.getrusage(resource.RUSAGE_SELF)
    yield "process_cpu_seconds_total", "CPU time", "counter", usage.ru_utime + usage.ru_stime
    yield "process_resident_memory_bytes", "memory", "gauge", _resident(usage.ru_maxrss)
    yield "process_open_fds", "open file descriptors", "gauge", _descriptors()


def _asked_of_us(engine: Engine) -> Iterator[Sample]:
    client = engine.client if isinstance(engine, ClientEngine) else None
    browses = client.info.browses if client is not None else BrowseFigures()
    yield "slskd_browse_requests_received", "requests for all that we share", "counter", browses.received
    yield "slskd_browse_responses_sent", "answers to them that were sent", "counter", browses.sent
    requests = client.transfers.uploads.figures if client is not None else RequestFigures()
    yield "slskd_enqueue_requests_received", "requests for files of ours", "counter", requests.received
    yield "slskd_enqueue_requests_accepted", "those that were queued", "counter", requests.accepted
    yield "slskd_enqueue_requests_rejected", "those that were refused", "counter", requests.rejected
    yield (
        "slskd_enqueue_requests_dropped",
        "those that came too fast",
        "counter",
        requests.dropped,
    )


def _resident(peak_kib: int) -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return peak_kib * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")


def _descriptors() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0


def as_text(service: Service) -> str:
    """The text form of Prometheus."""
    lines: list[str] = []
    for name, told, kind, value in samples(service):
        lines += [f"# HELP {name} {told}", f"# TYPE {name} {kind}", f"{name} {value!r}"]
    return "\n".join(lines) + "\n"


def as_json(service: Service) -> dict[str, Any]:
    """The same by name."""
    return {
        name: {"name": name, "help": told, "type": kind, "samples": [{"value": value}]}
        for name, told, kind, value in samples(service)
    }
