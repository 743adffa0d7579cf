"""How much room is left: on a file system, or of a folder's budget."""

from __future__ import annotations

import os
from collections.abc import Iterator


def free_of(folder: int) -> int:
    """Bytes that an ordinary process can still write on the file system of this descriptor."""
    found = os.fstatvfs(folder)
    return found.f_bavail * found.f_frsize


def size_of(folder: int) -> int:
    """Bytes of a file system that ordinary processes share, as `df` counts: without root's own."""
    found = os.fstatvfs(folder)
    return (found.f_blocks - found.f_bfree + found.f_bavail) * found.f_frsize


def held_by(path: str) -> int:
    """Bytes of all files in a folder and below, each counted once; what vanishes meanwhile isn't.

    Other file systems mounted below don't count.
    """
    sizes: dict[int, int] = {}
    device = os.stat(path).st_dev  # noqa: PTH116 - pathlib would be made for each of many files
    for entry in _files(path):
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        if found.st_dev == device:
            sizes[found.st_ino] = found.st_size
    return sum(sizes.values())


def _files(path: str) -> Iterator[os.DirEntry[str]]:
    folders = [path]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        yield entry
        except OSError:
            continue
