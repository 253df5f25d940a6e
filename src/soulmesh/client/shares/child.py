"""Starts the process that scans (:mod:`soulmesh.client.shares.worker`), and follows it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from soulmesh.client.shares.scan import Progress

__all__ = ["in_child"]


async def in_child(task: dict[str, Any], progress: Callable[[Progress], None] | None) -> dict[str, Any]:
    """Run the scanning process and follow it to its last line, which says how it ended.

    Cancelling this ends the process.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "soulmesh.client.shares.worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    last: dict[str, Any] = {}
    try:
        process.stdin.write(json.dumps(task).encode() + b"\n")
        await process.stdin.drain()
        async for line in process.stdout:
            try:
                last = json.loads(line)
            except ValueError:
                break  # half a line: it was killed
            if "progress" in last and progress is not None:
                progress(Progress(**last["progress"]))
        await process.wait()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        raise
    finally:
        process.stdin.close()
    return last
