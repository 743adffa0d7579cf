from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.digital_human.system import System


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    path = tmp_path_factory.mktemp("system") / "state.json"
    # A module's tests kill one copy more often than a crash loop may.
    system = System(path, "healer.max_restarts=100", "healer.max_backoff=500ms")
    yield system
    system.stop()


@pytest.fixture
def system(shared: System) -> System:
    """A system on the ci profile that is whole when the test begins."""
    shared.calm()
    return shared


@pytest.fixture
def state_path(tmp_path: Path) -> Path:
    return tmp_path / "state.json"
