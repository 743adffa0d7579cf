"""`plan`: what a run would do, and whether it could reach a verdict; touches nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sloproof.doors import outlook
from sloproof.doors.ending import DONE, REFUSED, Ending
from sloproof.doors.loading import Wanted, load_all
from sloproof.errors import NoVerdictPossible, UsageError

if TYPE_CHECKING:
    from sloproof.contracts import Platform
    from sloproof.spec import Loaded
    from sloproof.spec.experiment import After, Experiment, FaultPlan, StopCondition


def plan(wanted: Wanted, *, allow_inconclusive: bool, seed: int | None = None) -> Ending:
    """The plan of each experiment; refused (2) where one lacks something or can't be judged."""
    loaded, _, _ = load_all(wanted)
    if not loaded:
        files = ", ".join(map(str, wanted.files))
        raise UsageError(f"no experiment in {files}")
    outlook.refuse_profiles(loaded)
    outlook.refuse_templates({each.project for each in loaded})
    plans = [plan_of(each, seed) for each in loaded]
    obstacles = [
        obstacle
        for each in plans
        for obstacle in each["lacks"] + ([] if allow_inconclusive else each["undecidable"])
    ]
    status = REFUSED if obstacles else DONE
    body: dict[str, Any] = {"plans": plans}
    if obstacles:
        body["error"] = "\n".join(obstacles)
    return Ending(status, body, "\n\n".join(map(plan_words, plans)))


def refuse_without_verdict(loaded: Sequence[Loaded]) -> None:
    """Raise `NoVerdictPossible` with every reason why a claim could not be decided."""
    reasons = [reason for each in loaded for reason in _undecidable(each, _adequacy(each))]
    if reasons:
        hint = "give it more load, time or sources, or --allow-inconclusive"
        raise NoVerdictPossible("\n".join([*reasons, hint]))


def plan_of(loaded: Loaded, seed: int | None = None) -> dict[str, Any]:
    """What a run would do, as plain data; `seed` takes the place of the experiment's own."""
    experiment = loaded.experiment
    experiment = experiment if seed is None else replace(experiment, seed=seed)
    claims = _adequacy(loaded)
    plan: dict[str, Any] = {
        "experiment": experiment.name,
        "file": experiment.origin,
        "hypothesis": experiment.hypothesis,
        "target": {"name": loaded.target.name, "platform": loaded.target.platform},
        "seed": experiment.seed,
        "timeline": list(_timeline(experiment)),
        "faults": [_fault(each, loaded, experiment.seed) for each in experiment.faults],
        "stop": [_stop(each) for each in experiment.stop],
        "claims": claims,
        "lacks": list(_lacks(loaded)),
        "undecidable": _undecidable(loaded, claims),
    }
    shown: dict[str, Any] = loaded.secrets.masked(plan)
    return shown


def _adequacy(loaded: Loaded) -> list[dict[str, Any]]:
    """For each claim the samples expected and needed, and why it could not be decided."""
    from sloproof.judge import adequacy

    found = adequacy(loaded.experiment, loaded.objectives, loaded.target)
    return [
        {
            "id": each.id,
            "expected": each.expected,
            "needed": each.needed,
            "sources": [str(source) for source in each.sources],
            "undecidable": each.reason,
        }
        for each in found
    ]


def _undecidable(loaded: Loaded, claims: Sequence[Mapping[str, Any]]) -> list[str]:
    name = loaded.experiment.name
    return [
        f"{name}: {each['id']}: {each['undecidable']}" for each in claims if each["undecidable"]
    ]


def _timeline(experiment: Experiment) -> Iterator[dict[str, str]]:
    """Moments count from the end of the warm-up, as `at` does."""
    if experiment.load is not None:
        yield {"at": f"−{experiment.load.warmup}", "what": "warm-up"}
    yield {"at": "0s", "what": f"baseline for {experiment.baseline}"}
    if (ledger := experiment.ledger) is not None:
        what = f"ledger {ledger.name}: {ledger.rate} until recovery ends, then read back"
        yield {"at": "0s", "what": what}
    timed = sorted((each for each in experiment.faults if each.at), key=lambda each: each.at or 0)
    for each in [*timed, *(each for each in experiment.faults if not each.at)]:
        when = str(each.at) if each.at else _after(each.after)
        length = f" for {each.for_}" if each.for_ else ""
        again = f", {each.repeat.times} times every {each.repeat.every}" if each.repeat else ""
        yield {"at": when, "what": f"{each.name}: {each.fault.kind}{length}{again}"}
    recovery = experiment.recovery
    length = f"{recovery.at_least} to {recovery.at_most}"
    yield {"at": "then", "what": f"recovery, {length} after the last fault"}


def _after(after: After | None) -> str:
    if after is None:
        return "at once"
    names = [("detected", after.detected), ("injected", after.injected), ("ended", after.ended)]
    (what, name) = next((pair for pair in names if pair[1]), ("", ""))
    plus = f" plus {after.plus}" if after.plus.ns else ""
    return f"when {name} is {what}{plus}, within {after.within}"


