"""The engine as a child of pytest: it reverts whatever ends pytest."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.doors.project import Project, wait_until


class TestTheChild:
    def test_it_leads_a_group_of_its_own(self, project: Project) -> None:
        project.experiment()
        project.pytest("experiments")
        assert project.calls()[0]["group"]

    def test_a_timeout_interrupts_it_and_waits_for_the_revert(self, project: Project) -> None:
        project.experiment(claims={"a": "PASS", "b": "INCONCLUSIVE"}, takes=600, reverts_for=0.3)
        done = project.pytest("experiments", "--timeout=1", plugins=["pytest_timeout"])
        assert project.signals() == ["SIGINT"]
        assert done.has(error=2), done.out
        assert "Timeout" in done.out
        assert len(project.calls()) == 1

    @pytest.mark.parametrize(
        ("sent", "gets", "status"),
        [
            (signal.SIGINT, "SIGINT", 2),
            (signal.SIGTERM, "SIGTERM", -15),
            (signal.SIGKILL, "SIGTERM", -9),
        ],
    )
    def test_it_reverts_when_pytest_goes(
        self, project: Project, sent: signal.Signals, gets: str, status: int
    ) -> None:
        project.experiment(takes=600, reverts_for=0.2)
        with running(project) as process:
            process.send_signal(sent)
            out, _ = process.communicate(timeout=60)
        assert process.returncode == status, out
        wait_until(lambda: project.signals() == [gets])

    def test_a_second_interrupt_does_not_cut_the_reversal_short(self, project: Project) -> None:
        project.experiment(takes=600, reverts_for=1)
        with running(project) as process:
            for _ in range(3):
                process.send_signal(signal.SIGINT)
                time.sleep(0.2)
            process.communicate(timeout=60)
        assert project.signals() == ["SIGINT"]

    def test_an_interrupted_run_that_left_something_ends_with_15(self, project: Project) -> None:
        project.experiment(takes=600, status=5, unreverted=["toxic slow"])
        with running(project) as process:
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=60)
        assert process.returncode == 15, out
        assert "toxic slow" in out


@contextlib.contextmanager
def running(project: Project) -> Iterator[subprocess.Popen[str]]:
    """Pytest in the project, once its experiment runs; gone afterwards."""
    process = subprocess.Popen(
        project.command("experiments"),
        cwd=project.path,
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wait_until(lambda: len(project.calls()) == 1)
        yield process
    finally:
        process.kill()
        process.communicate()
