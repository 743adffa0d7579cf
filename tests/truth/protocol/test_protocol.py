"""The protocol explored: no interleaving leaves anything, and every rule is needed for that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import Effect
from sloproof.run.journal import Journal, Stage
from sloproof.testing.world import Change
from tests.run.simulation import Simulation, experiment, planned, seconds
from tests.run.test_engine import LINK, latency
from tests.truth.protocol.explore import Explored, endless, explore
from tests.truth.protocol.model import ENGINE, Rules, State, mutants


@pytest.fixture(scope="module")
def everything() -> Explored:
    return explore(Rules())


def test_it_is_the_whole_of_it(everything: Explored) -> None:
    """Hundreds of states, each kind of death and every step of the engine among them."""
    assert len(everything.ways) > 500
    assert {state.does for state in everything.ways} == {*ENGINE, ""}
    combined = {(state.engine, state.guardian) for state in everything.ways}
    assert len(combined) == 8
    assert any(state.recovery == "done" for state in everything.ways)


def test_nothing_is_left_whoever_dies_when(everything: Explored) -> None:
    broken = everything.broken()
    assert not broken, {what: everything.way_to(state) for what, state in broken.items()}
    assert everything.ends


def test_nobody_waits_for_ever(everything: Explored) -> None:
    assert endless(everything, Rules()) == []


@pytest.mark.parametrize("rule", Rules._fields)
def test_no_rule_can_be_done_without(rule: str) -> None:
    rules = mutants()[rule]
    found = explore(rules)
    assert found.broken() or endless(found, rules), f"{rule} is needed for nothing"


def test_a_counterexample_tells_how_it_comes_about() -> None:
    found = explore(mutants()["settles"])
    way = found.way_to(found.broken()["left in the world"])
    assert way.index("engine: ask") < way.index("engine dies") < way.index("service applies")


def test_the_engine_takes_the_steps_of_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the real engine does to one effect, in order; to await and to hold takes only time."""
    told: list[str] = []

    def note(owner: type[Any], name: str, word: str) -> None:
        method = getattr(owner, name)

        def noted(this: Any, *args: Any, **kwargs: Any) -> Any:
            told.append(word or str(args[1]))
            return method(this, *args, **kwargs)

        monkeypatch.setattr(owner, name, noted)

    note(Change, "capture", "capture")
    note(Change, "apply", "ask")
    note(Change, "undo", "withdraw")
    note(Journal, "intend", "intend")
    note(Journal, "mark", "")
    note(Journal, "close", "close")
    Simulation(tmp_path).run(experiment(planned(latency(), LINK, at=seconds(6), for_=seconds(4))))
    timeless = [step for step in ENGINE if step not in ("await", "hold", "gone")]
    assert told == timeless
    assert Stage("applied") in told
    assert issubclass(Change, Effect)
    assert State().does == ENGINE[0]
