"""With one mechanism of the system switched off an experiment fails, for that reason alone."""

from __future__ import annotations

import pytest

from tests.system.running import Bench


@pytest.mark.parametrize(
    ("experiment", "mechanism", "claim", "undecided"),
    [
        ("slow-speech", "breaker", "circuit_breaker:dialogue-speech", []),
        ("dialogue-crash-loop", "retry", "slo:dialogue-continuity", []),
        # The door answers as ever, but a copy stays dead: that is no recovery.
        ("dialogue-pod-kill", "healer", "self_healing:dialogue", ["recovery:dialogue-recovery"]),
    ],
)
def test_without_its_mechanism_the_system_fails_for_that_reason_alone(
    bench: Bench, experiment: str, mechanism: str, claim: str, undecided: list[str]
) -> None:
    bench.settings[mechanism] = "off"
    ran = bench.run(experiment)
    assert ran.failed() == [claim], ran.said
    assert ran.status == 1
    others = {name: outcome for name, outcome in ran.outcomes().items() if name != claim}
    assert [name for name, outcome in others.items() if outcome != "PASS"] == undecided, ran.said
