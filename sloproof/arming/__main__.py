"""`python -m sloproof.arming [--disk PATH=SIZE]… [--slow-disk PATH=SIZE]… [--tmpfs …] -- COMMAND…`.

Mounts small volumes in a mount namespace of its own and becomes COMMAND. Whatever COMMAND starts
sees them; nobody else does, and they are gone with the last of these processes, however it ends.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from sloproof.arming.namespace import enter_own
from sloproof.arming.slow_io import arm
from sloproof.arming.volumes import FileSystem, SmallVolume
from sloproof.errors import PlatformError, SloproofError
from sloproof.model.units import Size

USAGE = 2


def main(arguments: list[str]) -> int:
    """Mount and become the command; comes back only where something failed, with its status."""
    options = _parser().parse_args(arguments)
    disks, memory = [*options.disk, *options.slow_disk], options.tmpfs
    volumes = [
        SmallVolume(path.absolute(), size, kind)
        for kind, given in ((FileSystem.EXT4, disks), (FileSystem.TMPFS, memory))
        for path, size in given
    ]
    try:
        if not _allowed(options):
            os.execvp(options.command[0], options.command)  # noqa: S606 - likewise
        for volume in volumes:
            volume.mount()
        for path, _ in options.slow_disk:
            arm(path.absolute())
        os.execvp(options.command[0], options.command)  # noqa: S606 - becoming it is the purpose
    except SloproofError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    except OSError as error:
        sys.stderr.write(f"{options.command[0]}: {error.strerror}\n")
        return USAGE


def _allowed(options: argparse.Namespace) -> bool:
    """Whether this process is in a namespace of its own now. Raises `PlatformError` if it must."""
    try:
        enter_own()
    except PlatformError as error:
        if not options.where_allowed:
            raise
        sys.stderr.write(f"without volumes: {error}\n")
        return False
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sloproof.arming", description=__doc__)
    parser.add_argument(
        "--disk",
        action="append",
        default=[],
        type=_volume,
        metavar="PATH=SIZE",
        help="an ext4 on a loop device, such as run/data=64MiB",
    )
    parser.add_argument(
        "--slow-disk",
        action="append",
        default=[],
        type=_volume,
        metavar="PATH=SIZE",
        help="one whose reads and writes can be delayed",
    )
    parser.add_argument(
        "--tmpfs",
        action="append",
        default=[],
        type=_volume,
        metavar="PATH=SIZE",
        help="a tmpfs, such as run/data=64MiB",
    )
    parser.add_argument(
        "--where-allowed",
        action="store_true",
        help="where nothing can be mounted say so, and start the command without",
    )
    parser.add_argument("command", nargs="+", help="what is started with the volumes")
    return parser


def _volume(text: str) -> tuple[Path, Size]:
    path, _, size = text.rpartition("=")
    if not path:
        raise argparse.ArgumentTypeError(f'"{text}" is no PATH=SIZE, such as run/data=64MiB')
    try:
        return Path(path), Size.parse(size)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
