"""Where a database's files may be: a folder that the account PostgreSQL runs as can reach."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from digital_human.postgres.binaries import Binaries
from digital_human.postgres.errors import Unfit

ELSEWHERE = Path("/var/tmp")  # noqa: S108 - the folder made there is checked to be ours


def place(wanted: Path, binaries: Binaries, elsewhere: Path = ELSEWHERE) -> Path:
    """`wanted`, if the programs' account can reach it, else a folder of its own in `elsewhere`.

    The same `wanted` always gives the same folder. It is there afterwards; `remove` takes it away.
    Raises `Unfit` if it belongs to somebody else.
    """
    folder = _choose(wanted, binaries, elsewhere)
    folder.mkdir(mode=0o711, parents=folder == wanted, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.geteuid():
        raise Unfit(f"{folder} belongs to somebody else: remove it, or choose another folder")
    folder.chmod(0o711)
    return folder


def remove(wanted: Path, binaries: Binaries, elsewhere: Path = ELSEWHERE) -> None:
    """Remove what `place` gave for `wanted`, with all that is in it."""
    folder = _choose(wanted, binaries, elsewhere)
    if folder.exists():
        shutil.rmtree(folder)


def _choose(wanted: Path, binaries: Binaries, elsewhere: Path) -> Path:
    wanted = wanted.absolute()
    if binaries.obstacle(wanted.parent) is None:
        return wanted
    name = hashlib.sha256(str(wanted).encode()).hexdigest()[:16]
    return elsewhere / f"digital-human-{name}"
