"""The load as the engine drives it: what it tells the generator, and what it counts on."""

from __future__ import annotations

import json
import time
from fractions import Fraction
from pathlib import Path

from sloproof.model.target import Entry, Target
from sloproof.run.drivers import RealLoad
from sloproof.run.load.spec import LoadSpec, Part
from sloproof.spec.pieces import Piece

SHOP = Target(
    name="shop", origin="", folder=".", platform="local", entry=Entry(url="http://127.0.0.1")
)


def test_the_generator_hears_of_its_end_before_it_comes(tmp_path: Path) -> None:
    """Told of an end that has passed, it had made an arrival more than was planned."""
    spec = LoadSpec(
        mix=(Part("visitor", "visitor.py", Fraction(1)),),
        pieces=(Piece(0, None, Fraction(60), Fraction(60)),),
        host="http://127.0.0.1",
    )
    load = RealLoad(tmp_path / "load", lambda target: spec)
    load.prepare(SHOP)
    now = time.monotonic_ns()
    load.stop(now)
    [message] = [
        json.loads(line) for line in (tmp_path / "load" / "control.jsonl").read_text().splitlines()
    ]
    assert message["do"] == "stop"
    assert message["at"] >= now + 100_000_000
    later = now + 60_000_000_000
    load.stop(later)
    last = (tmp_path / "load" / "control.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["at"] == later
