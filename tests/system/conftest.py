"""A bench for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.drills import Drill, drill
from tests.system.running import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "digital-human").mkdir()
    return Bench(tmp_path)


@pytest.fixture
def running(bench: Bench) -> Iterator[Bench]:
    """A bench whose reference system runs already and is not the harness's to stop."""
    bench.digital_human("up", "--profile=ci", "--detach")
    yield bench
    bench.digital_human("down")


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Drill]:
    """A primary with its standby, and a project that drills them."""
    with drill(tmp_path) as made:
        yield made
