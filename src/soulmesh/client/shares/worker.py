"""The process that scans: started by the client or a command, tells its progress as JSON lines.

The task comes as one line of JSON on standard input. SIGINT, SIGTERM and the
end of the parent stop the scan; what it found so far is kept. The
last line says how it ended.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import threading
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from soulmesh.client.shares.generation import write_generation
from soulmesh.client.shares.rescue import rescue
from soulmesh.client.shares.scan import ScanBusy, ScanCancelled, Scanner, scan_lock
from soulmesh.client.shares.store import Store, StoreDamaged, damage_told
from soulmesh.errors import SoulmeshError

__all__ = ["main", "perform"]

NICENESS = 5


def perform(task: dict[str, Any], tell: Any, cancelled: Any) -> dict[str, Any]:
    """Do one task, and return how it ended, ready for JSON."""
    directory = Path(task["directory"])
    rescued: str | None = None
    try:
        with scan_lock(directory):
            try:
                ended = _perform(task, directory, tell, cancelled)
            except StoreDamaged as error:
                rescued = rescue(error.path, error.reason)
                # All of it is new to the new database, so all is looked at.
                whole = {**task, "roots": None, "only": None, "index_only": False}
                ended = _perform(whole, directory, tell, cancelled)
            return {**ended, "rescued": rescued}
    except ScanCancelled:
        return {"ended": "cancelled"}
    except ScanBusy:
        return {"ended": "busy"}


def _perform(task: dict[str, Any], directory: Path, tell: Any, cancelled: Any) -> dict[str, Any]:
    store = Store(directory / "shares.sqlite")
    try:
        with damage_told(store.path):
            if task.get("index_only"):
                write_generation(store, directory)
                return {"ended": "done", "roots": [], "index": "rebuilt", "seconds": 0.0}
            only = task.get("only")
            if only is None:
                store.check()
            store.keep_roots()
            scanner = Scanner(
                store,
                directory,
                now=datetime.fromisoformat(task["now"]),
                confirmed=task.get("confirmed", False),
                again=task.get("again", False),
                guard=task["guard"],
                rebuild=task.get("rebuild", False),
                readers=task.get("readers"),
                file_seconds=task["file_seconds"],
                progress=lambda progress: tell({"progress": asdict(progress)}),
                cancelled=cancelled,
            )
            outcome = scanner.scan(
                task.get("roots"),
                only=None
                if only is None
                else {
                    int(root): [os.fsencode(folder) for folder in folders] for root, folders in only.items()
                },
            )
            return {"ended": "done", **asdict(outcome)}
    finally:
        store.close()


def main() -> None:
    """Read the task, do it, say how it ended."""
    task = json.loads(sys.stdin.readline())
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    parent = os.getppid()
    if hasattr(os, "nice"):
        os.nice(task.get("niceness", NICENESS))

    def tell(line: dict[str, Any]) -> None:
        try:
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            stop.set()

    try:
        # No thread watches for the end of standard input: readers are forked from this process.
        ended = perform(task, tell, lambda: stop.is_set() or os.getppid() != parent)
    except SoulmeshError as error:
        ended = {"ended": "failed", "reason": str(error)}
    except sqlite3.Error as error:
        ended = {"ended": "failed", "reason": f"{task['directory']}: {error}"}
    except OSError as error:
        ended = {
            "ended": "failed",
            "reason": f"{error.filename or task['directory']}: {error.strerror or error}",
        }
    tell(ended)


if __name__ == "__main__":
    main()
