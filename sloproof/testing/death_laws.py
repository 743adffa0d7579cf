"""Killing whoever works at an effect between any two of its steps, and amid each of them."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time

from sloproof.contracts import Effect
from sloproof.contracts.effect import Json
from sloproof.effects import effect_to_json
from sloproof.effects.doubt import undo_in_doubt

STEPS = ("capture", "apply", "undo")


def check_deaths(effect: Effect) -> None:
    """Let workers die at `effect`, each at another moment, and undo what they left.

    The effect is bound and absent; it is absent afterwards. Raises `AssertionError` naming the
    moment whose death leaves something behind.
    """
    took = _complete(effect)
    moments = random.Random(str(effect))
    for step in STEPS:
        for amid in (moments.uniform(0, took[step]), None):
            moment = f"amid {step}" if amid is not None else f"after {step}"
            prior = _death(effect, step, amid)
            _undo(effect, prior, doubtful=step == "apply" and amid is not None)
            gone = not effect.present(prior)
            assert gone, f"law of death: undone by another after a death {moment}"
            after = json.loads(json.dumps(effect.capture()))
            assert after == prior, f"law of death: restored by another after a death {moment}"


def _undo(effect: Effect, prior: Json, *, doubtful: bool) -> None:
    """Undo as another process does; what was under way may still come about for a while."""
    if doubtful:
        undo_in_doubt(effect, prior)
        return
    effect.interrupt()
    effect.undo(prior)


def _complete(effect: Effect) -> dict[str, float]:
    """Take all steps undisturbed; gives how many seconds each took."""
    took: dict[str, float] = {}
    with _worker(effect) as worker:
        for step in STEPS:
            _begin(worker, step)
            began = time.monotonic()
            _heard(worker)
            took[step] = time.monotonic() - began
        worker.kill()
    return took


def _death(effect: Effect, step: str, amid: float | None) -> Json:
    """Let a worker die after `step`, or `amid` seconds after it began; gives the state before."""
    prior: Json = json.loads(json.dumps(effect.capture()))
    with _worker(effect) as worker:
        for each in STEPS[: STEPS.index(step)]:
            _begin(worker, each)
            prior = _heard(worker)
        _begin(worker, step)
        if amid is None:
            prior = _heard(worker)
        time.sleep(amid or 0)
        worker.kill()
    return prior


def _worker(effect: Effect) -> subprocess.Popen[str]:
    worker = subprocess.Popen(
        [sys.executable, "-m", "sloproof.testing.mortal"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    _say(worker, json.dumps(effect_to_json(effect)))
    return worker


def _begin(worker: subprocess.Popen[str], step: str) -> None:
    _say(worker, step)
    _heard(worker)


def _say(worker: subprocess.Popen[str], line: str) -> None:
    if worker.stdin is not None:
        worker.stdin.write(line + "\n")
        worker.stdin.flush()


def _heard(worker: subprocess.Popen[str]) -> Json:
    line = worker.stdout.readline() if worker.stdout is not None else ""
    assert line, "a step raised: what it said stands on standard error"
    prior: Json = json.loads(line)
    return prior
