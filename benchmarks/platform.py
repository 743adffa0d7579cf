"""The reference system, started for a measurement and stopped after it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT


@dataclass(frozen=True, slots=True)
class Platform:
    """Where its parts are, as its state file says."""

    state: dict[str, Any]

    @property
    def gateway(self) -> str:
        return str(self.state["gateway"]["url"])

    def service(self, name: str) -> str:
        return str(self.state["services"][name]["url"])

    def proxies(self) -> dict[str, tuple[str, int]]:
        """Where each proxy listens."""
        with urllib.request.urlopen(f"{self.state['toxiproxy']['url']}/proxies") as answer:  # noqa: S310 - loopback
            found = json.loads(answer.read())
        pairs = {name: proxy["listen"].rpartition(":") for name, proxy in found.items()}
        return {name: (host, int(port)) for name, (host, _, port) in pairs.items()}


@contextmanager
def platform(folder: Path, profile: str = "ci", *words: str) -> Iterator[Platform]:
    """The reference system in one of its profiles; its state is in `state.json` there."""
    folder.mkdir(parents=True)
    state = folder / "state.json"
    _call("up", f"--profile={profile}", "--detach", f"--state={state}", *words)
    try:
        yield Platform(json.loads(state.read_text(encoding="utf-8")))
    finally:
        _call("down", f"--state={state}")


def _call(*words: str) -> None:
    argv = [sys.executable, "-m", "digital_human", *words]
    subprocess.run(argv, cwd=ROOT, capture_output=True, timeout=60, check=True)
