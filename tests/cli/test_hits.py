"""What people see of a result."""

from __future__ import annotations

import io

from rich.console import Console

from soulmesh.cli.hits import COLUMNS, row
from soulmesh.cli.output import Output
from soulmesh.client.results import FoundFile, Hit


def shown(speed: int) -> str:
    hit = Hit("eve", FoundFile("Music\\song.flac", 1000, ()), True, speed, 0, False, None, 1)
    text = io.StringIO()
    Console(file=text, width=200).print(Output(json=False).as_table(COLUMNS, [row(hit)]))
    return text.getvalue()


def test_a_speed_that_nobody_knows_is_no_speed() -> None:
    assert "1.0 MiB/s" in shown(1 << 20)
    assert "B/s" not in shown(0)
