from __future__ import annotations

import asyncio
import threading
import time

import pytest

from digital_human.health import HealthChecker


async def well() -> bool:
    return True


def test_one_failing_check_never_hides_the_others() -> None:
    async def broken() -> bool:
        raise RuntimeError("no")

    async def hanging() -> bool:
        await asyncio.Event().wait()
        return True

    async def unwell() -> bool:
        return False

    checker = HealthChecker(30)
    for name, function in {"a": broken, "b": well, "c": hanging, "d": unwell, "e": well}.items():
        checker.add_check(function, name, timeout=0.05)
    results = asyncio.run(checker.run_checks())
    assert {name: result.healthy for name, result in results.items()} == {
        "a": False,
        "b": True,
        "c": False,
        "d": False,
        "e": True,
    }
    assert [results[name].detail for name in "abcd"] == [
        "RuntimeError: no",
        "healthy",
        "TimeoutError",
        "the check said no",
    ]


def test_checks_run_side_by_side() -> None:
    async def meet() -> None:
        barrier = asyncio.Barrier(3)
        checker = HealthChecker(30, timeout=5)
        for name in "abc":
            checker.add_check(barrier.wait, name)
        # Each returns its place at the barrier, which only all three together can pass.
        assert all(result.error is None for result in (await checker.run_checks()).values())

    asyncio.run(meet())


def test_a_plain_function_may_block_without_holding_up_the_others() -> None:
    release = threading.Event()

    def blocking() -> bool:
        return release.wait(10)

    async def check() -> None:
        checker = HealthChecker(30)
        checker.add_check(blocking, "blocking", timeout=0.05)
        checker.add_check(lambda: True, "plain")
        checker.add_check(well, "well")
        began = time.monotonic()
        results = await checker.run_checks()
        assert time.monotonic() - began < 5
        release.set()
        assert [result.healthy for result in results.values()] == [False, True, True]

    asyncio.run(check())


def test_a_name_stands_for_one_check() -> None:
    checker = HealthChecker()
    checker.add_check(well, "a")
    with pytest.raises(ValueError, match="'a' already"):
        checker.add_check(well, "a")


def test_it_checks_again_and_again() -> None:
    async def rounds() -> int:
        seen = 0
        enough = asyncio.Event()

        async def handle(results: object) -> None:
            nonlocal seen
            seen += 1
            if seen == 3:
                enough.set()

        checker = HealthChecker(0.001)
        checker.add_check(well, "a")
        work = asyncio.create_task(checker.run(handle))
        async with asyncio.timeout(5):
            await enough.wait()
        work.cancel()
        return seen

    assert asyncio.run(rounds()) >= 3
