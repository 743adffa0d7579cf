"""Effects on real processes: pause, kill, start; incarnations and not numbers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sloproof.contracts import Duration, KillMode, Owner, Undone
from sloproof.effects.command import Command
from sloproof.effects.finder import Finder
from sloproof.effects.incarnation import Incarnation, self_incarnation
from sloproof.effects.kill import Kill
from sloproof.effects.pause import Pause
from sloproof.effects.process import Process
from sloproof.effects.switch import Switch
from sloproof.effects.tagged import OWNER
from sloproof.errors import EffectError
from sloproof.model.addressing import Command as Restoring
from sloproof.model.target import Entry, Service, Target
from sloproof.model.target import Finder as Copy
from sloproof.platforms.local import Local
from sloproof.testing import check_effect
from tests.effects.conftest import wait_for

MINE = Owner("r", 1)
SLEEP = "import time; time.sleep(60)"


def kill_of(life: Incarnation, folder: Path, **fields: object) -> Kill:
    pid_file = folder / "pid"
    pid_file.write_text(str(life.pid))
    finder = Finder(pid_file=str(pid_file)).to_json()
    return Kill(incarnation=str(life), instance="copy", finder=finder, **fields)  # type: ignore[arg-type]


def test_a_pause_keeps_the_laws(sleeper: Incarnation) -> None:
    check_effect(Pause(incarnation=str(sleeper), instance="sleeper"))


def test_a_process_stopped_before_the_run_stays_stopped(sleeper: Incarnation) -> None:
    sleeper.send(signal.SIGSTOP)
    wait_for(lambda: sleeper.letter() == "T")
    effect = Pause(incarnation=str(sleeper), instance="sleeper").bound(MINE)
    prior = effect.capture()
    effect.apply(prior)
    assert effect.undo(prior) is Undone.FOREIGN
    assert sleeper.letter() == "T"


def test_another_life_with_the_same_pid_is_never_touched(sleeper: Incarnation) -> None:
    former = Incarnation(sleeper.pid, sleeper.start - 1, sleeper.boot)
    assert not former.alive()
    assert not former.send(signal.SIGKILL)
    assert sleeper.alive()


def test_a_life_of_another_boot_is_over() -> None:
    here = self_incarnation()
    assert not Incarnation(here.pid, here.start, "another-boot").alive()
    assert Incarnation.parse(str(here)) == here


def test_a_kill_keeps_the_laws_and_is_seen_dead(sleeper: Incarnation, tmp_path: Path) -> None:
    effect = kill_of(sleeper, tmp_path)
    check_effect(effect)
    assert not sleeper.alive()
    assert effect.present({})


def test_what_cannot_be_restored_says_so(sleeper: Incarnation, tmp_path: Path) -> None:
    effect = kill_of(sleeper, tmp_path)
    effect.apply({})
    with pytest.raises(EffectError, match="has no `restore:`"):
        effect.undo({})


def test_a_dead_copy_is_restored_by_its_command(sleeper: Incarnation, tmp_path: Path) -> None:
    script = (
        "import subprocess, sys; "
        f"p = subprocess.Popen([sys.executable, '-c', {SLEEP!r}]); "
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid))"
    )
    effect = kill_of(sleeper, tmp_path, restore=(sys.executable, "-c", script))
    effect.apply({})
    assert effect.undo({}) is Undone.REVERTED
    assert effect.undo({}) is Undone.ABSENT
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_a_restore_command_runs_in_the_project_wherever_it_is_called_from(
    sleeper: Incarnation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service(
        instances=(Copy(name="sleeper", pid_file="pid"),),
        restore=Restoring(command=(sys.executable, "restore.py"), within=Duration.parse("5s")),
    )
    target = Target(
        name="sleepers",
        origin="sleepers.yaml",
        folder=str(tmp_path),
        platform="local",
        entry=Entry(url="http://127.0.0.1"),
        services={"sleeping": service},
    )
    (tmp_path / "pid").write_text(str(sleeper.pid))
    (tmp_path / "restore.py").write_text("open('restored', 'w').close()")
    (elsewhere := tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(elsewhere)
    platform = Local(target, run="test", work=tmp_path)
    [copy] = platform.instances()
    effect = platform.kill(copy, KillMode.CRASH, "KILL", Duration(0))
    effect.apply({})
    with pytest.raises(EffectError, match="was restored but is not there"):
        effect.undo({})
    assert (tmp_path / "restored").exists()


@pytest.mark.parametrize(
    ("restore", "reason"),
    [
        (("/no/such/program",), "No such file"),
        ((sys.executable, "-c", "raise SystemExit('tired')"), "tired"),
        ((sys.executable, "-c", ""), "was restored but is not there"),
    ],
)
def test_a_restore_that_fails_says_why(
    sleeper: Incarnation, tmp_path: Path, restore: tuple[str, ...], reason: str
) -> None:
    effect = kill_of(sleeper, tmp_path, restore=restore, restore_timeout=1.0)
    effect.apply({})
    with pytest.raises(EffectError, match=reason):
        effect.undo({})


def test_grace_ends_in_sigkill(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True)"
    argv = [sys.executable, "-c", f"{deaf}; time.sleep(60)"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        life = Incarnation.of(process.pid)
        assert life is not None
        kill_of(life, tmp_path, signal="TERM", grace_ns=200_000_000).apply({})
        assert not life.alive()


def process(folder: Path, code: str = SLEEP, **fields: object) -> Process:
    return Process(
        argv=(sys.executable, "-c", code),
        words="helper",
        log=str(folder / "log"),
        folder=str(folder),
        **fields,  # type: ignore[arg-type]
    )


def test_a_started_process_keeps_the_laws(tmp_path: Path) -> None:
    check_effect(process(tmp_path))


def test_a_stop_command_gets_its_time_and_no_more(tmp_path: Path) -> None:
    effect = process(tmp_path, stop=("sleep", "60"), stop_within=0.3).bound(Owner("r", 1))
    effect.apply({})
    began = time.monotonic()
    assert effect.undo({}) is Undone.REVERTED
    assert time.monotonic() - began < 10, "its time, the grace of 3 s, and a busy machine"
    assert not effect.present({})
    assert effect.patience().seconds == pytest.approx(20.3)


def test_all_that_it_started_ends_with_it(tmp_path: Path) -> None:
    forks = (
        "import subprocess, sys, time; "
        f"[subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session=True) "
        "for _ in range(3)]; print('up', flush=True); time.sleep(60)"
    )
    effect = process(tmp_path, forks).bound(MINE)
    effect.apply({})
    wait_for(lambda: b"up" in (tmp_path / "log").read_bytes())
    assert len(list(effect._lives())) == 4
    assert effect.undo({}) is Undone.REVERTED
    assert not list(effect._lives())


def test_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True)"
    )
    effect = process(tmp_path, f"{deaf}; time.sleep(60)", grace_ns=200_000_000).bound(MINE)
    effect.apply({})
    wait_for((tmp_path / "log").read_bytes)
    assert effect.undo({}) is Undone.REVERTED


def test_a_stopped_one_ends_too(tmp_path: Path) -> None:
    effect = process(tmp_path).bound(MINE)
    effect.apply({})
    for life in effect._lives():
        life.send(signal.SIGSTOP)
    assert effect.undo({}) is Undone.REVERTED


def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from sloproof.contracts import Owner
from tests.effects.test_processes import process
import os, signal
process(Path({str(tmp_path)!r})).bound(Owner("parent", 1)).apply({{}})
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], check=False, timeout=30)
    left = process(tmp_path).bound(Owner("parent", 1))
    wait_for(lambda: not left.present({}))


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    effect = Process(argv=("/no/such",), words="ghost", log=str(tmp_path / "l"), folder=".")
    with pytest.raises(EffectError, match="can't start ghost"):
        effect.bound(MINE).apply({})


def test_a_process_carries_its_owner_in_its_environment(tmp_path: Path) -> None:
    effect = process(tmp_path).bound(MINE)
    effect.apply({})
    [life] = effect._lives()
    environment = Path(f"/proc/{life.pid}/environ").read_bytes()
    assert f"{OWNER}=sloproof-r-1".encode() in environment.split(b"\0")
    effect.undo({})


def command(folder: Path, **fields: object) -> Command:
    flag = str(folder / "flag")
    argv = {"apply_": ("touch", flag), "undo_": ("rm", "-f", flag), "observe": ("test", "-e", flag)}
    return Command(**{**argv, **fields})  # type: ignore[arg-type]


def test_commands_keep_the_laws(tmp_path: Path) -> None:
    check_effect(command(tmp_path))


def test_a_change_that_was_there_before_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "flag").touch()
    effect = command(tmp_path)
    prior = effect.capture()
    with pytest.raises(EffectError, match="before it was made"):
        effect.apply(prior)
    assert effect.undo(prior) is Undone.FOREIGN
    assert (tmp_path / "flag").exists()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"undo_": ("false",)}, "exit status 1"),
        ({"undo_": ("true",)}, "still there after its undo command"),
        ({"undo_": ("sleep", "9"), "timeout": 0.2}, "no end within 0.2 s"),
        ({"undo_": ("/no/such",)}, "No such file"),
    ],
)
def test_an_undo_command_that_fails_is_an_error(
    tmp_path: Path, fields: dict[str, object], reason: str
) -> None:
    effect = command(tmp_path, **fields)
    effect.apply({"present": False})
    with pytest.raises(EffectError, match=reason):
        effect.undo({"present": False})


def switch(backend: str, **fields: object) -> Switch:
    url = f"http://{backend}/control"
    acts = {
        "read": {"method": "GET", "url": url},
        "set": {"method": "PUT", "url": url, "json": {"failure_rate": 1.0, "status": 503}},
        "reset": {"method": "DELETE", "url": url},
    }
    return Switch(instance="speech-1", name="failures", **{**acts, **fields})  # type: ignore[arg-type]


def test_a_switch_keeps_the_laws(backend: str) -> None:
    check_effect(switch(backend))


def test_a_switch_goes_back_to_what_an_operator_had_set(backend: str) -> None:
    effect = switch(backend).bound(MINE)
    operator = {**effect.set, "json": {"failure_rate": 0.1, "status": 500}}
    effect._do(operator)
    prior = effect.capture()
    effect.apply(prior)
    assert effect.undo(prior) is Undone.REVERTED
    assert effect.capture()["state"] == {"failure_rate": 0.1, "status": 500}
    effect._do(effect.reset)


def test_a_switch_of_a_dead_service_is_gone_with_it(backend: str) -> None:
    gone = {"method": "GET", "url": "http://127.0.0.1:9/control"}
    assert switch(backend, read=gone).undo({"state": {}}) is Undone.ABSENT
