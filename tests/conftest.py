"""What holds for all tests."""

from __future__ import annotations

import gc
import signal

import pytest

# A shell that starts us in the background has us ignore Ctrl-C, and so would the processes of the tests.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish(session: pytest.Session) -> None:
    """What was imported stays: the collector need not look through it after each test."""
    gc.collect()
    gc.freeze()
