"""Starts the process that scans (:mod:`soulmesh.client.shares.worker`), and follows it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from soulmesh.client.shares.scan import Progress
from soulmesh.net.child import Child

__all__ = ["in_child"]


async def in_child(task: dict[str, Any], progress: Callable[[Progress], None] | None) -> dict[str, Any]:
    """Run the scanning process and follow it to its last line, which says how it ended.

    Cancelling this ends the process.
    """
    command = [sys.executable, "-m", "soulmesh.client.shares.worker"]
    path = os.pathsep.join(part for part in sys.path if part)
    last: dict[str, Any] = {}
    async with Child(
        command,
        give=json.dumps(task).encode() + b"\n",
        own_session=True,
        gently=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as child:
        async for line in child.lines():
            try:
                last = json.loads(line)
            except ValueError:
                break  # half a line: it was killed
            if "progress" in last and progress is not None:
                progress(Progress(**last["progress"]))
        await child.wait()
    return last
