"""The virtual loop: timers without waiting, threads without time, hangs as errors."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from soulmesh.sim.loop import Deadlock, VirtualLoop, VirtualTimeout, run_virtual
from tests.support.loops import virtual


def test_an_hour_of_sleep_passes_at_once_and_exactly() -> None:
    async def sleeper() -> float:
        loop = asyncio.get_running_loop()
        before = loop.time()
        for _ in range(3600):
            await asyncio.sleep(1)
        return loop.time() - before

    began = time.perf_counter()
    assert run_virtual(sleeper()) == 3600.0
    assert time.perf_counter() - began < 5


@virtual
async def test_timers_go_off_in_their_order_whatever_order_they_were_set_in() -> None:
    fired: list[int] = []
    loop = asyncio.get_running_loop()
    for delay in (3, 1, 2):
        loop.call_later(delay, fired.append, delay)
    await asyncio.sleep(5)
    assert fired == [1, 2, 3]


@virtual
async def test_timeouts_of_asyncio_work_on_virtual_time() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60):
            await asyncio.Event().wait()
    assert asyncio.get_running_loop().time() == 60


def test_a_late_clock_still_reaches_timers_smaller_than_its_rounding() -> None:
    async def sleeper() -> None:
        for _ in range(50):
            await asyncio.sleep(1e-9)

    run_virtual(sleeper(), start=1e9)


@virtual
async def test_work_for_threads_runs_in_order_and_takes_no_virtual_time() -> None:
    loop = asyncio.get_running_loop()
    done: list[int] = []

    def work(number: int) -> int:
        done.append(number)
        return number

    with ThreadPoolExecutor(4) as pool:
        results = await asyncio.gather(
            *(loop.run_in_executor(pool, work, n) for n in range(20)), asyncio.to_thread(work, 20)
        )
    assert results == done == list(range(21))
    assert loop.time() == 0
    assert threading.current_thread() is threading.main_thread()


@virtual
async def test_an_error_in_a_worker_comes_back_to_who_asked() -> None:
    with pytest.raises(ZeroDivisionError):
        await asyncio.get_running_loop().run_in_executor(None, lambda: 1 // 0)


@virtual
async def test_cancelled_work_that_has_not_begun_never_runs() -> None:
    ran: list[int] = []
    future = asyncio.get_running_loop().run_in_executor(None, ran.append, 1)
    future.cancel()
    await asyncio.sleep(1)
    assert ran == []


def test_a_deadlock_is_an_error_that_says_who_waits() -> None:
    async def stuck() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match=r"test_loop\.py:\d+"):
        run_virtual(stuck())


def test_tasks_are_cancelled_after_a_deadlock() -> None:
    cancelled: list[str] = []

    async def stuck() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append("yes")
            raise

    with pytest.raises(Deadlock):
        run_virtual(stuck())
    assert cancelled == ["yes"]


def test_a_task_that_hangs_in_its_cleanup_too_is_let_go() -> None:
    async def stuck() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass
            except GeneratorExit:
                return

    with pytest.raises(Deadlock):
        run_virtual(stuck())


def test_a_program_that_only_ticks_ends_at_the_limit() -> None:
    async def ticking() -> None:
        for _ in itertools.count():
            await asyncio.sleep(1)

    with pytest.raises(VirtualTimeout, match="100 s"):
        run_virtual(ticking(), limit=100)


def test_an_error_of_the_program_comes_out_and_leaves_no_task() -> None:
    left: list[asyncio.Task[None]] = []

    async def failing() -> None:
        left.append(asyncio.create_task(asyncio.sleep(1000)))
        await asyncio.sleep(1)
        raise KeyError("x")

    with pytest.raises(KeyError):
        run_virtual(failing())
    assert left[0].cancelled()


@virtual
async def test_a_foreign_thread_can_still_wake_the_loop() -> None:
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(event.set))
    thread.start()
    await event.wait()
    thread.join()


def test_the_loop_owns_no_socket() -> None:
    loop = VirtualLoop()
    with pytest.raises(NotImplementedError):
        loop.run_until_complete(loop.create_server(asyncio.Protocol, "127.0.0.1", 0))
    loop.close()
