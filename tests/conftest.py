"""What holds for all tests."""

from __future__ import annotations

import signal

import pytest
from _pytest.runner import runtestprotocol

# A shell that starts us in the background has us ignore Ctrl-C, and so would the processes of the tests.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """A test that fails is run once more, and the run says so.

    Real sockets and processes on a loaded machine may be late once, and what one test leaves open
    is found in another; a defect is late, or wrong, twice.
    """
    hook = item.ihook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, log=False, nextitem=nextitem)
    if any(report.failed for report in reports):
        terminal = item.config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            why = next(report for report in reports if report.failed)
            crash = getattr(why.longrepr, "reprcrash", None)
            terminal.write_line(f"\nonce more: {item.nodeid} ({crash.message if crash else why.when})"[:300])
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
    for report in reports:
        hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
