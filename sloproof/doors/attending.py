"""Looking after runs from another terminal: `status`, `stop`, `recover`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sloproof.doors.ending import DONE, UNREVERTED, Ending, say

if TYPE_CHECKING:
    from sloproof.run.control import Status
    from sloproof.run.recover import Leftover, Recovered


def status() -> Ending:
    """The runs that live now."""
    from sloproof.run.control import statuses
    from sloproof.run.state import state_dir

    running = statuses(state_dir())
    words = "\n".join(map(_status_line, running)) or "nothing is running"
    return Ending(DONE, {"running": [asdict(each) for each in running]}, words)


def stop(run: str) -> Ending:
    """Ask a run to end; it reverts its faults, judges nothing as PASS, and leaves its record."""
    from sloproof.run import control
    from sloproof.run.state import state_dir

    asked = control.stop(state_dir(), run)
    words = f"asked {asked.run} ({asked.experiment}) to stop; it reverts its faults and ends"
    return Ending(DONE, {"run": asked.run, "experiment": asked.experiment}, words)


def recover(*, dry_run: bool) -> Ending:
    """Undo what dead runs left behind; a run that lives is left alone."""
    from sloproof.run import recover as recovering
    from sloproof.run.state import state_dir
    from sloproof.run.watch import Signals

    state = state_dir()
    if dry_run:
        return _would_recover(recovering.leftovers(state))
    with Signals().heeded():  # what was begun is undone to its end
        results = recovering.recover(
            state,
            told=lambda run, one: say(f"{run}: {one.effect}: {one.outcome or 'failed'}"),
        )
    clean = all(result.clean for result in results)
    body = {
        "runs": [
            {
                "run": result.run,
                "undone": [{"effect": u.effect, "outcome": u.outcome} for u in result.undone],
                "unreverted": _remedies(result),
                "busy": result.busy,
            }
            for result in results
        ]
    }
    words = "\n".join(map(_recovered_lines, results)) or "nothing was left behind"
    return Ending(DONE if clean else UNREVERTED, body, words)


def warn_of_leftovers() -> None:
    """Say on standard error that something may still be in the world, where it may."""
    from sloproof.run.state import run_folders, state_dir

    if not any(run_folders(state_dir())):
        return
    from sloproof.run.recover import leftovers

    for left in leftovers(state_dir()):
        say(f"warning: {_leftover_line(left)}; `sloproof recover` reverts it")


def _would_recover(found: list[Leftover]) -> Ending:
    body = {
        "runs": [
            {"run": each.run, "target": each.target, "effects": each.effects, "error": each.error}
            for each in found
        ]
    }
    return Ending(DONE, body, "\n".join(map(_leftover_line, found)) or "nothing was left behind")


def _leftover_line(left: Leftover) -> str:
    what = left.error or ", ".join(left.effects) or "nothing that is still open"
    return f"run {left.run} died and left on {left.target or 'its target'}: {what}"


def _remedies(result: Recovered) -> list[str]:
    failed = [f"{each.effect}: {each.error} {each.remedy}".strip() for each in result.failed]
    return [*failed, *([result.error] if result.error else [])]


def _recovered_lines(result: Recovered) -> str:
    if result.busy:
        return f"{result.run}: somebody who lives looks after it; left alone"
    lines = [f"{result.run}: {len(result.undone)} undone, {len(result.failed)} not"]
    return "\n".join([*lines, *(f"  {each}" for each in _remedies(result))])


def _status_line(running: Status) -> str:
    faults = f", in force: {', '.join(running.faults)}" if running.faults else ""
    if running.waits_for:
        return (
            f"{running.run}  suite {running.experiment} on {running.target}: waits for "
            f"{running.waits_for} (sloproof confirm {running.run} {running.step}), "
            f"{running.remaining_s:.0f} s left"
        )
    part = f" in suite {running.suite}, {running.step}" if running.suite else ""
    line = f"; {running.line}" if running.line else ""
    return (
        f"{running.run}  {running.experiment} on {running.target}{part}: {running.phase}"
        f"{faults}, about {running.remaining_s:.0f} s left{line}"
    )
