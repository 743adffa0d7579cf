"""Every name by which a record's parts find each other: a mask must hide none of them."""

from __future__ import annotations

from collections.abc import Iterator

from sloproof.spec.loaded import Loaded


def names_in(loaded: Loaded) -> Iterator[str]:
    """The names of an experiment, its target and its objectives."""
    experiment, target = loaded.experiment, loaded.target
    yield from (experiment.name, target.name, *loaded.objectives, *target.services)
    yield from (plan.name for plan in experiment.faults)
    yield from (plan.fault.kind for plan in experiment.faults)
    yield from (line.id for line in experiment.verify)
    yield from (copy.name for each in target.services.values() for copy in each.instances)
    yield from (probe.name for probe in (*target.probes, *target.signals))
    yield from (source.name for source in target.events)
    yield from (*target.switches, *target.volumes, *target.stores, *target.ledgers)
    for link in target.links:
        yield from (link.source, link.to)
        if link.proxy is not None:
            yield link.proxy.name
