"""Volumes filled and broken: a loop ext4, a tmpfs, a folder with a budget."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from sloproof.contracts import Owner, Undone
from sloproof.effects.broken_volume import BrokenVolume
from sloproof.effects.fill import OFF, Fill
from sloproof.effects.place import namespace_of
from sloproof.effects.room import held_by
from sloproof.effects.slow_volume import SlowVolume
from sloproof.errors import EffectError
from sloproof.testing import check_effect
from tests.volumes import MIB, Mounted, mounted, with_slow_volumes, with_volumes

MINE = Owner("r", 1)


@pytest.fixture
def volumes(tmp_path: Path) -> Iterator[Mounted]:
    with mounted(tmp_path) as found:
        yield found


def fill_of(volumes: Mounted, kind: str, free: int) -> Fill:
    place = volumes.place(kind)
    device = volumes.path(kind).stat().st_dev
    return Fill(volume=kind, path=place.path, namespace=place.namespace, device=device, free=free)


def broken(volumes: Mounted) -> BrokenVolume:
    place = volumes.place("ext4")
    return BrokenVolume(volume="ext4", path=place.path, namespace=place.namespace)


def budgeted(folder: Path, budget: int, free: int) -> Fill:
    device = folder.stat().st_dev
    return Fill(volume="folder", path=str(folder), device=device, free=free, budget=budget)


def error_of(path: Path, work: bytes = b"x" * 8192) -> int:
    """What a durable write of a new file ends with; 0 where it is kept."""
    try:
        with path.open("wb") as file:
            file.write(work)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno or -1
    return 0


@with_volumes
@pytest.mark.parametrize("kind", ["ext4", "tmpfs"])
def test_a_fill_of_a_volume_keeps_the_laws(volumes: Mounted, kind: str) -> None:
    check_effect(fill_of(volumes, kind, free=4 * MIB))


def test_a_fill_of_a_budget_keeps_the_laws(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"x" * MIB)
    check_effect(budgeted(tmp_path, budget=8 * MIB, free=2 * MIB))


@with_volumes
@pytest.mark.parametrize("kind", ["ext4", "tmpfs"])
@pytest.mark.parametrize("free", [0, MIB, 10 * MIB + 12345])
def test_so_much_is_left_as_was_asked_for(volumes: Mounted, kind: str, free: int) -> None:
    before = volumes.free(kind)
    effect = fill_of(volumes, kind, free).bound(MINE)
    prior = effect.capture()
    effect.apply(prior)
    assert abs(volumes.free(kind) - free) <= 16384
    full = error_of(volumes.path(kind) / "new", b"x" * (free + 64 * 1024))
    assert full == errno.ENOSPC
    (volumes.path(kind) / "new").unlink()
    assert effect.undo(prior) is Undone.REVERTED
    assert abs(volumes.free(kind) - before) <= 16384


def test_a_budget_counts_the_bytes_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "data").write_bytes(b"x" * MIB)
    os.link(tmp_path / "below" / "data", tmp_path / "again")
    effect = budgeted(tmp_path, budget=5 * MIB, free=MIB).bound(MINE)
    prior = effect.capture()
    effect.apply(prior)
    assert held_by(str(tmp_path)) == 4 * MIB
    effect.undo(prior)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["again", "below"]


def test_the_file_system_below_a_budget_keeps_its_margin(tmp_path: Path) -> None:
    effect = budgeted(tmp_path, budget=1 << 60, free=0).bound(MINE)
    prior = effect.capture()
    with pytest.raises(EffectError, match="would have too little left"):
        effect.apply(prior)
    effect.undo(prior)
    assert list(tmp_path.iterdir()) == []


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Somebody who adds and removes files of half a MiB all the time."""
    done = threading.Event()

    def write() -> None:
        for turn in range(100_000):
            if done.wait(0.002):
                return
            with (folder / f"file-{turn % 8}").open("wb") as file:
                file.write(b"x" * (MIB // 2))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@with_volumes
def test_the_level_is_met_although_others_write_and_remove(volumes: Mounted) -> None:
    """What others change between the last look and ours is at most one of their files."""
    with writing(volumes.path("tmpfs")):
        effect = fill_of(volumes, "tmpfs", free=12 * MIB).bound(MINE)
        prior = effect.capture()
        effect.apply(prior)
        left = volumes.free("tmpfs")
        effect.undo(prior)
    assert abs(left - 12 * MIB) <= 4 * MIB


@with_volumes
def test_what_is_held_is_given_back_and_taken_again(volumes: Mounted) -> None:
    effect = fill_of(volumes, "tmpfs", free=4 * MIB).bound(MINE)
    prior = effect.capture()
    effect.apply(prior)
    used = volumes.path("tmpfs") / "used"
    used.write_bytes(b"x" * 3 * MIB)
    effect.keep(prior)
    assert abs(volumes.free("tmpfs") - 4 * MIB) <= 16384, "what the system used is given back"
    used.unlink()
    effect.keep(prior)
    assert abs(volumes.free("tmpfs") - 4 * MIB) <= 16384, "what it freed is taken"
    effect.undo(prior)


@with_volumes
def test_a_volume_with_less_room_is_not_filled(volumes: Mounted) -> None:
    with pytest.raises(EffectError, match="there is nothing to fill"):
        fill_of(volumes, "tmpfs", free=31 * MIB + 2 * MIB).bound(MINE).capture()


def test_what_shows_once_a_volume_is_unmounted_is_never_filled(tmp_path: Path) -> None:
    effect = Fill(volume="v", path=str(tmp_path), device=1, free=0).bound(MINE)
    with pytest.raises(EffectError, match="another file system"):
        effect.apply({"file_system": "ext4"})
    assert list(tmp_path.iterdir()) == []


def test_a_file_on_a_disk_that_is_not_mounted_is_told(tmp_path: Path) -> None:
    effect = Fill(volume="v", path=str(tmp_path), device=1, free=0).bound(MINE)
    with pytest.raises(EffectError, match="is not mounted, so its file stays on it"):
        effect.undo({"file_system": "ext4"})
    assert effect.undo({"file_system": "tmpfs"}) is Undone.ABSENT


@with_volumes
def test_effects_are_gone_with_the_processes_that_had_the_volume(volumes: Mounted) -> None:
    effects = [fill_of(volumes, "tmpfs", free=MIB).bound(MINE), broken(volumes).bound(MINE)]
    priors = [effect.capture() for effect in effects]
    for effect, prior in zip(effects, priors, strict=True):
        effect.apply(prior)
    volumes.process.kill()
    volumes.process.wait()
    for effect, prior in zip(effects, priors, strict=True):
        assert not effect.present(prior)
        assert effect.undo(prior) is Undone.ABSENT


@with_volumes
def test_effects_are_undone_for_those_that_outlive_the_first_process(volumes: Mounted) -> None:
    effects = [fill_of(volumes, "tmpfs", free=MIB).bound(MINE), broken(volumes).bound(MINE)]
    priors = [effect.capture() for effect in effects]
    for effect, prior in zip(effects, priors, strict=True):
        effect.apply(prior)
    argv = ["nsenter", "-t", str(volumes.process.pid), "-m", "sleep", "60"]
    other = subprocess.Popen(argv)
    try:
        until = time.monotonic() + 20
        while namespace_of(other.pid) != volumes.namespace:
            assert time.monotonic() < until
        volumes.process.kill()
        volumes.process.wait()
        for effect, prior in zip(effects, priors, strict=True):
            assert effect.present(prior)
            assert effect.undo(prior) is Undone.REVERTED
            assert not effect.present(prior)
        assert list(volumes.path("tmpfs").iterdir()) == []
        assert error_of(volumes.path("ext4") / "new") == 0
    finally:
        other.kill()
        other.wait()


@with_volumes
def test_a_broken_volume_keeps_the_laws(volumes: Mounted) -> None:
    check_effect(broken(volumes))


@with_volumes
def test_all_access_fails_and_what_was_written_is_there_again(volumes: Mounted) -> None:
    folder = volumes.path("ext4")
    assert error_of(folder / "kept", b"before") == 0
    effect = broken(volumes).bound(MINE)
    prior = effect.capture()
    with (folder / "kept").open("r+b") as file:
        effect.apply(prior)
        for access in (lambda: os.read(file.fileno(), 1), lambda: os.write(file.fileno(), b"x")):
            with pytest.raises(OSError, match="Input/output"):
                access()
        assert error_of(folder / "new") == errno.EIO
        assert effect.undo(prior) is Undone.REVERTED
        with pytest.raises(OSError, match="Input/output"):
            os.read(file.fileno(), 1)
    assert (folder / "kept").read_bytes() == b"before"
    assert error_of(folder / "new") == 0


@with_volumes
def test_only_one_loop_device_is_left_once_old_files_are_closed(volumes: Mounted) -> None:
    effect = broken(volumes).bound(MINE)
    prior = effect.capture()
    for _ in range(3):
        effect.apply(prior)
        effect.undo(prior)
    until = time.monotonic() + 20
    while len(found := devices(volumes)) > 1:
        assert time.monotonic() < until, found
        time.sleep(0.01)


def devices(volumes: Mounted) -> list[str]:
    """The loop devices over the volume's image."""
    image = str(volumes.folder / "ext4.device" / "image")
    found = []
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            if backing.read_text().strip() == image:
                found.append(backing.parent.parent.name)
        except OSError:
            continue
    return found


@with_volumes
def test_nothing_stays_mounted_once_the_processes_are_killed(tmp_path: Path) -> None:
    with mounted(tmp_path) as volumes:
        assert len(devices(volumes)) == 1
        assert volumes.place("ext4").mount() is not None
    until = time.monotonic() + 20
    while devices(volumes):
        assert time.monotonic() < until
        time.sleep(0.01)
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


@with_volumes
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tmpfs=here", "--", "true"], "no PATH=SIZE"),
        (["--tmpfs=here=lots", "--", "true"], "size"),
        (["--", "no-such-program"], "no-such-program: No such file"),
    ],
)
def test_what_can_not_be_armed_is_said(tmp_path: Path, arguments: list[str], said: str) -> None:
    argv = [sys.executable, "-m", "sloproof", "arm", "--no-shim", *arguments]
    done = subprocess.run(
        argv, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert said in done.stderr


@pytest.fixture
def slowed(tmp_path: Path) -> Iterator[Mounted]:
    with mounted(tmp_path, slow=True) as found:
        yield found


def slow(volumes: Mounted, milliseconds: int) -> SlowVolume:
    place = volumes.place("slow")
    delay = milliseconds * 1_000_000
    return SlowVolume(volume="slow", path=place.path, namespace=place.namespace, delay_ns=delay)


@with_slow_volumes
def test_a_slow_volume_keeps_the_laws(slowed: Mounted) -> None:
    check_effect(slow(slowed, 20))


@with_slow_volumes
def test_each_read_and_write_takes_longer_and_those_at_once_wait_together(slowed: Mounted) -> None:
    effect = slow(slowed, 500).bound(MINE)
    prior = effect.capture()
    files = [slowed.path("slow") / f"file-{number}" for number in range(8)]
    opened = [os.open(file, os.O_RDWR | os.O_CREAT) for file in files]
    try:
        effect.apply(prior)
        with ThreadPoolExecutor(len(opened)) as threads:
            began = time.monotonic()
            assert list(threads.map(lambda file: os.write(file, b"x"), opened)) == [1] * 8
            took = time.monotonic() - began
        assert 0.5 <= took < 8 * 0.5, "one delay for all of them, not one after the other"
        began = time.monotonic()
        assert os.pread(opened[0], 1, 0) == b"x"
        assert time.monotonic() - began >= 0.5
        assert effect.undo(prior) is Undone.REVERTED
    finally:
        for file in opened:
            os.close(file)


@with_slow_volumes
def test_a_watcher_that_dies_lets_everything_through(slowed: Mounted) -> None:
    effect = slow(slowed, 60_000).bound(MINE)
    prior = effect.capture()
    with (slowed.path("slow") / "file").open("wb", buffering=0) as file:
        effect.apply(prior)
        waiting = threading.Thread(target=file.write, args=(b"x",))
        waiting.start()
        [watcher] = children(slowed.process.pid)
        os.kill(watcher, signal.SIGKILL)
        waiting.join(timeout=10)
        assert not waiting.is_alive()
    assert not effect.present(prior)
    effect.undo(prior)
    with pytest.raises(EffectError, match="nobody watches slow"):
        effect.capture()


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(each) for each in listed.split()]


@with_slow_volumes
def test_a_delay_of_somebody_else_is_left_alone(slowed: Mounted) -> None:
    theirs, ours = slow(slowed, 1).bound(Owner("other", 1)), slow(slowed, 1).bound(MINE)
    prior = theirs.capture()
    theirs.apply(prior)
    with pytest.raises(EffectError, match="is slowed by sloproof-other-1 already"):
        ours.capture()
    assert ours.undo(prior) is Undone.FOREIGN
    assert theirs.undo(prior) is Undone.REVERTED


def test_a_fill_is_no_farther_off_than_is_promised() -> None:
    assert OFF == MIB
