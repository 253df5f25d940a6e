"""Programs that we start: what they say, how they end, and giving them up at any moment."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from soulmesh.net.child import Child
from tests.support.loops import ctrl_c, real


def python(text: str) -> list[str]:
    return [sys.executable, "-S", "-c", text]


@real
async def test_what_it_reads_and_prints() -> None:
    async with Child(
        python("import sys; print(sys.stdin.read()[::-1], 'end', sep='\\n')"), give=b"abc"
    ) as child:
        assert [line async for line in child.lines()] == [b"cba\n", b"end\n"]
        assert await child.wait() == 0


@real
async def test_errors_are_read_if_they_are_wanted_and_the_status_is_told(tmp_path: Path) -> None:
    async with Child("pwd >&2; exit 3", listen="stderr", cwd=tmp_path) as child:
        assert await child.tail(1000) == f"{tmp_path}\n".encode()
        assert await child.wait() == 3


@real
async def test_one_that_prints_without_end_is_read_up_to_a_limit_and_killed() -> None:
    endless = python("import sys\nwhile True: sys.stdout.write('1' * 65536)")
    async with Child(endless) as child:
        assert 1000 < len(await child.read(1000)) < 1 << 18
    assert await child.wait() == -9


@real
async def test_the_end_of_a_long_output_is_enough() -> None:
    async with Child(python("print('x' * 300000); print('the end')")) as child:
        assert (await child.tail(20)).endswith(b"xxx\nthe end\n")


@real
async def test_leaving_the_block_asks_it_to_end_or_kills_it() -> None:
    statuses = []
    for gently in (True, False):
        async with Child(["sh", "-c", "echo here; exec sleep 60"], gently=gently) as child:
            assert await anext(child.lines()) == b"here\n"
        statuses.append(await child.wait())
    assert statuses == [-15, -9]


@real
async def test_a_program_that_does_not_exist_cannot_be_started() -> None:
    with pytest.raises(FileNotFoundError):
        async with Child(["/no/such/program"]):
            pass


@real
async def test_a_child_of_its_own_that_holds_the_pipe_keeps_nobody_waiting() -> None:
    async with Child(["sh", "-c", "sleep 60 & echo $!"]) as child:
        grandchild = int(await anext(child.lines()))
        assert await child.wait() == 0
    os.kill(grandchild, 9)


@pytest.mark.parametrize("turn", range(2, 6))
def test_it_can_be_given_up_in_every_turn_in_which_it_is_being_started(turn: int) -> None:
    """With asyncio's own subprocesses the loop never ends here."""
    ends: list[int] = []

    async def work() -> None:
        child = Child(["sleep", "60"], gently=True)
        try:
            async with child:
                await child.wait()
        finally:
            if hasattr(child, "_process"):
                ends.append(await asyncio.to_thread(child._process.wait))

    assert ctrl_c(work(), first=turn, second=turn, in_virtual_time=False)
    assert set(ends) <= {-15}
