"""Days on which the undo itself goes wrong: it fails, hangs, its service stalls, its disk is full.

And days on which somebody else is at work: another run, another recovery, whoever replaces copies.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sloproof.effects.incarnation import Incarnation
from sloproof.run.journal import Stage, read_journal
from tests.truth.bench import Bench, soon
from tests.volumes import fill, small_disk

STUBBORN = Path(__file__).with_name("stubborn.py")
# An undo is tried three times, each for half a second; the rest is Python on a busy machine.
REVERTED = 20.0
# The guardian's pauses between its rounds are 1, 2, 4, 8 and 15 s.
RETRIED = 60.0


@pytest.fixture
def mood(tmp_path: Path) -> Path:
    return tmp_path / "mood"


def stubborn(bench: Bench, mood: Path) -> list[str]:
    return bench.argv("stubborn", flag=bench.flag, mood=mood, script=STUBBORN)


def in_force(bench: Bench, kind: str) -> Incarnation | str:
    """What an effect of this kind is at, as the journal says once it is applied; "" before."""
    for journal in bench.journals:
        for entry in read_journal(journal).entries.values():
            if entry.effect["kind"] == kind and entry.stage is Stage.APPLIED:
                life = entry.effect.get("incarnation")
                return Incarnation.parse(life) if life else kind
    return ""


def replace(bench: Bench, life: Incarnation) -> None:
    """What a healer does with a copy that hangs."""
    life.send(signal.SIGKILL)
    soon(lambda: not life.alive(), REVERTED, "its death")
    restart = urllib.request.Request(f"{bench.found['control']}/restart/web-2", method="POST")
    urllib.request.urlopen(restart, timeout=20).close()


# -- an undo that fails


def test_an_undo_that_fails_once_is_tried_again(little: Bench, mood: Path) -> None:
    mood.write_text("once")
    ended = little.sloproof(*stubborn(little, mood))
    assert ended.status == 0, ended.words
    assert mood.read_text() == "well", "it was asked and failed once"
    little.nothing_is_left(REVERTED)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("today", ["never", "hangs"])
def test_one_that_fails_for_good_is_told_and_keeps_no_other_from_running(
    little: Bench, mood: Path, today: str
) -> None:
    mood.write_text(today)
    ended = little.sloproof(*stubborn(little, mood))
    assert ended.status == 5, ended.words
    (instruction,) = ended.said["unreverted"]
    assert str(STUBBORN) in instruction.partition("→")[2], "it says what to do by hand"
    assert "sloproof recover" in ended.words
    assert [each for each in little.left() if "sloproof.run.guardian" not in each] == ["flag"]
    again = little.sloproof(*little.argv("everything", flag=little.flag))
    assert again.status == 5, "nothing is injected beside what is left"
    mood.write_text("well")
    recovered = little.sloproof("recover")
    assert recovered.status == 0, recovered.words
    little.nothing_is_left(RETRIED)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("today", ["never", "hangs"])
def test_a_guardian_tries_until_it_can_be_undone(little: Bench, mood: Path, today: str) -> None:
    mood.write_text(today)
    run = little.begin(*stubborn(little, mood))
    soon(lambda: in_force(little, "command") and in_force(little, "toxic"), REVERTED, "the faults")
    run.kill()
    little.end(run)
    failed = "effect.undo_failed"
    soon(lambda: little.events(failed, "guardian.jsonl"), REVERTED, "the first failure")
    mood.write_text("well")
    little.nothing_is_left(RETRIED)
    number = little.events(failed, "guardian.jsonl")[0]["number"]
    undone = little.events("effect.undone", "guardian.jsonl")
    assert [each["outcome"] for each in undone if each["number"] == number] == ["reverted"]


# -- a service that stalls around a call that it accepted


STALLS = [f"{kind}:{deed}:sent" for kind in ("toxic", "proxy_down") for deed in ("apply", "undo")]
TORN = ("toxic:applied:after", "switch:intended:after", "kill:undo:before")


@pytest.mark.sampled(1)
@pytest.mark.parametrize("victim", ["service", "service and engine"])
@pytest.mark.parametrize("seconds", [0.5, 3, 9])
@pytest.mark.parametrize("step", STALLS)
def test_a_stalled_service_keeps_nothing(
    little: Bench, tmp_path: Path, step: str, seconds: float, victim: str
) -> None:
    service = Incarnation.of(little.found["toxiproxy"]["pid"])
    assert service is not None
    witness = tmp_path / "reached"
    argv = [step, "SIGSTOP", str(service.pid), str(witness)]
    run = little.begin(
        *argv, *little.argv("everything", flag=little.flag), module="tests.truth.dying"
    )
    try:
        soon(witness.exists, REVERTED, step)
        if "engine" in victim:
            run.kill()
        time.sleep(seconds)  # how long it stalls is the case
    finally:
        service.send(signal.SIGCONT)
    ended = little.end(run)
    assert ended.status in ((-9,) if "engine" in victim else (0, 1, 3, 4, 5)), ended.words
    if ended.status == 5:
        assert ended.said["unreverted"], ended.words
    little.nothing_is_left(RETRIED)


# -- a disk that is full


@pytest.fixture
def full(bench: Bench) -> Iterator[Path]:
    """A place for records and journals, small enough to be filled."""
    with small_disk(bench.folder):
        yield bench.folder / "filling"
        bench.stop()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("victim", ["", "engine", "both"])
def test_a_full_disk_keeps_no_undo_from_running(bench: Bench, full: Path, victim: str) -> None:
    bench.start()
    run = bench.begin(*bench.argv("loaded", flag=bench.flag))
    soon(lambda: in_force(bench, "command") and in_force(bench, "toxic"), REVERTED, "the faults")
    guardian = bench.guardian
    fill(full)
    if victim == "both":
        guardian.send(signal.SIGKILL)
    if victim:
        run.kill()
    ended = bench.end(run)
    if victim:
        assert ended.status == -9
    else:
        assert ended.status == 4, ended.words
        assert "No space left" in ended.said["reason"]
    if victim == "both":
        soon(lambda: not bench.processes(), REVERTED, "the helpers' end")
        recovered = bench.sloproof("recover")
        assert recovered.status == 0, recovered.words
    bench.nothing_is_left(REVERTED)
    full.unlink()
    again = bench.sloproof(*bench.argv("everything", flag=bench.flag))
    assert again.status == 0, again.words


# -- a journal whose last line is torn


@pytest.mark.sampled(1)
@pytest.mark.parametrize("kept", [0, 0.5, 0.99])
@pytest.mark.parametrize("step", TORN)
def test_a_torn_last_line_hides_nothing(
    little: Bench, tmp_path: Path, step: str, kept: float
) -> None:
    little.struck(tmp_path / "reached", step, "SIGKILL", "both")
    soon(lambda: not little.processes(), REVERTED, "the helpers' end")
    (journal,) = little.journals
    written = journal.read_bytes().rstrip(b"\0")
    last = written.splitlines(keepends=True)[-1]
    lost = len(last) - int(kept * len(last))  # the line's end at least
    with journal.open("r+b") as file:
        file.seek(len(written) - lost)
        file.write(bytes(lost))
    recovered = little.sloproof("recover")
    assert recovered.status == 0, recovered.words
    little.nothing_is_left(REVERTED)


# -- somebody else at work


@pytest.mark.sampled(1)
@pytest.mark.parametrize("engine", ["lives", "dies"])
def test_a_copy_that_somebody_replaced_is_left_alone(little: Bench, engine: str) -> None:
    run = little.begin(*little.argv("replaced"))
    soon(lambda: in_force(little, "pause"), REVERTED, "the pause")
    life = in_force(little, "pause")
    assert isinstance(life, Incarnation)
    replace(little, life)
    if engine == "dies":
        run.kill()
    ended = little.end(run)
    assert ended.status == -9 if engine == "dies" else ended.status in (0, 3), ended.words
    little.nothing_is_left(REVERTED)


def test_whoever_got_the_same_pid_is_left_alone(little: Bench) -> None:
    last = Path("/proc/sys/kernel/ns_last_pid")
    if not os.access(last, os.W_OK):
        pytest.skip("only root can choose the next pid")
    run = little.begin(*little.argv("replaced"))
    soon(lambda: in_force(little, "pause"), REVERTED, "the pause")
    life = in_force(little, "pause")
    assert isinstance(life, Incarnation)
    little.guardian.send(signal.SIGKILL)
    run.kill()
    little.end(run)
    replace(little, life)
    stranger = born_as(life.pid, last)
    try:
        stranger.send_signal(signal.SIGSTOP)
        stopped = Incarnation.of(life.pid)
        assert stopped is not None
        soon(lambda: stopped.letter() == "T", REVERTED, "its stop")
        recovered = little.sloproof("recover")
        assert recovered.status == 0, recovered.words
        little.nothing_is_left(REVERTED)
        assert stopped.letter() == "T", "an operator stopped it, not we"
    finally:
        stranger.kill()
        stranger.wait()


def born_as(pid: int, last: Path) -> subprocess.Popen[bytes]:
    """A process with exactly this pid."""
    for _ in range(200):
        last.write_text(str(pid - 1))
        child = subprocess.Popen(["sleep", "60"])
        if child.pid == pid:
            return child
        child.kill()
        child.wait()
    pytest.skip(f"{pid} was always taken by somebody else")


def test_two_runs_never_share_a_target(little: Bench) -> None:
    runs = [little.begin(*little.argv("everything", flag=little.flag)) for _ in range(3)]
    ended = [little.end(run) for run in runs]
    assert sorted(each.status for each in ended) == [0, 4, 4], [each.words for each in ended]
    for each in ended:
        assert each.status == 0 or "two runs never share a target" in each.words
    little.nothing_is_left(REVERTED)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("differs", ["discovery file", "state folder"])
def test_two_runs_that_go_by_other_files_never_share_a_target(
    little: Bench, tmp_path: Path, differs: str
) -> None:
    copied, state = tmp_path / "copied.json", tmp_path / "state"
    shutil.copyfile(little.file, copied)
    first = little.begin(*little.argv("everything", flag=little.flag))
    if differs == "state folder":
        other = little.begin(
            *little.argv("everything", flag=little.flag), SLOPROOF_STATE_DIR=str(state)
        )
    else:
        other = little.begin(*little.argv("everything", flag=little.flag, state=copied))
    ended = [little.end(run) for run in (first, other)]
    assert sorted(each.status for each in ended) == [0, 4], [each.words for each in ended]
    (refused,) = (each.words for each in ended if each.status == 4)
    assert "two runs never share a target (`SLOPROOF_STATE_DIR=" in refused
    little.nothing_is_left(REVERTED)


def test_recovering_twice_at_once_does_no_harm(little: Bench, tmp_path: Path) -> None:
    step = "switch:applied:after"
    little.struck(tmp_path / "reached", step, "SIGKILL", "both")
    recovering = [little.begin("recover") for _ in range(3)]
    ended = [little.end(each) for each in recovering]
    assert all(each.status == 0 for each in ended), [each.words for each in ended]
    little.nothing_is_left(REVERTED)


def test_a_guardian_that_stood_still_does_no_harm_later(little: Bench) -> None:
    run = little.begin(*little.argv("loaded", flag=little.flag))
    soon(lambda: in_force(little, "command") and in_force(little, "toxic"), REVERTED, "the faults")
    guardian = little.guardian
    guardian.send(signal.SIGSTOP)
    run.kill()
    little.end(run)
    recovered = little.sloproof("recover")
    assert recovered.status == 0, recovered.words
    guardian.send(signal.SIGCONT)
    little.nothing_is_left(REVERTED)
    again = little.sloproof(*little.argv("everything", flag=little.flag))
    assert again.status == 0, again.words
