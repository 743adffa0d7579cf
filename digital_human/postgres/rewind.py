"""Taking a server's data back to where its history and its new primary's parted."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from dataclasses import replace

from digital_human.ports import Ports
from digital_human.postgres.errors import CommandFailed
from digital_human.postgres.schema import OWNER
from digital_human.postgres.server import Server
from digital_human.processes import spawn

POLL_S = 0.02
NOWHERE = "0/0"
CLEAN = ("shut down", "shut down in recovery")
# What a postmaster writes into the eighth line of `postmaster.pid` once it has replayed its WAL.
UP = ("ready", "standby")


async def rewind(old: Server, host: str, port: int, within: float = 60.0) -> None:
    """Make the data of a server that doesn't run that of the primary at `host` and `port`.

    Copies what changed since the two parted; nothing if they didn't. Raises `CommandFailed` or
    `OSError`; the data may be worth nothing then.
    """
    await _close(old, within)
    source = f"host={host} port={port} user={OWNER} dbname=postgres"
    arguments = [f"--target-pgdata={old.data}", f"--source-server={source}"]
    await old.binaries.run(
        "pg_rewind", "--no-ensure-shutdown", *arguments, home=old.folder, within=within
    )


async def _close(old: Server, within: float) -> None:
    """Replay what a crash left open, as a standby that nobody knows of.

    pg_rewind would do it as a primary. That ends in a checkpoint of its own: a standby that only
    crashed would have written WAL which its primary never wrote, and never follow it again.
    """
    told = await _controldata(old)
    if told["Database cluster state"] in CLEAN:
        return
    if (old.data / "backup_label").exists() or told["Backup start location"] != NOWHERE:
        # What it lacks is with the primary that it was copied from: alone it would wait for ever.
        raise CommandFailed("it died before it had all of what it was copied from")
    old.configure()
    old.binaries.write(old.data / "standby.signal", "")
    # It must listen somewhere; not where its clients would read what is about to be taken back.
    ports = Ports()
    aside = replace(old, port=ports.reserve())
    process = spawn(aside.unfenced_command(), env=os.environ, log=old.log)
    try:
        async with asyncio.timeout(within):
            while not _up(old):
                _check(old, process)
                await asyncio.sleep(POLL_S)
            process.send_signal(signal.SIGINT)
            while process.poll() is None:  # noqa: ASYNC110 - a process's end is no event of ours
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise CommandFailed(f"the data was not recovered within {within:g} s") from None
    finally:
        process.kill()
        process.wait()
        await old.vacate()
        ports.release()
    state = (await _controldata(old))["Database cluster state"]
    if state not in CLEAN:
        raise CommandFailed(f"the data was not shut down cleanly: {state}")


async def _controldata(old: Server) -> dict[str, str]:
    told = await old.binaries.run("pg_controldata", str(old.data), home=old.folder)
    lines = (line.partition(":") for line in told.splitlines())
    found = {name: value.strip() for name, _, value in lines}
    if missing := {"Database cluster state", "Backup start location"} - set(found):
        raise CommandFailed(f"pg_controldata does not tell the {' and '.join(sorted(missing))}")
    return found


def _up(old: Server) -> bool:
    try:
        lines = (old.data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > 7 and lines[7].strip() in UP


def _check(old: Server, process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        words = old.log.read_text(errors="replace")[-2_000:].strip()
        raise CommandFailed(f"the data could not be recovered: {words}")
