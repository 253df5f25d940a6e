"""What is left untested is not left unsaid."""

from __future__ import annotations

import pytest

from tests.interop.others import NOT_TESTED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A skipped test is a letter among thousands: here it is said what it means."""
    skipped = terminalreporter.stats.get("skipped", ())
    reasons = [str(report.longrepr[2]) for report in skipped if isinstance(report.longrepr, tuple)]
    reasons = [reason for reason in reasons if NOT_TESTED in reason]
    if reasons:
        terminalreporter.section("INTEROPERABILITY IS NOT TESTED", sep="!", red=True, bold=True)
        terminalreporter.write_line(reasons[0].removeprefix("Skipped: "))
        terminalreporter.write_line(
            f"{len(reasons)} tests against programs that we did not write were left out. With both in some"
            " interpreter, SOULMESH_TEST_INTEROP_PYTHON=/path/to/python runs them."
        )
