"""One PostgreSQL server: its folder, and what it takes to make, start and ask it.

A server is data on a disk and an address; the process belongs to whoever starts `command()`. All
that waits is a coroutine with a deadline.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from digital_human.ports import LOOPBACK
from digital_human.postgres import sql
from digital_human.postgres.binaries import Binaries, find
from digital_human.postgres.configuration import HOSTS, assigned, quoted, settings
from digital_human.postgres.errors import Fenced, PostgresError, SqlFailed, Unfit, Unreachable
from digital_human.postgres.occupants import vacate
from digital_human.postgres.replication import ensure_slot
from digital_human.postgres.schema import CLIENT, DATABASE, OWNER, creation

SEGMENT_MB = 1
PROMOTION_PATIENCE_S = 10


@dataclass(frozen=True, slots=True)
class Server:
    """A server that listens on a loopback port and keeps everything in `folder`.

    `volume` in that folder holds the data and nothing else, so that it may be a mount of its own.
    `archive_command` copies each finished piece of WAL somewhere safe, at the latest after
    `archive_timeout` seconds; without it nothing is archived.
    """

    name: str
    folder: Path
    port: int
    archive_command: str = ""
    archive_timeout: int = 60
    binaries: Binaries = field(default_factory=find)

    @property
    def dsn(self) -> str:
        """Where its owner connects: may do everything, and gets in when all else is full."""
        return self._dsn(OWNER)

    @property
    def client_dsn(self) -> str:
        """Where dialogue connects, with no more rights than it needs."""
        return self._dsn(CLIENT)

    @property
    def volume(self) -> Path:
        """The folder for the data; may be a mount."""
        return self.folder / "volume"

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        return self.volume / "data"

    @property
    def log(self) -> Path:
        """For what the server says; whoever starts it sends its output there."""
        return self.folder / "server.log"

    @property
    def mark(self) -> Path:
        """The mark that keeps a server from being started; not on the volume, which may be full."""
        return self.folder / "fenced"

    def command(self) -> list[str]:
        """What runs the server in the foreground; the process started is the postmaster itself.

        SIGINT shuts it down cleanly, SIGQUIT and SIGKILL at once; SIGTERM waits for its clients.
        Raises `Fenced` if it must not run before `failover.rejoin`.
        """
        if self.mark.exists():
            raise Fenced(f"{self.name} is fenced and must be rejoined first: {self._reason()}")
        return self.unfenced_command()

    def unfenced_command(self) -> list[str]:
        """The same, for whoever knows that the data may be opened."""
        own = {"port": str(self.port), "cluster_name": self.name}
        if self.archive_command:
            own["archive_mode"] = "on"
            own["archive_command"] = self.archive_command
            own["archive_timeout"] = f"{self.archive_timeout}s"
        arguments = [part for name, text in own.items() for part in ("-c", f"{name}={text}")]
        return self.binaries.command(
            "postgres", "-D", str(self.data), *arguments, home=self.folder, parent_death="keep"
        )

    async def initialise(self) -> None:
        """Make an empty database with its tables; the server doesn't run meanwhile, nor after.

        Raises `Unfit` if the folder can't be used or has data already, else `CommandFailed`.
        """
        self.prepare()
        if self.data.exists():
            raise Unfit(f"{self.data} exists already: remove it, or start the server as it is")
        await self._run(
            "initdb",
            f"--pgdata={self.data}",
            # After a power failure in the next seconds, it is made anew.
            "--no-sync",
            f"--username={OWNER}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            f"--wal-segsize={SEGMENT_MB}",
        )
        self.configure()
        alone = ["--single", "-D", str(self.data), "-j", "-c", "exit_on_error=on"]
        await self._run("postgres", *alone, "postgres", said=f"create database {DATABASE};\n\n")
        await self._run("postgres", *alone, DATABASE, said=creation())

    async def clone(self, host: str, port: int, slot: str, *, within: float = 60.0) -> None:
        """Make this a standby of the primary at `host` and `port`, with a copy of its data.

        What the standby reads comes through that address for good. The slot is created on the
        primary if it isn't there. Data that is here already goes. Raises `PostgresError`.
        """
        self.prepare()
        # First, so that nothing is lost for a primary that isn't there.
        await ensure_slot(address(host, port), slot)
        if self.data.exists():
            shutil.rmtree(self.data)
        source = f"host={host} port={port} user={OWNER} application_name={self.name}"
        await self._run(
            "pg_basebackup",
            f"--pgdata={self.data}",
            f"--dbname={source}",
            f"--slot={slot}",
            "--checkpoint=fast",
            "--no-sync",
            "--wal-method=stream",
            within=within,
        )
        self.configure()
        self.follow(host, port, slot)

    def configure(self) -> None:
        """Write the configuration of a server that follows nobody, in place of what is there."""
        self.binaries.write(self.data / "postgresql.conf", settings())
        self.binaries.write(self.data / "postgresql.auto.conf", "")
        self.binaries.write(self.data / "pg_hba.conf", HOSTS)

    async def vacate(self, within: float = 3.0) -> list[int]:
        """Kill what is left of the server's processes, so that it can be started: their pids.

        A postmaster that was killed leaves children for a moment, and its lock for longer. Raises
        `PostgresError` if a process survives.
        """
        killed, left = await vacate(self.data, within)
        if left:
            pids = ", ".join(map(str, left))
            raise PostgresError(f"process {pids} of {self.name} survived SIGKILL for {within:g} s")
        return killed

    def follow(self, host: str, port: int, slot: str) -> None:
        """Have the server be a standby of that primary from its next start on."""
        source = (
            f"host={host} port={port} user={OWNER} application_name='{quoted(self.name)}' "
            "connect_timeout=2 keepalives_idle=2 keepalives_interval=1 keepalives_count=3 "
            "tcp_user_timeout=5000 sslmode=disable gssencmode=disable"
        )
        text = assigned({"primary_conninfo": source, "primary_slot_name": slot})
        self.binaries.write(self.data / "postgresql.auto.conf", text)
        self.binaries.write(self.data / "standby.signal", "")

    def follow_nobody(self) -> None:
        """Have a standby stay as it is from its next start on: it receives nothing more."""
        self.binaries.write(self.data / "postgresql.auto.conf", "")

    async def ready(self, within: float = 1.0) -> bool:
        """Whether it answers a query."""
        try:
            return bool(await sql.value(self.dsn, "select true", within=within))
        except (Unreachable, SqlFailed):
            return False

    async def is_primary(self, within: float = 1.0) -> bool:
        """Whether it takes writes. Raises `Unreachable` or `SqlFailed`."""
        return not await sql.value(self.dsn, "select pg_is_in_recovery()", within=within)

    async def promote(self, within: float = PROMOTION_PATIENCE_S) -> None:
        """Make a standby the primary; done when it takes writes. Raises `PostgresError`."""
        question = "select pg_promote(true, %s)"
        if not await sql.value(self.dsn, question, [max(1, int(within))], within=within + 1):
            raise PostgresError(f"{self.name} did not become the primary within {within:g} s")

    def _dsn(self, user: str) -> str:
        return address(LOOPBACK, self.port, user)

    def prepare(self) -> None:
        """Make the folders for the data. Raises `Unfit` if PostgreSQL can't get to them."""
        self.binaries.check_reach(self.folder.parent)
        self.folder.mkdir(mode=0o711, exist_ok=True)
        self.binaries.check_reach(self.folder)
        self.binaries.make_folder(self.volume)

    async def _run(
        self, program: str, *arguments: str, within: float = 60.0, said: str = ""
    ) -> str:
        return await self.binaries.run(
            program, *arguments, home=self.folder, within=within, said=said
        )

    def _reason(self) -> str:
        try:
            return self.mark.read_text().strip()
        except OSError as error:
            return str(error)


def address(host: str, port: int, user: str = OWNER) -> str:
    """The database at a host and port, which may be a proxy's."""
    return f"postgresql://{user}@{host}:{port}/{DATABASE}"
