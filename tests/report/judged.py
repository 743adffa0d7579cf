"""The verdict that goes with the sample record, written by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sloproof.model.verdict import Claim, Finding, Number, Outcome, Verdict

HOSTILE = "<script>alert(1)</script>"

MEASURES: dict[str, object] = {
    "load": {
        "planned": 6500,
        "delivered": 6498,
        "late": 2,
        "late_ratio": 0.0003,
        "lateness_p99_s": 0.0011,
        "bound_s": 0.02,
        "no_slot": 0,
        "adequate": True,
        "reason": "",
        "notices": ["wait_time of ConversationUser is ignored: arrivals are scheduled"],
    },
    "probes": {
        "dialogue-health": {"samples": 1280, "missed": 0, "lateness_p99_s": 0.0039},
        "turn-end-to-end": {"samples": 1280, "missed": 0, "lateness_p99_s": 0.0041},
    },
    "windows": [
        {"name": "run", "begin_s": 0.0, "end_s": 60.0},
        {"name": "baseline", "begin_s": 0.0, "end_s": 10.0},
        {"name": "faults", "begin_s": 10.0, "end_s": 22.0},
        {"name": "fault:slow", "begin_s": 10.009, "end_s": 21.998},
        {"name": "recovery", "begin_s": 22.0, "end_s": 60.0},
    ],
    "faults": [
        {
            "name": "slow",
            "occurrence": 1,
            "kind": "latency",
            "where": "dialogue → speech",
            "requested": 0.8,
            "measured": 0.8031,
            "unit": "s",
            "tolerance": 0.04,
            "began_s": [10.0, 10.009],
            "ended_s": [21.998, 22.004],
            "witnessed": True,
            "witness_reason": "absent before, present in 118 of 118 samples, absent after",
            "kept_connections": "affected",
            "neighbours": "unaffected",
            "exposure": 1204,
            "exposure_reason": "1,204 requests crossed the link while it was slow",
            "time_to_revert_s": 0.006,
            "healed_by": "harness",
        }
    ],
    "recoveries": [
        {
            "name": "dialogue-recovery",
            "faults": ["slow"],
            "rto_s": [3.204, 3.231],
            "censored": False,
            "phases": [
                {"name": "fault to first user-visible failure", "begin_s": 10.0, "end_s": 10.82},
                {"name": "detected", "begin_s": 10.82, "end_s": 12.4},
                {"name": "action", "begin_s": 12.4, "end_s": 12.9},
                {"name": "first good answer", "begin_s": 12.9, "end_s": 13.22},
                {"name": "stable", "begin_s": 13.22, "end_s": 15.22},
                {"name": "baseline latency", "begin_s": 15.22, "end_s": 24.6},
            ],
        }
    ],
    "budget": [
        {
            "slo": "dialogue-availability",
            "spent_ratio": 0.031,
            "window": "30d",
            "traffic": "100/s",
            "note": "if this incident happened once in the window",
        }
    ],
    "alerts": [
        {
            "slo": "dialogue-availability",
            "alert": "fast burn",
            "at_s": 12.5,
            "severity": "critical",
            "note": "windows of 1h and 5m, rescaled to 60 s and 5 s",
        }
    ],
}

CLAIMS = (
    Claim(
        "slo:dialogue-availability",
        "slo",
        "run",
        Finding(
            Outcome.FAIL,
            "98.46% of 6,000 requests were good; the objective asks for 99.5%",
            (
                Number("target", 0.995, "ratio"),
                Number("good ratio", 0.98456, "ratio", limits=("target",)),
                Number("requests", 6000, "count"),
                Number("good", 5907, "count"),
            ),
        ),
    ),
    Claim(
        "slo:latency-while-slow",
        "slo",
        "fault:slow",
        Finding(
            Outcome.PASS,
            "The 95th percentile of 1,199 requests was 912 ms, below its limit of 1 s",
            (
                Number("limit", 1.0, "s"),
                Number("p95", 0.912, "s", 0.903, 0.921, ("limit",)),
                Number("requests", 1199, "count"),
            ),
            ("latency of good answers only, as the objective says",),
        ),
    ),
    Claim(
        "recovery:dialogue-recovery",
        "recovery",
        "run",
        Finding(
            Outcome.PASS,
            "Back 3.204 s to 3.231 s after the fault; 5 s were allowed",
            (
                Number("rto target", 5.0, "s"),
                Number("time to recovery", 3.2175, "s", 3.204, 3.231, ("rto target",)),
            ),
        ),
    ),
    Claim(
        "budget:dialogue-availability",
        "budget",
        "run",
        Finding(
            Outcome.PASS,
            "One such incident spends 3.1% of the budget of 30 days",
            (
                Number("at most", 0.05, "ratio"),
                Number("spent", 0.031, "ratio", limits=("at most",)),
            ),
        ),
    ),
    Claim(
        "circuit_breaker:dialogue-speech",
        "circuit_breaker",
        "run",
        Finding(
            Outcome.INCONCLUSIVE,
            "The breaker opened on 2 of 2 instances, but no call was seen in its half-open state; "
            "calls between dialogue and speech were not recorded",
            (Number("openings", 0, "count"),),
        ),
    ),
)


def verdict(**changes: Any) -> Verdict:
    """The verdict that goes with `record`."""
    whole = {
        "run": "20261103-101112-k3f9",
        "experiment": "slow-speech",
        "outcome": Outcome.FAIL,
        "sentence": "Too many people got no answer: availability was 98.46% where 99.5% is "
        "promised. Recovery and latency kept their objectives.",
        "claims": CLAIMS,
        "measures": MEASURES,
    }
    return Verdict(**{**whole, **changes})


def hostile_verdict() -> Verdict:
    """The same with a script for every name."""
    claims = tuple(replace(claim, id=f"slo:{HOSTILE}") for claim in CLAIMS)
    fault = {**MEASURES["faults"][0], "name": HOSTILE, "where": HOSTILE}  # type: ignore[index]
    return verdict(
        experiment=HOSTILE,
        sentence=HOSTILE,
        claims=claims,
        evidence=(HOSTILE,),
        measures={**MEASURES, "faults": [fault]},
    )
