"""Whoever works at an effect, to be killed: `python -m sloproof.testing.mortal`.

It reads an effect as JSON, then takes one step a line that it reads, and tells of the beginning and
the end of each.
"""

from __future__ import annotations

import json
import sys

from sloproof.contracts.effect import Effect, Json
from sloproof.effects import effect_from_json


def work(effect: Effect) -> None:
    """Take the steps that are asked for, until nobody asks any more."""
    prior: Json = {}
    for line in sys.stdin:
        step = line.strip()
        tell(step, "begun")
        if step == "capture":
            prior = effect.capture()
        elif step == "apply":
            effect.apply(prior)
        else:
            effect.undo(prior)
        tell(step, "ended", prior)


def tell(step: str, when: str, found: Json | None = None) -> None:
    """One line: the step, `begun` or `ended`, and what was found."""
    sys.stdout.write(json.dumps([step, when, found or {}]) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    work(effect_from_json(json.loads(sys.stdin.readline())))
