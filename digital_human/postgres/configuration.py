"""What stands in the configuration of every server, whatever its part at the moment.

One text for all servers: `pg_basebackup` and `pg_rewind` copy the files of the server that they
read from, and so bring nothing that isn't there already. What is one server's own (its port, its
name, its archive) is given on its command line; what a part brings with it (whom to follow, whom
to wait for) stands in `postgresql.auto.conf`.
"""

from __future__ import annotations

SETTINGS = {
    "wal_level": "replica",
    "hot_standby": "on",
    # Lets pg_rewind tell which pages changed after the histories parted.
    "wal_log_hints": "on",
    "max_connections": "60",
    "superuser_reserved_connections": "5",
    "max_wal_senders": "8",
    "max_replication_slots": "8",
    "shared_buffers": "16MB",
    # A small volume must hold it all: segments are of 1 MB, see `initdb --wal-segsize`.
    "min_wal_size": "4MB",
    "max_wal_size": "32MB",
    # Kept for pg_rewind, and for a standby whose slot is gone.
    "wal_keep_size": "16MB",
    # A standby that stays away must not fill the primary's disk; it is rebuilt.
    "max_slot_wal_keep_size": "64MB",
    "wal_retrieve_retry_interval": "100ms",
    "wal_receiver_status_interval": "1s",
    "wal_receiver_timeout": "4s",
    "wal_sender_timeout": "4s",
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "5s",
    "synchronous_commit": "on",
    "synchronous_standby_names": "",
    "listen_addresses": "127.0.0.1",
    # Nobody needs them, and a folder's long path would keep the server from starting.
    "unix_socket_directories": "",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] %a ",
    "log_checkpoints": "off",
    "summarize_wal": "off",
    "jit": "off",
}
HOSTS = """\
host all all 127.0.0.1/32 trust
host replication all 127.0.0.1/32 trust
"""


def settings() -> str:
    """`postgresql.conf`."""
    return assigned(SETTINGS)


def assigned(values: dict[str, str]) -> str:
    """Settings as the lines of a configuration file."""
    return "".join(f"{name} = '{quoted(value)}'\n" for name, value in values.items())


def quoted(text: str) -> str:
    """Text as it stands between single quotes, in a configuration file or connection string."""
    return text.replace("\\", "\\\\").replace("'", "\\'")
