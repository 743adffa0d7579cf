"""The shim, by which a program's clock and its resolver can be struck later, for LD_PRELOAD.

It is compiled on demand, once, into a cache that every user can read: a service may run as another
user than whoever starts it.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from sloproof.errors import UsageError

SOURCE = Path(__file__).parents[1] / "shim" / "shim.c"
NAME = "sloproof-shim.so"
FLAGS = ("-O2", "-fPIC", "-shared", "-fvisibility=hidden")
LIBRARIES = ("-ldl", "-lpthread")
PATIENCE = 60.0


def preloaded(env: Mapping[str, str]) -> str:
    """What LD_PRELOAD has to be for the shim to be in a program; raises as `shim` does."""
    return ":".join(filter(None, (str(shim(env)), env.get("LD_PRELOAD", ""))))


def shim(env: Mapping[str, str]) -> Path:
    """The shim for this machine, compiled if need be; raises `UsageError` where it can't be.

    `SLOPROOF_SHIM` names one that was compiled elsewhere, `CC` another compiler than `cc`.
    """
    if named := env.get("SLOPROOF_SHIM"):
        if not Path(named).is_file():
            raise UsageError(f"SLOPROOF_SHIM is {named}, which is no file")
        return Path(named).absolute()
    source = SOURCE.read_bytes()
    kind = "\0".join((platform.machine(), *platform.libc_ver(), *FLAGS)).encode()
    digest = hashlib.sha256(source + b"\0" + kind).hexdigest()[:16]
    place = _cache(env) / "shim" / digest / NAME
    if not place.is_file():
        _compile(env.get("CC") or "cc", place)
    return place


def _cache(env: Mapping[str, str]) -> Path:
    if named := env.get("XDG_CACHE_HOME"):
        return Path(named).absolute() / "sloproof"
    if os.geteuid() == 0:
        return Path("/var/cache/sloproof")
    return Path.home() / ".cache" / "sloproof"


def _compile(compiler: str, place: Path) -> None:
    """Compile beside its place and rename, so that nobody ever loads a half of it."""
    hint = "install one (gcc, clang), name it in CC, or name a shim in SLOPROOF_SHIM"
    if shutil.which(compiler) is None:
        raise UsageError(f"to arm a program takes a C compiler, and there is no {compiler}: {hint}")
    try:
        place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as folder:
            made = Path(folder, NAME)
            words = [compiler, *FLAGS, "-o", str(made), str(SOURCE), *LIBRARIES]
            subprocess.run(words, check=True, capture_output=True, timeout=PATIENCE)
            made.chmod(0o755)
            made.replace(place)
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()
        raise UsageError(f"{compiler} can't compile the shim: {said}; {hint}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"the shim can't be compiled: {error}") from error
