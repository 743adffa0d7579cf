"""Laws that every effect and every fault keeps. Built-ins and extensions get the same check."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable

from sloproof.contracts import Effect, Fault, Owner, Platform, Undone, Where
from sloproof.effects import effect_from_json, effect_to_json
from sloproof.testing.death_laws import check_deaths

PATIENCE = 2.0


def check_effect(effect: Effect) -> None:
    """Hold an effect on a real or simulated world against its laws; leaves the world as it was.

    Raises `AssertionError` naming the law that is broken. Workers that are killed between any two
    steps and amid each of them are part of it. A lasting effect (a kill) isn't undone here: undoing
    it means healing.
    """
    # Its own: a tag marks what is ours, and another check may go on at the same time.
    effect = effect.bound(Owner(f"law-{os.getpid()}", 1))
    copy = effect_from_json(json.loads(json.dumps(effect_to_json(effect))))
    assert copy == effect, "law of JSON: an effect equals itself after the round trip"
    assert str(effect), "law of words: an effect says in words what it changes"
    prior = json.loads(json.dumps(effect.capture()))
    assert effect.capture() == prior, "law of capture: reading changes nothing"
    assert not effect.present(prior), "law of presence: absent before it is applied"
    assert copy.undo(prior) is not Undone.REVERTED, "law of undo: nothing to undo before apply"
    effect.apply(prior)
    assert _soon(lambda: effect.present(prior)), "law of presence: present once it is applied"
    effect.apply(prior)
    assert effect.present(prior), "law of apply: twice is once"
    if effect.lasting:
        return
    assert copy.undo(prior) is Undone.REVERTED, "law of undo: what is there is reverted"
    assert _soon(lambda: not effect.present(prior)), "law of presence: absent once it is undone"
    assert copy.undo(prior) is Undone.ABSENT, "law of undo: twice is once"
    assert effect.capture() == prior, "law of restoration: the state is what it was before"
    check_deaths(effect)


def check_fault(fault: Fault, where: Where, on: Platform) -> None:
    """Hold a fault against its laws; touches nothing.

    Raises `AssertionError` naming the law that is broken.
    """
    assert type(fault).__doc__, "law of help: a fault's docstring is its help"
    unsaid = [use.__name__ for use in fault.uses() if use not in fault.needs]
    assert not unsaid, f"law of needs: a fault uses nothing beyond its `needs`: {unsaid}"
    lacking = [on.lacks(use) for use in fault.uses() if on.lacks(use)]
    assert not lacking, f"the platform lacks what the fault needs: {lacking}"
    steps = list(fault.plan(where, on))
    assert steps, "law of effect: a plan has at least one step"
    assert list(fault.plan(where, on)) == steps, "law of purity: the same plan every time"
    for step in steps:
        if isinstance(step, Effect):
            copy = effect_from_json(json.loads(json.dumps(effect_to_json(step))))
            assert copy == step, "law of JSON: an effect equals itself after the round trip"
            assert step.witness() is not None, "law of witness: every effect can be seen"


def _soon(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
