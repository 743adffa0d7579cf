"""Nothing falsely red, and nothing useless: who can't be judged hears what would do."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sloproof.contracts import Duration, Outcome, Rate, Ratio
from sloproof.judge import adequacy
from sloproof.judge.checks.slo import ServiceLevel
from sloproof.judge.ratio import Count, of_the_system, of_this_run
from sloproof.spec.experiment import Experiment, Load, MixPart, Recovery, Segment
from tests.judge.cases import built, calm, claim, line, slo

SURE = Fraction(95, 100)
TARGET = Fraction("0.999")
REQUESTS = 20_000
RUNS = 10_000
ADVICE = re.compile(r"([\d,]+)/s throughout would do")

FILES = {
    "experiments/steady.yaml": """\
apiVersion: sloproof/v1
kind: Experiment
metadata: {name: steady}
spec:
  target: shop
  variables: {rate: 5/s}
  load:
    mix: [{locustfile: load.py, users: [Visitor], share: 100%}]
    arrivals: [{rate: $(rate)}]
  baseline: 10s
  recovery: {at_least: 10s, at_most: 10s}
  verify: [{slo: availability}]
""",
    "experiments/targets/shop.yaml": """\
apiVersion: sloproof/v1
kind: Target
metadata: {name: shop}
spec: {platform: external, entry: {url: "http://127.0.0.1:8080"}}
""",
    "slo/availability.yaml": """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: availability}
spec:
  service: shop
  indicator:
    metadata: {name: availability}
    spec:
      ratioMetric:
        counter: true
        good: {metricSource: {type: sloproof, spec: {status: [2xx]}}}
        total: {metricSource: {type: sloproof, spec: {}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{displayName: good, target: 0.999}]
""",
    "load.py": """\
from locust import HttpUser, task


class Visitor(HttpUser):
    @task
    def visit(self):
        self.client.get("/")
""",
}


def plan(project: Path, *more: str) -> tuple[int, dict[str, Any]]:
    argv = [sys.executable, "-m", "sloproof", "plan", "experiments/steady.yaml", "--json", *more]
    done = subprocess.run(
        argv, cwd=project, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, json.loads(done.stdout)


def test_plan_refuses_what_can_reach_no_verdict_and_names_the_load_that_would_do(
    tmp_path: Path,
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    status, said = plan(tmp_path)
    assert status == 2
    assert "too few" in said["error"]
    found = ADVICE.search(said["error"])
    assert found is not None, said["error"]
    rate = int(found[1].replace(",", ""))
    # 2,995 good requests show 99.9 % with 95% confidence: 150/s for 20 s are 3,000.
    assert rate == 150
    assert plan(tmp_path, f"--set=rate={rate}/s")[0] == 0
    assert plan(tmp_path, f"--set=rate={rate - 1}/s")[0] == 2
    assert plan(tmp_path, "--allow-inconclusive")[0] == 0


def planned(rate: Fraction, seconds: int, during: str, *, general: bool) -> tuple[str, int]:
    """Why a claim of 99.9 % can't be decided at this rate, and how many requests it expects."""
    experiment = Experiment(
        name="steady",
        origin="",
        target="shop",
        verify=(line(ServiceLevel(slo="availability"), during=during, general=general),),
        baseline=Duration.of(seconds),
        recovery=Recovery(at_least=Duration.of(seconds)),
        load=Load(
            mix=(MixPart(share=Ratio.parse("100%"), profile="p"),),
            arrivals=(Segment(rate=Rate(rate)),),
        ),
    )
    [found] = adequacy(experiment, {"availability": slo("99.9%")})
    return found.reason, found.expected or 0


@settings(deadline=None, max_examples=60)
@given(
    st.fractions(Fraction(1, 2), 40, max_denominator=8),
    st.integers(1, 20),
    st.sampled_from(["run", "baseline", "recovery"]),
    st.booleans(),
)
def test_the_load_that_is_named_does_and_a_little_less_does_not(
    rate: Fraction, seconds: int, during: str, general: bool
) -> None:
    reason, _ = planned(rate, seconds, during, general=general)
    found = ADVICE.search(reason)
    if found is None:
        assert not reason
        return
    enough = Fraction(found[1].replace(",", ""))
    assert planned(enough, seconds, during, general=general)[0] == ""
    assert planned(enough - 1, seconds, during, general=general)[0] != ""


@pytest.mark.truth
def test_a_fault_free_run_of_enough_requests_passes_but_for_one_in_fifty() -> None:
    """20,000 requests at 99.9 %, one in 10,000 fails: a tenth of what is allowed."""
    failing = (1 - TARGET) / 10
    bad = np.random.default_rng(2).binomial(REQUESTS, float(failing), RUNS)
    for decide in (of_the_system, lambda found, target, _: of_this_run(found, target)):
        counts = zip(*np.unique(bad, return_counts=True), strict=True)
        passed = sum(
            int(often)
            for number, often in counts
            if decide(Count(REQUESTS - int(number), REQUESTS), TARGET, SURE).outcome is Outcome.PASS
        )
        assert passed >= 0.98 * RUNS


@pytest.mark.truth
@pytest.mark.parametrize("seed", range(3))
def test_the_whole_judge_says_so_of_such_a_run(tmp_path: Path, seed: int) -> None:
    bad = int(np.random.default_rng(seed).binomial(REQUESTS, 0.0001))
    table = f"""
        at     every  count             outcome  status
        2s     1ms    {REQUESTS - bad}  ok       200
        22s    1ms    {bad}             error    503
    """
    record = built(calm(table), tmp_path)
    found = claim(record, line(ServiceLevel(slo="availability")), (slo("99.9%"),))
    assert found.finding.outcome is Outcome.PASS, found.finding.reason
    assert "95% confidence" in found.finding.reason
