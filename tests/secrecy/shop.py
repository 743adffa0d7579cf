"""A tiny shop on loopback and a project that tests it, with secrets wherever one can stand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOKEN = "tok-a1b2c3d4e5"
PIN = 'pin "4711" \\ ü'
KEY = "literal-key-778899"
PASSWORD = "probe-word-5566"
DSN_PASSWORD = "dsn-word-3344"
SECRETS = (TOKEN, PIN, json.dumps(PIN)[1:-1], KEY, PASSWORD, DSN_PASSWORD)

TARGET = """\
apiVersion: sloproof/v1
kind: Target
metadata: {name: shop}
spec:
  platform: external
  variables:
    token: {env: SHOP_TOKEN, secret: true}
    pin: {value: 'pin "4711" \\ ü', secret: true}
  entry:
    url: http://127.0.0.1:PORT
    headers: {authorization: Bearer $(token), x-api-key: literal-key-778899}
  services: {web: {instances: [{name: web-1}]}}
  probes:
    - name: home
      kind: http
      params: {url: "http://robot:probe-word-5566@127.0.0.1:PORT/home"}
      every: 50ms
    - name: named
      kind: http
      params: {url: "http://127.0.0.1:PORT/named", headers: {x-pin: $(token)}}
      every: 50ms
  switches:
    locked:
      service: web
      fails_requests: true
      read: {method: GET, url: "http://127.0.0.1:PORT/switch?token=$(token)"}
      set:
        method: PUT
        url: http://127.0.0.1:PORT/switch?token=$(token)
        json: {pin: $(pin), share: "{share}", status: "{status}"}
      reset: {method: DELETE, url: "http://127.0.0.1:PORT/switch"}
"""
EXPERIMENT = """\
apiVersion: sloproof/v1
kind: Experiment
metadata: {name: locked}
spec:
  hypothesis: Nobody learns the token.
  target: shop
  variables: {mine: {env: SHOP_TOKEN, secret: true}}
  baseline: 1s
  faults:
    - name: locked
      inject: http_error
      where: {service: web}
      with: {share: 50%}
      at: 1s
      for: FOR
    - name: own
      inject: command
      with:
        apply: [$(python), $(project)/own.py, apply, --token, $(mine), DSN]
        undo: [$(python), $(project)/own.py, undo, --token, $(mine), DSN]
        observe: [$(python), $(project)/own.py, observe, --token, $(mine), DSN]
      at: 1s
      for: FOR
  recovery: {at_least: 1s, at_most: 2s}
  verify: [{recovery: back}]
"""
OBJECTIVE = """\
apiVersion: sloproof/v1
kind: RecoveryObjective
metadata: {name: back}
spec: {probe: home, rto: 5s, stable_for: 200ms}
"""
OWN = """\
import sys
from pathlib import Path

verb, _, token, dsn = sys.argv[1:]
here = Path(__file__).parent
mark = here / "mark"
if verb == "apply":
    mark.write_text("")
elif verb == "undo":
    if (here / "stubborn").exists():
        sys.exit(3)
    mark.unlink(missing_ok=True)
elif not mark.exists():
    sys.exit(1)
if (token, dsn) != (TOKEN, DSN):
    (here / "wrong").write_text(repr(sys.argv))
"""


@dataclass(slots=True)
class Shop:
    """What the shop was asked, and the state of its switch."""

    port: int = 0
    state: dict[str, object] = field(default_factory=dict)
    first: dict[str, object] = field(default_factory=lambda: {"pin": PIN, "share": 0, "status": 0})
    heard: list[tuple[str, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = dict(self.first)

    def locked(self) -> bool:
        return self.state != self.first


@contextmanager
def open_shop() -> Iterator[Shop]:
    """A shop that serves while this is open."""
    shop = Shop()

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            shop.heard.append((self.path, self.headers.get("authorization", ""), ""))
            if self.headers.get("x-pin"):
                shop.heard.append((self.path, "", self.headers["x-pin"]))
            self._answer(shop.state if self.path.startswith("/switch") else {})

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            shop.state = {**shop.state, **json.loads(body)}
            shop.heard.append((self.path, "", body))
            self._answer({})

        def _answer(self, body: object) -> None:
            raw = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    shop.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True, slots=True)
class Project:
    """The project, and everything that a run of it may leave on disk."""

    folder: Path
    shop: Shop

    @classmethod
    def at(cls, folder: Path, shop: Shop, *, lasting: str = "1s") -> Project:
        dsn = f"postgres://shop:{DSN_PASSWORD}@127.0.0.1/shop"
        files = {
            "experiments/locked.yaml": EXPERIMENT.replace("FOR", lasting).replace("DSN", dsn),
            "experiments/targets/shop.yaml": TARGET.replace("PORT", str(shop.port)),
            "slo/back.yaml": OBJECTIVE,
            "own.py": OWN.replace("TOKEN", repr(TOKEN)).replace("DSN", repr(dsn)),
        }
        for name, text in files.items():
            path = folder / "project" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        (folder / "tmp").mkdir()
        return cls(folder, shop)

    @property
    def root(self) -> Path:
        return self.folder / "project"

    def change(self, name: str, changes: Mapping[str, str]) -> None:
        """Replace texts of one of the project's files; each must stand in it once."""
        text = (self.root / name).read_text("utf-8")
        for before, after in changes.items():
            assert text.count(before) == 1, f"{before!r} doesn't stand once in {name}"
            text = text.replace(before, after)
        (self.root / name).write_text(text, "utf-8")

    @property
    def record(self) -> Path:
        (record,) = (self.folder / "runs").iterdir()
        return record

    def environment(self, *, token: bool = True) -> dict[str, str]:
        own = {
            "SLOPROOF_STATE_DIR": str(self.folder / "state"),
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(self.folder / "tmp"),
        }
        return {**os.environ, **own, **({"SHOP_TOKEN": TOKEN} if token else {})}

    def start(self, *words: str, token: bool = True) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "sloproof", *words],
            cwd=self.root,
            env=self.environment(token=token),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, token: bool = True) -> tuple[int, str]:
        """The exit status and all that was said."""
        process = self.start(*words, token=token)
        out, err = process.communicate(timeout=60)
        return process.returncode, out + err

    def leaks(self) -> list[str]:
        """Every file outside of what was written by hand that holds a secret, and which."""
        found = []
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and not path.is_relative_to(self.root):
                content = path.read_bytes()
                found += [f"{path}: {one}" for one in SECRETS if one.encode() in content]
        return found

    def files(self) -> set[str]:
        return {path.name for path in self.folder.rglob("*") if path.is_file()}


def leaks_in(text: str) -> list[str]:
    """The secrets that a text holds."""
    return [secret for secret in SECRETS if secret in text]
