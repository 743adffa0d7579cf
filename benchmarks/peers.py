"""What one would use instead: built or installed once into a cache, with the version it really has.

`$XDG_CACHE_HOME/sloproof/peers` keeps them. One that can't be had says why, by `PeerMissing`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

BUILD_TIMEOUT_S = 900
CHAOS_TOOLKIT = "1.19.0"  # the newest asks for Python 3.12
MODULES = {"vegeta": "github.com/tsenart/vegeta/v12", "k6": "go.k6.io/k6"}


class PeerMissing(Exception):
    """A peer can't be had; the message says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A program with its version."""

    name: str
    path: Path
    version: str

    @property
    def who(self) -> str:
        return f"{self.name} {self.version}"


def cache() -> Path:
    """Where peers are kept."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path("~/.cache").expanduser()) / "sloproof" / "peers"


def go_peer(name: str) -> Peer:
    """vegeta or k6 from its Go module. Raises `PeerMissing`."""
    go = shutil.which("go")
    path = cache() / "go" / name
    if go is None:
        raise PeerMissing(f"{name}: there is no `go` on PATH to build it")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "GOBIN": str(path.parent)}
        _call([go, "install", f"{MODULES[name]}@latest"], name, environment)
    said = _call([go, "version", "-m", str(path)], name)
    module = next(line.split() for line in said.splitlines() if line.split()[:1] == ["mod"])
    return Peer(name, path, module[2].lstrip("v"))


def locust() -> Peer:
    """Locust by itself, as it is installed beside us."""
    from importlib.metadata import version

    return Peer("Locust", Path(sys.executable).with_name("locust"), version("locust"))


def chaos_toolkit() -> Peer:
    """Chaos Toolkit in an environment of its own. Raises `PeerMissing`."""
    place = cache() / f"chaostoolkit-{CHAOS_TOOLKIT}"
    path = place / "bin" / "chaos"
    if not path.exists():
        name = "Chaos Toolkit"
        _call([sys.executable, "-m", "venv", "--clear", str(place)], name)
        pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        _call([*pip, f"chaostoolkit=={CHAOS_TOOLKIT}"], name)
    return Peer("Chaos Toolkit", path, CHAOS_TOOLKIT)


def _call(argv: list[str], name: str, environment: dict[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            argv,
            env=environment,
            capture_output=True,
            text=True,
            timeout=BUILD_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerMissing(f"{name}: {type(error).__name__} at {argv[0]}") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip() or f"exit status {error.returncode}").splitlines()[-1]
        raise PeerMissing(f"{name}: {last}") from error
    return done.stdout
