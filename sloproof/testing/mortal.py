"""Whoever works at an effect, to be killed: `python -m sloproof.testing.mortal`.

It reads an effect as JSON, then takes one step a line that it reads. It answers with the state
before, as far as it knows it: once when it begins a step, once when it has ended it.
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
        tell(prior)
        if step == "capture":
            prior = effect.capture()
        elif step == "apply":
            effect.apply(prior)
        else:
            effect.undo(prior)
        tell(prior)


def tell(prior: Json) -> None:
    """One line with the state before."""
    sys.stdout.write(json.dumps(prior) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    work(effect_from_json(json.loads(sys.stdin.readline())))
