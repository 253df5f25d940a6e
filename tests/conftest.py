"""What holds for all tests."""

from __future__ import annotations

import gc
import os
import signal
from collections import Counter

import hypothesis
import pytest

# A shell that starts us in the background has us ignore Ctrl-C, and so would the processes of the tests.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Each run by hand looks somewhere new; a continuous build finds the same twice, and tells the first example
# that fails as it is (making it smaller may take longer than a test has).
hypothesis.settings.register_profile(
    "build", derandomize=True, phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate]
)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("build")


def pytest_collection_finish(session: pytest.Session) -> None:
    """What was imported stays: the collector need not look through it after each test."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A skipped test is a letter among thousands: what no program was there for is said loudly."""
    skipped = [
        report for report in terminalreporter.stats.get("skipped", ()) if isinstance(report.longrepr, tuple)
    ]
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    for reason, number in sorted(reasons.items()):
        if reason.startswith("NOT TESTED"):
            terminalreporter.write_line(f"{reason}: {number} tests left out", red=True, bold=True)
