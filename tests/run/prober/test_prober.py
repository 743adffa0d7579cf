"""The prober as a process: how it starts, what it is told, how it ends, what a kill costs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sloproof.contracts import Duration, ProbeSpec
from sloproof.run.probing.process import ProberProcess, State
from sloproof.run.probing.samples import read_samples
from tests.run.prober.stage import (
    EVERY_10_MS,
    PATIENCE_S,
    ROOT,
    Stage,
    answer,
    answering,
    free_port,
    probing,
    silent,
    start,
    stopped,
    until,
)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as found:
        yield found


@pytest.fixture
def port(stage: Stage) -> int:
    return stage.serve(answering(answer()))


def link(port: int, name: str = "link", **params: object) -> ProbeSpec:
    return ProbeSpec(name, "link", {"host": "127.0.0.1", "port": port, **params}, EVERY_10_MS)


def test_it_samples_until_it_is_stopped(tmp_path: Path, port: int) -> None:
    with probing(tmp_path, link(port), link(port, "kept", kept=True)) as (prober, process):
        assert prober.state() == State("ready")  # type: ignore[arg-type]
        until(lambda: prober.sampling() == {"link", "kept"})
        until(lambda: len(prober.tail.recent("kept")) >= 5)
        until(lambda: len(prober.tail.recent("link")) >= 5)
        stopped(prober, process)
        assert prober.errors() == []
    columns = prober.samples(0)
    assert set(columns["probe"]) == {"link", "kept"}
    # On a busy machine, an answer may take longer than an interval.
    assert set(columns["detail"]) <= {"", "busy"}
    assert set(prober.samples(0, leaving_out={"kept"})["probe"]) == {"link"}


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        (ProbeSpec("bad", "telnet"), 'probe bad: there is no kind "telnet"'),
        (ProbeSpec("bad", "tcp", {"host": "x"}), "probe bad (tcp): "),
        (ProbeSpec("bad", "command", {"argv": ["/no/such"]}), "probe bad (command): argv: no such"),
        (ProbeSpec("bad", "http", {"url": "https://x", "ca": "/no/such"}), "probe bad (http): "),
        (ProbeSpec("good", "tcp", {"host": "x", "port": 1}), "probe good: there are two"),
    ],
)
def test_a_broken_spec_fails_the_start_and_names_the_probe(
    tmp_path: Path, port: int, spec: ProbeSpec, error: str
) -> None:
    good = ProbeSpec("good", "tcp", {"host": "127.0.0.1", "port": port})
    with probing(tmp_path, good, spec) as (prober, process):
        assert prober.state().phase == "failed"
        assert prober.state().error.startswith(error)
        assert process.wait(PATIENCE_S) == 4


def test_a_spec_that_is_not_there_is_told(tmp_path: Path) -> None:
    prober = ProberProcess(tmp_path)
    process = start(prober)
    assert process.wait(PATIENCE_S) == 4
    assert "spec.json" in prober.state().error
    prober.close()


def test_probes_come_and_go_during_the_run(tmp_path: Path, port: int) -> None:
    with probing(tmp_path, link(port, "always")) as (prober, process):
        prober.add(link(port, "witness"))
        until(lambda: "witness" in prober.sampling())
        until(lambda: len(prober.tail.recent("witness")) >= 3)
        prober.remove("witness")
        until(lambda: "witness" not in prober.sampling())
        removed = time.monotonic_ns()
        until(lambda: prober.tail.recent("always", since_ns=removed + 100_000_000))
        last = prober.tail.recent("witness")[-1].finished
        assert last < removed
        prober.add(link(port, "witness"))
        until(lambda: prober.tail.recent("witness", since_ns=last + 1))
        stopped(prober, process)


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        (ProbeSpec("bad", "tcp", {"host": "x"}), "probe bad (tcp): "),
        (ProbeSpec("bad", "command", {"argv": ["/no/such"]}), "probe bad (command): "),
        (ProbeSpec("bad", "tcp", {"host": "x", "port": 1}, Duration(1)), "probe bad: every 1ns"),
        (ProbeSpec("always", "process", {"pid": 1, "start_time": 1}), "probe always: there is one"),
    ],
)
def test_a_broken_spec_during_the_run_harms_no_other_probe(
    tmp_path: Path, port: int, spec: ProbeSpec, error: str
) -> None:
    with probing(tmp_path, link(port, "always")) as (prober, process):
        prober.add(spec)
        told = until(prober.errors)
        assert [(each.probe, each.error[: len(error)]) for each in told] == [(spec.name, error)]
        now = time.monotonic_ns()
        until(lambda: prober.tail.recent("always", since_ns=now))
        stopped(prober, process)


def test_a_target_that_is_down_does_not_keep_it_from_starting(tmp_path: Path) -> None:
    port = free_port()
    with probing(tmp_path, link(port, kept=True)) as (prober, process):
        assert until(lambda: prober.tail.recent("link"))[0].detail == "refused"
        stopped(prober, process)


def test_stopping_waits_a_second_at_most_for_samples_under_way(
    tmp_path: Path, stage: Stage
) -> None:
    spec = ProbeSpec(
        "slow",
        "link",
        {"host": "127.0.0.1", "port": stage.serve(silent)},
        every=Duration.of(0.1),
        timeout=Duration.of(600),
    )
    with probing(tmp_path, spec) as (prober, process):
        until(lambda: "slow" in prober.sampling())
        stopped(prober, process)
    assert list(read_samples(tmp_path / "samples.jsonl")) == []


def test_sigint_is_the_engines_and_sigterm_an_orderly_end(tmp_path: Path, port: int) -> None:
    with probing(tmp_path, link(port)) as (prober, process):
        process.send_signal(signal.SIGINT)
        now = time.monotonic_ns()
        until(lambda: prober.tail.recent("link", since_ns=now + 200_000_000))
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
        assert prober.state().phase == "done"


def test_it_ends_when_its_folder_vanishes(tmp_path: Path, port: int) -> None:
    folder = tmp_path / "prober"
    with probing(folder, link(port)) as (_, process):
        shutil.rmtree(folder)
        assert process.wait(PATIENCE_S) == 0


def test_it_ends_with_its_parent(tmp_path: Path, port: int) -> None:
    prober = ProberProcess(tmp_path)
    prober.write_spec([link(port)])
    start_it = f"import subprocess; subprocess.Popen({prober.argv()!r}); input()"
    parent = subprocess.Popen(
        [sys.executable, "-c", start_it],
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        until(lambda: prober.tail.recent("link"))
    finally:
        parent.kill()
        parent.communicate(timeout=PATIENCE_S)
    assert until(lambda: prober.state().phase != "ready")
    assert prober.state().phase == "done"
    prober.close()


def test_a_kill_costs_only_the_last_samples(tmp_path: Path, port: int) -> None:
    with probing(tmp_path, link(port)) as (prober, process):
        until(lambda: len(prober.tail.recent("link")) >= 50)
        process.kill()
        killed = time.monotonic_ns()
        process.wait(PATIENCE_S)
    samples = list(read_samples(tmp_path / "samples.jsonl"))
    assert len(samples) >= 50
    # 80 ms between flushes; the rest is what a busy machine may add.
    assert killed - samples[-1].finished < 500_000_000


def test_a_stall_of_the_prober_is_one_late_sample_and_no_burst(tmp_path: Path, port: int) -> None:
    with probing(tmp_path, link(port)) as (prober, process):
        until(lambda: len(prober.tail.recent("link")) >= 5)
        process.send_signal(signal.SIGSTOP)
        stopped_at = time.monotonic_ns()
        until(lambda: time.monotonic_ns() > stopped_at + 500_000_000)
        process.send_signal(signal.SIGCONT)
        resumed = time.monotonic_ns()
        until(lambda: prober.tail.recent("link", since_ns=resumed + 200_000_000))
        stopped(prober, process)
    found = list(read_samples(tmp_path / "samples.jsonl"))
    assert max(taken.sent - taken.intended for taken in found) > 300_000_000
    during = [t for t in found if stopped_at + 50_000_000 < t.intended < resumed - 50_000_000]
    assert len(during) <= 1


def test_a_project_brings_its_own_kinds(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "probes").mkdir(parents=True)
    (project / "probes" / "coin.py").write_text(
        "from dataclasses import dataclass\n"
        "from sloproof.contracts import Probe, Sample\n"
        "@dataclass(frozen=True)\n"
        "class Coin(Probe):\n"
        "    kind = 'coin'\n"
        "    side: float\n"
        "    async def sample(self):\n"
        "        return Sample(ok=True, value=self.side)\n"
    )
    spec = ProbeSpec("coin", "coin", {"side": 2}, EVERY_10_MS)
    with probing(tmp_path / "prober", spec, project=project) as (prober, process):
        assert until(lambda: prober.tail.recent("coin"))[0].value == 2.0
        stopped(prober, process)


def test_signals_are_told_apart_from_probes(tmp_path: Path, stage: Stage) -> None:
    port = stage.serve(answering(answer(body=b"cpu 0.5\n")))
    url = f"http://127.0.0.1:{port}/metrics"
    spec = ProbeSpec("cpu", "prometheus", {"url": url, "metric": "cpu"}, EVERY_10_MS)
    with probing(tmp_path, spec, link(port)) as (prober, process):
        until(lambda: prober.tail.recent("cpu"))
        until(lambda: prober.tail.recent("link"))
        stopped(prober, process)
    signals = prober.signals(0, {"cpu": {"core": "0"}})
    assert set(signals["signal"]) == {"cpu"}
    assert set(signals["value"]) == {0.5}
    assert json.loads(signals["labels"][0]) == {"core": "0"}
    assert set(prober.samples(0, leaving_out={"cpu"})["probe"]) == {"link"}