def _fault(each: FaultPlan, loaded: Loaded, seed: int) -> dict[str, Any]:
    from sloproof.spec.plain import as_written
    from sloproof.spec.selectors import matched

    found = matched(each.fault.points_at, each.where, loaded.target)
    matches = [name.partition(" ")[2] for name in found]
    return {
        "name": each.name,
        "inject": each.fault.kind,
        "points_at": each.fault.points_at,
        "with": as_written(each.fault),
        "matches": matches,
        "role": each.where.role or each.fault.role,
        "pick": as_written(each.where.pick) if each.where.pick else None,
        "picks": _picks(each, loaded, seed),
        "needs": [need.__name__ for need in each.fault.uses()],
    }


def _picks(each: FaultPlan, loaded: Loaded, seed: int) -> list[list[str]] | None:
    """What each occurrence would strike if all that the target's file names lived then.

    None where nothing is picked, and where names are known only once the target runs.
    """
    from sloproof.run.selection import Draw, count_of
    from sloproof.spec.selectors import link_name, matching_instances, matching_links
    from sloproof.spec.variables import is_late

    pick = each.where.pick
    if pick is None or pick.all:
        return None
    shown: dict[str, str] = {}
    if each.fault.points_at == "instances":
        shown = {copy.name: copy.name for copy in matching_instances(each.where, loaded.target)}
    elif each.fault.points_at == "links":
        known = dict(zip(_platform(loaded).links(), loaded.target.links, strict=True))
        matching = matching_links(each.where, loaded.target)
        shown = {own.name: link_name(link) for own, link in known.items() if link in matching}
    if not shown or any(map(is_late, shown)):
        return None
    times = each.repeat.times if each.repeat else 1
    count = count_of(pick, len(shown))
    draws = (Draw(seed, each.name, n).of(shown, count) for n in range(1, times + 1))
    return [[shown[name] for name in names] for names in draws]


def _stop(each: StopCondition) -> str:
    what = f"slo {each.slo} missed"
    if each.error_rate is not None:
        what = f"error rate above {each.error_rate.above}"
    return f"{what} for {each.for_}"


def _lacks(loaded: Loaded) -> Iterator[str]:
    """What the faults need and the platform, the host or the target can't do."""
    platform = _platform(loaded)
    for each in loaded.experiment.faults:
        for need in each.fault.uses():
            if reason := platform.lacks(need):
                yield f"{loaded.experiment.name}: fault {each.name}: {reason}"


def _platform(loaded: Loaded) -> Platform:
    from sloproof.extensions import Extensions

    make: Any = Extensions.of(loaded.project).platforms[loaded.target.platform]
    platform: Platform = make(loaded.target, run="plan", work=Path())
    return platform


def plan_words(each: Mapping[str, Any]) -> str:
    """A plan for people."""
    lines = [f"{each['experiment']} on {each['target']['name']} ({each['target']['platform']})"]
    lines += [f"  {each['hypothesis']}"] if each["hypothesis"] else []
    lines += ["", "  timeline"]
    lines += [f"    {moment['at']:>8}  {moment['what']}" for moment in each["timeline"]]
    lines += ["", "  faults"] if each["faults"] else []
    lines += [f"    {_fault_words(fault, each['seed'])}" for fault in each["faults"]]
    lines += [f"    stops when {condition}" for condition in each["stop"]]
    lines += ["", "  claims"]
    lines += [f"    {_claim_words(claim)}" for claim in each["claims"]]
    lines += [f"  LACKS {lack}" for lack in each["lacks"]]
    return "\n".join(lines)


def _fault_words(fault: Mapping[str, Any], seed: int) -> str:
    fields = ", ".join(f"{name} {_plain(value)}" for name, value in fault["with"].items())
    where = ", ".join(fault["matches"]) or "–"
    if fault["role"]:
        role = fault["role"]
        volume = fault["points_at"] == "volumes"
        where = f"{where}, which a {role} has to hold" if volume else f"the {role} of {where}"
    pick = f" ({_pick_words(fault, seed)})" if fault["pick"] else ""
    needs = ", ".join(fault["needs"]) or "nothing"
    what = f"{fault['inject']} {fields}".strip()
    return f"{fault['name']}: {what}; on {where}{pick}; needs {needs}"


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _pick_words(fault: Mapping[str, Any], seed: int) -> str:
    ((how, what),) = fault["pick"].items()
    wish = "all of them" if how == "all" else f"{what} of them"
    if not fault["picks"]:
        return wish
    struck = ", then ".join(" and ".join(names) for names in fault["picks"])
    return f"{wish}: by seed {seed} {struck}"


def _claim_words(claim: Mapping[str, Any]) -> str:
    text = f"{claim['id']}: from {', '.join(claim['sources']) or 'the run itself'}"
    if claim["expected"] is not None:
        text += f"; at most {claim['expected']:,} samples, {claim['needed']:,} needed"
    return f"{text}; UNDECIDABLE: {claim['undecidable']}" if claim["undecidable"] else text
