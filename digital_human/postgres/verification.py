"""Whether a backup is worth anything: restored for real, and compared with what there was."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from digital_human.postgres.archive import Archive
from digital_human.postgres.backup import Backup
from digital_human.postgres.contents import contents, differences, disorder
from digital_human.postgres.errors import BackupError, CommandFailed, PostgresError
from digital_human.postgres.restore import restored_to_moment
from digital_human.postgres.server import Server


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification found, and how many seconds it took; no problems means a good backup."""

    label: str
    at: datetime
    seconds: float
    problems: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether the backup can be relied on."""
        return not self.problems


async def verify(
    backup: Backup, archive: Archive, scratch: Server, *, within: float = 300.0
) -> Verification:
    """Check a backup's files, restore it into `scratch`, compare the contents, and write it down.

    The files are held against the checksums that were made as they were copied. The restored
    tables are held against what the primary held at the moment after the backup, which stands in
    its description, so that this needs no primary. Raises `BackupError` only if the outcome can't
    be written.
    """
    began = time.monotonic()
    problems = await _files(backup, archive, within)
    if not problems:
        problems = await _restoration(backup, archive, scratch, within)
    found = Verification(backup.label, datetime.now(UTC), time.monotonic() - began, tuple(problems))
    told = asdict(found) | {"at": found.at.isoformat(), "good": found.good}
    try:
        archive.binaries.write(backup.folder / "verified.json", json.dumps(told, indent=2) + "\n")
    except OSError as error:
        raise BackupError(f"what was found can't be written down: {error}") from error
    return found


async def _files(backup: Backup, archive: Archive, within: float) -> list[str]:
    try:
        await archive.binaries.run(
            "pg_verifybackup", "--quiet", str(backup.data), home=archive.wal, within=within
        )
    except CommandFailed as error:
        return [str(error)]
    return []


async def _restoration(
    backup: Backup, archive: Archive, scratch: Server, within: float
) -> list[str]:
    try:
        async with restored_to_moment(backup, archive, scratch, within=within) as server:
            found = await contents(server.dsn, within)
            return differences(backup.moment.tables, found) + await disorder(server.dsn, within)
    except PostgresError as error:
        return [str(error)]
