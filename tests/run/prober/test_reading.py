"""The engine reads samples as they come: a long run must not cost it its breath at the end."""

from __future__ import annotations

from pathlib import Path

from sloproof.contracts import ProbeSpec, Sample
from sloproof.run.drivers import RealProber
from sloproof.run.probing.samples import SampleWriter
from tests.run.prober.stage import EVERY_10_MS


def test_what_came_is_read_with_each_look_at_the_prober(tmp_path: Path) -> None:
    prober = RealProber(tmp_path / "prober", tmp_path)
    prober.prepare([ProbeSpec("door", "tcp", {"host": "127.0.0.1", "port": 1}, EVERY_10_MS)], [])
    samples = tmp_path / "prober" / "samples.jsonl"
    writer = SampleWriter(samples)
    writer.add("door", (1, 2, 3), Sample(ok=True))
    writer.close()
    prober.state()
    samples.write_bytes(b"")
    assert prober.sampled("door"), "the sample had not been read before it was asked for"
