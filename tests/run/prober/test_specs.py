"""Specs of probes: their limits, and what is said of broken ones."""

from __future__ import annotations

import pytest

from sloproof.contracts import ProbeSpec
from sloproof.errors import ProberError
from sloproof.run.probing.specs import make_probe, probe_kinds, spec_from_json, spec_to_json

KINDS = probe_kinds()


@pytest.mark.parametrize(
    ("kind", "params", "reason"),
    [
        ("telnet", {}, 'no kind "telnet"'),
        ("tcp", {"host": "x"}, "port"),
        ("tcp", {"host": "x", "port": "many"}, "port: Input should be a valid integer"),
        ("tcp", {"host": "x", "port": 1, "prot": 2}, r"unknown: prot \(known: host, port\)"),
        ("http", {"url": "example.org"}, "neither http:// nor https://"),
        ("http", {"url": "http://x", "expect": ["ok"]}, "'ok' is no status"),
        ("http", {"url": "http://x", "within": "800 parsecs"}, "not a duration"),
        ("prometheus", {"url": "http://x", "metric": "a-b"}, "not a metric's name"),
        ("prometheus", {"url": "http://x", "metric": "a", "ok_when": {"above": 1}}, "ok_when"),
    ],
)
def test_a_broken_spec_is_told_with_the_name_of_its_probe(
    kind: str, params: dict[str, object], reason: str
) -> None:
    with pytest.raises(ProberError, match=f"^probe p.*{reason}"):
        make_probe(ProbeSpec("p", kind, params), KINDS)


@pytest.mark.parametrize("change", [{"every": 1_000_000}, {"timeout": 0}, {"params": None}])
def test_intervals_and_time_outs_have_their_limits(change: dict[str, object]) -> None:
    data = spec_to_json(ProbeSpec("p", "tcp", {}))
    with pytest.raises(ProberError, match=r"^probe p: "):
        spec_from_json({**data, **change})


def test_a_spec_makes_the_round_trip() -> None:
    spec = ProbeSpec("p", "tcp", {"host": "x", "port": 1})
    assert spec_from_json(spec_to_json(spec)) == spec
