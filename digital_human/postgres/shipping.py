"""How a primary sends its WAL to the archive of another region: one request for each piece.

PostgreSQL hands a command to a shell, as its own account. A program of ours could not be run where
this Python is installed for root alone; bash, which speaks TCP by itself, can.
"""

from __future__ import annotations

from digital_human.ports import LOOPBACK

PATIENCE_S = 30
"""After so long a piece that is on its way counts as not archived, and is sent again."""
# In the group of whoever started it: what kills the server's group kills it, too.
_LIMIT = f"timeout --foreground {PATIENCE_S}"
_REQUEST = (
    r"PUT /wal/%s HTTP/1.1\r\nHost: archive\r\nUser-Agent: {sender}\r\nConnection: close\r\n"
    r"Content-Length: %s\r\n\r\n"
)
_SEND = (
    "exec 3<>/dev/tcp/{host}/{port} || exit; "
    '{{ printf "{request}" "$0" "$(stat -c %s "$1")"; {limit} cat "$1"; }} >&3; '
    "read -r _ status _ <&3; [[ $status == 20? ]] || "
    '{{ echo "the archive answered $status to $0" >&2; exit 1; }}'
)


def command(port: int, sender: str) -> str:
    """For the `archive_command` of the `Server` that is called `sender`.

    The archive service, or a proxy before it, is at `port`.

    A piece counts as archived once the service says that it has it, see `Archive.keep`.
    """
    request = _REQUEST.format(sender=sender)
    send = _SEND.format(host=LOOPBACK, port=port, request=request, limit=_LIMIT)
    # PostgreSQL itself replaces what follows a per cent sign.
    return f"{_LIMIT} bash -c '{send.replace('%', '%%')}' %f %p"
