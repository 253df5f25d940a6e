"""Commands that never end by themselves, run as processes and stopped with Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

__all__ = ["stopped"]

# Whoever runs the tests in the background has them ignore SIGINT, and their children with them.
_START = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    " from soulmesh.cli import main; main()"
)


def stopped(arguments: Sequence[str], *, when: str) -> tuple[int, list[str]]:
    """Run a command, press Ctrl-C when it prints a line with ``when``; its code, and all lines it printed."""
    with subprocess.Popen(
        [sys.executable, "-c", _START, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout is not None
        try:
            printed = []
            for line in process.stdout:
                printed.append(line.rstrip("\n"))
                if when in line:
                    process.send_signal(signal.SIGINT)
                    # It is not the end of what is typed that ends it.
                    printed += process.stdout.read().splitlines()
                    break
            return process.wait(), printed
        finally:
            if process.poll() is None:
                process.kill()
