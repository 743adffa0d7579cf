"""Volumes to fill and to break, mounted in a namespace that only their own processes are in."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from sloproof.effects.place import Place, namespace_of
from sloproof.model.stores import Volume
from sloproof.model.target import Entry, Finder, Service, Target
from sloproof.platforms.local import Local

MIB = 1 << 20
SIZE = 32
NEEDS = ("mkfs.ext4", "mount", "umount", "nsenter")
LACKING = (
    "mounting volumes needs root"
    if os.geteuid() != 0
    else ", ".join(f"{tool} is missing" for tool in NEEDS if shutil.which(tool) is None)
)
KERNEL = tuple(int(each) for each in re.findall(r"\d+", os.uname().release)[:2])
DULL = LACKING or ("" if KERNEL >= (6, 14) else "slow I/O needs Linux 6.14 or later")
with_slow_volumes = pytest.mark.skipif(bool(DULL), reason=DULL or "can be slowed here")
with_volumes = pytest.mark.skipif(bool(LACKING), reason=LACKING or "can be mounted here")


@dataclass(frozen=True, slots=True)
class Mounted:
    """A process with an ext4 and a tmpfs of 32 MiB each, both at paths below `folder`."""

    folder: Path
    process: subprocess.Popen[bytes]

    namespace: str

    def place(self, kind: str) -> Place:
        return Place(str(self.folder / kind), self.namespace)

    def path(self, kind: str) -> Path:
        return Path(self.place(kind).reached)

    def free(self, kind: str) -> int:
        found = os.statvfs(self.path(kind))
        return found.f_bavail * found.f_frsize

    def platform(self) -> Local:
        """A target with these volumes, by these names."""
        pid_file = self.folder / "pid"
        pid_file.write_text(str(self.process.pid))
        names = [each for each in ("ext4", "slow", "tmpfs") if (self.folder / each).is_dir()]
        volumes = {k: Volume(path=str(self.folder / k), instance="store") for k in names}
        return local(self.folder, volumes, Finder(name="store", pid_file=str(pid_file)))


def local(folder: Path, volumes: dict[str, Volume], *copies: Finder) -> Local:
    target = Target(
        name="disks",
        origin="disks.yaml",
        folder=str(folder),
        platform="local",
        entry=Entry(url="http://127.0.0.1:1"),
        services={"store": Service(instances=copies)} if copies else {},
        volumes=volumes,
    )
    return Local(target, run="test", work=folder)


@contextmanager
def mounted(folder: Path, *, slow: bool = False) -> Iterator[Mounted]:
    """Both volumes, until the end of the block; with `slow` a third one that can be slowed."""
    sizes = [f"--disk={folder / 'ext4'}={SIZE}MiB", f"--tmpfs={folder / 'tmpfs'}={SIZE}MiB"]
    sizes += [f"--slow-disk={folder / 'slow'}={SIZE}MiB"] if slow else []
    argv = [sys.executable, "-m", "sloproof", "arm", "--no-shim", *sizes, "--", "cat"]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE)  # its end is the end of `cat`
    try:
        deadline = time.monotonic() + 20
        while process.poll() is None and _name_of(process) != "cat":
            assert time.monotonic() < deadline, "the volumes were not mounted"
            time.sleep(0.01)
        assert process.poll() is None, "mounting the volumes failed: see standard error"
        yield Mounted(folder, process, namespace_of(process.pid))
    finally:
        process.kill()
        process.communicate()


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Let `folder` be a disk of 16 MiB until the end of the block; only root can."""
    if os.geteuid():
        pytest.skip("only root can mount a small disk")
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(filling: Path) -> None:
    """Write a file until its disk is full."""
    with filling.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(1 << 12)):
            pass


def _name_of(process: subprocess.Popen[bytes]) -> str:
    return Path(f"/proc/{process.pid}/comm").read_text().strip()
