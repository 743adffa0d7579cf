"""vegeta, k6 and Locust at a level rate against a server."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.loading import GETTER
from benchmarks.peers import Peer, PeerMissing, go_peer

K6 = """\
import http from 'k6/http';
export const options = {
  discardResponseBodies: true,
  scenarios: {level: {
    executor: 'constant-arrival-rate', rate: Number(__ENV.RATE), timeUnit: '1s',
    duration: `${__ENV.SECONDS}s`, preAllocatedVUs: 100, maxVUs: 500,
  }},
};
export default function () { http.get(__ENV.URL); }
"""
CLOSED = GETTER.replace(
    "import FastHttpUser,", "import FastHttpUser, constant_throughput,"
).replace("    @task", "    wait_time = constant_throughput({each})\n\n    @task")


Attack = Callable[[Peer, Path, str, int, float], object]


def open_loop(missing: list[str]) -> Iterator[tuple[Peer, Attack]]:
    """The peers that can be had, each with what attacks by it; why another can't goes to a list."""
    for name, attack in (("vegeta", vegeta), ("k6", k6)):
        try:
            yield go_peer(name), attack
        except PeerMissing as error:
            missing.append(str(error))


def vegeta(peer: Peer, folder: Path, url: str, rate: int, seconds: float) -> dict[str, Any]:
    """vegeta's own report of an attack; rate 0 is as fast as it can with 64 workers."""
    results = folder / "vegeta.bin"
    pace = ["-rate=0", "-max-workers=64"] if rate == 0 else [f"-rate={rate}/s"]
    attack = [str(peer.path), "attack", *pace, f"-duration={seconds}s", f"-output={results}"]
    subprocess.run(attack, input=f"GET {url}/\n", text=True, timeout=seconds + 60, check=True)
    said = _output([str(peer.path), "report", "-type=json", str(results)], 120)
    found: dict[str, Any] = json.loads(said)
    return found


def k6(peer: Peer, folder: Path, url: str, rate: int, seconds: float) -> None:
    """k6 with its executor of constant arrivals."""
    script = folder / "level.js"
    script.write_text(K6)
    given = {"URL": f"{url}/", "RATE": str(rate), "SECONDS": f"{seconds:g}"}
    words = [f"--env={name}={value}" for name, value in given.items()]
    quiet = ["--quiet", "--no-usage-report", "--no-summary", "--address="]
    _output([str(peer.path), "run", *quiet, *words, str(script)], seconds + 90)


def locust_closed(
    peer: Peer, folder: Path, url: str, *, users: int, each: int, seconds: int
) -> dict[str, str]:
    """The row of Locust's own statistics; `users` that each aim at `each` requests a second."""
    file = folder / "locustfile.py"
    file.write_text(CLOSED.format(each=each))
    words = ["--headless", f"--users={users}", "--spawn-rate=1000", f"--run-time={seconds}s"]
    place = [f"--csv={folder / 'own'}", f"--host={url}", "--stop-timeout=5", "--only-summary"]
    _output([str(peer.path), f"--locustfile={file}", *words, *place], seconds + 60)
    with (folder / "own_stats.csv").open(encoding="utf-8", newline="") as lines:
        return next(row for row in csv.DictReader(lines) if row["Name"] == "/")


def _output(argv: list[str], timeout: float) -> str:
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, "K6_NO_USAGE_REPORT": "true"},
    )
    if done.returncode:
        raise RuntimeError(f"{argv[0]}: {done.returncode}: {(done.stderr or done.stdout)[-400:]}")
    return done.stdout


def lateness_at_server(arrivals: Sequence[int], rate: int) -> np.ndarray[Any, np.dtype[Any]]:
    """How late each request came to the server, in ns, against its most punctual one.

    The same measure for every tool, as each says different things of itself. The n-th request
    belongs to the n-th moment: where some were never sent, those behind look late.
    """
    came = np.sort(np.asarray(arrivals, dtype=np.int64))
    offsets = came - np.arange(len(came)) * 1_000_000_000 // rate
    return np.asarray(offsets - offsets.min())
