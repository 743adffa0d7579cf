"""A gate as what it is: an experiment without load and faults, which ends in a steady state."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from sloproof.contracts import Ratio
from sloproof.errors import InvalidInput
from sloproof.extensions import Extensions
from sloproof.spec.envelope import API_VERSION
from sloproof.spec.experiments import KIND, draft_experiment
from sloproof.spec.loaded import Loaded
from sloproof.spec.objectives import Objectives, RecoveryObjective
from sloproof.spec.places import Document, Problems
from sloproof.spec.suite import Gate


def gate_experiment(gate: Gate, before: Loaded, name: str) -> Loaded:
    """What the gate watches on the target of `before`, as an experiment called `name`.

    It ends as soon as all probes were good for as long as the gate asks, at the latest when the
    gate's time is over; its claim says whether they were.
    """
    target = before.target
    probes = gated_probes(gate, before)
    spec: dict[str, Any] = {
        "target": target.name,
        "hypothesis": "The target is in its steady state.",
        "baseline": "0s",
        "recovery": {"at_least": str(gate.for_), "at_most": str(gate.within)},
        "verify": [{"settled": {"stable_for": str(gate.for_), "probes": list(probes)}}],
    }
    data = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}
    own = Document(before.experiment.origin, data, data)
    problems = Problems(own)
    known = Extensions.of(Path(before.project))
    draft = draft_experiment(problems, {}, known.checks)
    if problems.found or draft is None:
        raise InvalidInput(problems.found)
    objectives: Objectives = {
        probe: RecoveryObjective(
            name=probe,
            origin=before.experiment.origin,
            probe=probe,
            rto=gate.within,
            stable_for=gate.for_,
            successes=1,
            good_ratio=Ratio(Fraction(1)),
        )
        for probe in probes
    }
    documents = (own, *before.documents[1:2])
    return Loaded(
        draft.experiment, target, objectives, documents, before.project, secrets=before.secrets
    )


def gated_probes(gate: Gate, loaded: Loaded) -> tuple[str, ...]:
    """The probes that the gate looks at; none where there is no gate."""
    return tuple(p.name for p in loaded.target.probes) if gate.probes is None else gate.probes
