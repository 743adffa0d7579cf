"""A running reference system, as tests and their fixtures see it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")
HEALTHY_COPIES = "/stats?filter=cluster.dialogue.membership_healthy"
COMMAND = [sys.executable, "-m", "digital_human"]


@dataclass(frozen=True)
class Reply:
    status: int
    content: Any


def http(
    method: str, url: str, content: Any = None, headers: dict[str, str] | None = None
) -> Reply:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, path, b"" if content is None else body, headers or {})
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    is_json = "json" in (response.getheader("content-type") or "")
    return Reply(response.status, json.loads(text) if is_json else text)


def eventually(condition: Callable[[], T], *, within: float = 20.0) -> T:
    """What `condition` gives once that is true; fails when it has not become so in time."""
    deadline = time.monotonic() + within
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s; last seen: {found!r}")
        time.sleep(0.02)


def run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class System:
    """One system, started by `up --detach`."""

    def __init__(self, path: Path, *overrides: str, profile: str = "ci") -> None:
        self.path = path
        settings = [part for override in overrides for part in ("--set", override)]
        done = run("up", "--state", str(path), "--profile", profile, "--detach", *settings)
        assert done.returncode == 0, done.stderr
        self.state = json.loads(path.read_text())
        self.url: str = self.state["gateway"]["url"]

    def stop(self) -> None:
        done = run("down", "--state", str(self.path))
        assert done.returncode == 0, done.stderr

    def processes(self) -> dict[str, Any]:
        done = run("status", "--state", str(self.path), "--json")
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout)["processes"])

    def send(self, instance: str, number: signal.Signals) -> int:
        """Signal a copy; its pid."""
        pid = int(self.processes()[instance]["pid"])
        os.kill(pid, number)
        return pid

    def session(self) -> str:
        answer = http("POST", f"{self.url}/sessions")
        assert answer.status == 201, answer
        return str(answer.content["id"])

    def turn(self, text: str = "Hello!", *, request_id: str | None = None) -> Reply:
        headers = {"x-request-id": request_id} if request_id else {}
        return http("POST", f"{self.url}/sessions/{self.session()}/turns", {"text": text}, headers)

    def turn_at(self, copy: str, text: str = "Hello!") -> Reply:
        """A turn asked of one copy directly, past the gateway."""
        url = self.state["services"][copy]["url"]
        return http("POST", f"{url}/sessions/{self.session()}/turns", {"text": text})

    def cut(self, link: str, *, cut: bool = True) -> None:
        proxy = self.state["links"][link]["proxy"]
        answer = http(
            "POST", f"{self.state['toxiproxy']['url']}/proxies/{proxy}", {"enabled": not cut}
        )
        assert answer.status == 200, answer

    def control_speech(self, **wanted: float) -> None:
        method = "PUT" if wanted else "DELETE"
        answer = http(
            method, f"{self.state['services']['speech_1']['url']}/control", wanted or None
        )
        assert answer.status == 200, answer

    def lines(self, file: str) -> list[dict[str, Any]]:
        text = Path(self.state["files"][file]).read_text()
        return [json.loads(line) for line in text.splitlines()]

    def marks(self, files: Sequence[str]) -> dict[str, int]:
        return {file: len(self.lines(file)) for file in files}

    def calm(self) -> None:
        """Undo what a test did, and wait until every copy answers in full again."""
        assert http("POST", f"{self.state['toxiproxy']['url']}/reset").status == 204
        eventually(self._well)

    def _well(self) -> bool:
        try:
            self.control_speech()
            healthy = http("GET", self.state["gateway"]["admin_url"] + HEALTHY_COPIES).content
            if "membership_healthy: 2" not in healthy or not self._healed():
                return False
            answers = [self.turn_at("dialogue_1"), self.turn_at("dialogue_2"), self.turn()]
        except OSError:
            return False
        return all(a.status == 200 and a.content["degraded"] == [] for a in answers)

    def _healed(self) -> bool:
        copies = http("GET", f"{self.state['controller']['url']}/state").content["copies"]
        return all(copy["healthy"] and not copy["repairing"] for copy in copies.values())
