"""What goes wrong with the database, in one tree.

PostgresError
├── Unfit            this host or folder can't run it; says what would help
├── CommandFailed    one of PostgreSQL's programs failed or was too slow
├── Unreachable      no server answered in time, or the connection was lost
├── SqlFailed        a server answered with an error
├── Fenced           the server must not run before it has been rejoined
├── FailoverError    a step of the fail-over could not be done
└── BackupError      a backup could not be made, found, verified or restored
"""

from __future__ import annotations


class PostgresError(Exception):
    """What this package raises."""


class Unfit(PostgresError):
    """This host or folder can't run PostgreSQL; the message says what would help."""


class CommandFailed(PostgresError):
    """One of PostgreSQL's programs failed or was too slow; the message has its last words."""


class Unreachable(PostgresError):
    """No server answered in time, or the connection was lost: what was asked may have happened."""


class SqlFailed(PostgresError):
    """A server answered with an error."""


class Fenced(PostgresError):
    """The server was fenced: it must not run before it has been rejoined to the new primary."""


class FailoverError(PostgresError):
    """A step of the fail-over could not be done."""


class BackupError(PostgresError):
    """A backup could not be made, found, verified or restored."""
