"""Transfers are told when their time has come, on the loop of the tests and on the one of production."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop

from soulmesh.client.events import Events
from soulmesh.client.transfers.journal import Journal
from soulmesh.client.transfers.ledger import Ledger
from soulmesh.net.world import World

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop] | None] = {
    "asyncio": None,
    "uvloop": uvloop.new_event_loop,
}


@pytest.mark.parametrize("loop", LOOPS)
def test_an_alarm_that_was_due_already_rings_and_so_do_those_set_beside_it(loop: str) -> None:
    async def play() -> None:
        ledger = Ledger(World.real(), Journal(None), Events())
        told: list[str] = []
        both = asyncio.Event()

        class Machine:
            def __init__(self, name: str, deadline: float) -> None:
                self.name = name
                self.deadline: float | None = deadline

            def tick(self, now: float, jitter: float) -> list[Any]:
                self.deadline = None
                told.append(self.name)
                return []

        def apply(transfer: Any, effects: Any) -> None:
            assert effects == []
            ledger._arm(transfer)
            if len(told) == 3:
                both.set()

        ledger.apply = apply  # type: ignore[method-assign]
        now = ledger.now()
        for number, at in enumerate((now - 5, now - 10, now + 0.0002)):
            transfer: Any = SimpleNamespace(id=number, machine=Machine(f"{number}", at))
            ledger._transfers[number] = transfer
            ledger._arm(transfer)
        async with asyncio.timeout(20):
            await both.wait()
        assert told == ["1", "0", "2"]
        await ledger.close()

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(play())
