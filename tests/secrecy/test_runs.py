"""Secrets reach those who need them, and nothing that a run says or leaves behind holds one."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.secrecy.shop import PIN, TOKEN, Project, Shop, leaks_in, open_shop

RUN = ("run", "experiments", "--runs", "../runs", "--allow-inconclusive")


@pytest.fixture
def shop() -> Iterator[Shop]:
    with open_shop() as shop:
        yield shop


def soon(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.02)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _guards(process: psutil.Process) -> bool:
    try:
        return "sloproof.run.guardian" in process.cmdline()
    except psutil.NoSuchProcess:  # a command of the experiment that ended just now
        return False


def test_a_run_uses_its_secrets_and_tells_none(tmp_path: Path, shop: Shop) -> None:
    project = Project.at(tmp_path, shop)
    status, said = project.run(*RUN)
    assert status in (0, 3), said
    assert not shop.locked()
    body = json.dumps({"pin": PIN, "share": 0.5, "status": 503})
    assert (f"/switch?token={TOKEN}", "", body) in shop.heard
    assert ("/named", "", TOKEN) in shop.heard
    assert any(path == "/home" and key.startswith("Basic ") for path, key, _ in shop.heard)
    assert not (project.root / "wrong").exists()
    assert not (project.root / "mark").exists()
    assert {"report.html", "verdict.json", "events.jsonl", "prober.log"} <= project.files()
    assert project.leaks() == []
    assert leaks_in(said) == []
    assert "***" in (project.record / "experiment.yaml").read_text()
    assert "***" in (project.record / "events.jsonl").read_text()


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_what_is_planned_shows_none(tmp_path: Path, shop: Shop, form: tuple[str, ...]) -> None:
    status, said = Project.at(tmp_path, shop).run(
        "plan", "experiments", "--allow-inconclusive", *form
    )
    assert status == 0, said
    assert "own.py" in said
    assert leaks_in(said) == []


def test_what_can_t_be_undone_is_told_without_secrets(tmp_path: Path, shop: Shop) -> None:
    project = Project.at(tmp_path, shop)
    stubborn = project.root / "stubborn"
    stubborn.write_text("")
    status, said = project.run(*RUN, "--json")
    assert status == 5, said
    assert "own.py undo --token ***" in said
    assert leaks_in(said) == []
    assert project.leaks() == []
    assert "journal" in project.files()
    status, said = project.run("status")
    assert "own.py apply --token $(env.SHOP_TOKEN)" in said
    assert leaks_in(said) == []
    stubborn.unlink()
    status, said = project.run("recover")
    assert status == 0, said
    assert leaks_in(said) == []
    assert not (project.root / "mark").exists()
    assert not (project.root / "wrong").exists()


@pytest.fixture
def engine(tmp_path: Path, shop: Shop) -> Iterator[tuple[Project, psutil.Process]]:
    """A run in whose middle both faults are in force."""
    project = Project.at(tmp_path, shop, lasting="60s")
    process = project.start(*RUN)
    try:
        soon(lambda: shop.locked() and (project.root / "mark").exists(), "the faults")
        yield project, psutil.Process(process.pid)
    finally:
        process.kill()
        process.communicate()


def test_the_guardian_knows_what_the_journal_only_names(
    engine: tuple[Project, psutil.Process], shop: Shop
) -> None:
    project, process = engine
    process.kill()
    soon(lambda: not shop.locked() and not (project.root / "mark").exists(), "the reversal")
    soon(lambda: "journal" not in project.files(), "the guardian's end")
    assert project.leaks() == []
    assert "guardian.jsonl" in project.files()
    assert not (project.root / "wrong").exists()


def test_recover_asks_for_what_the_journal_only_names(
    engine: tuple[Project, psutil.Process], shop: Shop
) -> None:
    project, process = engine
    guardians = [child for child in process.children() if _guards(child)]
    process.send_signal(signal.SIGSTOP)
    helpers = process.children(recursive=True)
    for each in (*guardians, process):
        each.kill()
    psutil.wait_procs(guardians, timeout=10)
    soon(lambda: not any(map(_lives, (process, *helpers))), "the death of all")
    assert shop.locked()
    assert project.leaks() == []
    status, said = project.run("recover", token=False)
    assert status == 5
    assert "needs a secret that isn't in the environment: set SHOP_TOKEN" in said
    assert shop.locked()
    status, said = project.run("recover")
    assert status == 0, said
    assert not shop.locked()
    assert not (project.root / "mark").exists()
    assert not (project.root / "wrong").exists()
    assert leaks_in(said) == []
    assert project.leaks() == []
