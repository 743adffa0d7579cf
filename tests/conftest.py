"""Keeps Python's own pauses out of what tests measure."""

from __future__ import annotations

import gc

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Begin each test with nothing old for the garbage collector to go through.

    Scripted servers, toxics and clocks of a test live in this process beside all that was ever
    imported: a full collection of 600,000 objects stops them for a third of a second, which a
    witness rightly tells as a delay.
    """
    gc.collect()
    gc.freeze()
