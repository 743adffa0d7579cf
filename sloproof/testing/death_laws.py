"""Killing whoever works at an effect between any two of its steps, and amid each of them.

`python -m sloproof.testing.death_laws` is that worker: it reads an effect as JSON, takes its steps
and tells of the beginning and the end of each, until it is killed.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator

from sloproof.contracts import Effect
from sloproof.contracts.effect import Json
from sloproof.effects import effect_from_json, effect_to_json
from sloproof.effects.doubt import undo_in_doubt

STEPS = ("capture", "apply", "undo")
LONGEST = 30.0
"""Seconds until a worker that was never killed ends by itself."""


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
        for step, when, _ in _told(worker):
            took[step] = time.monotonic() - took.get(step, 0.0)
            if (step, when) == (STEPS[-1], "ended"):
                break
        worker.kill()
    return took


def _death(effect: Effect, step: str, amid: float | None) -> Json:
    """Let a worker die after `step`, or `amid` seconds after it began; gives the state before."""
    prior: Json = effect.capture()
    with _worker(effect) as worker:
        for told, when, found in _told(worker):
            prior = found if (told, when) == ("capture", "ended") else prior
            if told == step and when == ("ended" if amid is None else "begun"):
                break
        time.sleep(amid or 0)
        worker.kill()
    plain: Json = json.loads(json.dumps(prior))
    return plain


def _worker(effect: Effect) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    worker = subprocess.Popen(
        [sys.executable, "-m", "sloproof.testing.death_laws"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    if worker.stdin is not None:
        worker.stdin.write(json.dumps(effect_to_json(effect)) + "\n")
        worker.stdin.flush()
    return worker


def _told(worker: subprocess.Popen[str]) -> Iterator[tuple[str, str, Json]]:
    for line in worker.stdout or ():
        step, when, found = json.loads(line)
        yield step, when, found
    raise AssertionError("the worker ended by itself: what it said stands on standard error")


def _work(effect: Effect) -> None:
    """Take the steps, and tell of them."""

    def tell(step: str, when: str, found: Json | None = None) -> None:
        sys.stdout.write(json.dumps([step, when, found or {}]) + "\n")
        sys.stdout.flush()

    tell("capture", "begun")
    prior = effect.capture()
    tell("capture", "ended", prior)
    tell("apply", "begun")
    effect.apply(prior)
    tell("apply", "ended")
    tell("undo", "begun")
    effect.undo(prior)
    tell("undo", "ended")
    time.sleep(LONGEST)


if __name__ == "__main__":
    _work(effect_from_json(json.loads(sys.stdin.readline())))
