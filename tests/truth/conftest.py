"""The truth suite: in short form by default, whole with SLOPROOF_TRUTH=full (`make test-truth`).

In short form each table of cases gives a seeded sample; SLOPROOF_TRUTH_SEED chooses another.
"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.truth.bench import Bench

collect_ignore = ["project"]
"""Its experiments are for the tests here, which give them a system to break."""
FULL = os.environ.get("SLOPROOF_TRUTH") == "full"
SEED = os.environ.get("SLOPROOF_TRUTH_SEED", "1")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a test marked `sampled(N)` keep N cases, chosen by the seed, unless all are wanted."""
    groups: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("sampled"):
            groups[item.nodeid.partition("[")[0]].append(item)
    if FULL:
        return
    left_out: set[pytest.Item] = set()
    for name, group in groups.items():
        marker = group[0].get_closest_marker("sampled")
        count = marker.args[0] if marker else len(group)
        ordered = sorted(group, key=lambda item: item.nodeid)
        kept = random.Random(f"{SEED}:{name}").sample(ordered, min(count, len(ordered)))
        left_out |= set(group) - set(kept)
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="module")
def little(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A running little system, shared by the tests of a module: each leaves it as it was."""
    bench = Bench(tmp_path_factory.mktemp("little"))
    bench.start()
    yield bench
    bench.stop()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A place for a test of its own; nothing runs there yet."""
    found = Bench(tmp_path)
    yield found
    found.stop()
