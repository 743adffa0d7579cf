"""The command line: thin commands, each a call into `sloproof.doors`.

Nothing heavy is imported before a command needs it, so that `sloproof --help` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sloproof import __version__
from sloproof.doors.ending import MISUSED, Ending, door, misused
from sloproof.doors.helping import Command, Group

app = typer.Typer(
    name="sloproof",
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

LARGEST_SEED = 2**63 - 1
Files = Annotated[list[Path], typer.Argument(help="Experiments, or folders of them.")]
Anything = Annotated[
    list[Path], typer.Argument(help="Experiments, targets, objectives, or folders of them.")
]
Sets = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Set a variable; repeatable.",
        default_factory=list,
        show_default=False,
    ),
]
Target = Annotated[
    str | None, typer.Option(metavar="NAME", help="Another target than the files name.")
]
Labels = Annotated[
    list[str],
    typer.Option(
        "--labels",
        "-l",
        metavar="NAME=VALUE",
        help="Only experiments with this label; repeatable.",
        default_factory=list,
        show_default=False,
    ),
]
RecordFolder = Annotated[Path, typer.Argument(metavar="RECORD", help="The folder of a run.")]


def _volumes(name: str, words: str) -> Any:
    """An option that gives the program a small volume of its own; repeatable."""
    return typer.Option(
        name, metavar="PATH=SIZE", help=words, default_factory=list, show_default=False
    )


def _fitting(seed: int | None) -> int | None:
    if seed is not None and seed > LARGEST_SEED:
        raise typer.BadParameter(f"{seed} is more than {LARGEST_SEED}")
    return seed


Seed = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", callback=_fitting, help="Another seed than the file's."),
]
AllowInconclusive = Annotated[
    bool, typer.Option("--allow-inconclusive", help="Accept what can't reach a verdict.")
]
REVERTING = ("run", "recover")
"""Commands that revert what dead runs left; all others warn of it."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def sloproof(
    context: typer.Context,
    *,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Chaos experiments under load, judged honestly against service level objectives.

    Exit status:
      0  PASS
      1  FAIL
      2  refused, nothing was touched
      3  INCONCLUSIVE
      4  the harness or the platform failed, what was injected is reverted
      5  something could not be reverted
    """
    if context.invoked_subcommand not in REVERTING:
        from sloproof.doors import attending

        attending.warn_of_leftovers()


@app.command(cls=Command)
@door
def init(
    folder: Annotated[Path, typer.Argument(help="Where; made if it isn't there.")] = Path(),
) -> Ending:
    """Write a small project that works: an experiment, its target, its objectives."""
    from sloproof.doors import beginning

    return beginning.init(folder)


@app.command(cls=Command)
@door
def check(files: Anything, *, set_: Sets, target: Target = None, labels: Labels) -> Ending:
    """Validate files and all else in their project; say everything that is wrong at once."""
    from sloproof.doors import loading

    return loading.check(loading.wanted(files, set_, target, labels))


@app.command(cls=Command)
@door
def plan(
    files: Files,
    *,
    set_: Sets,
    target: Target = None,
    labels: Labels,
    seed: Seed = None,
    allow_inconclusive: AllowInconclusive = False,
) -> Ending:
    """Show what a run would do, and whether it could reach a verdict; touch nothing."""
    from sloproof.doors import drills, loading, planning

    wanted = loading.wanted(files, set_, target, labels)
    if drills.suites_among(files):
        return drills.plan(wanted, allow_inconclusive=allow_inconclusive, seed=seed)
    return planning.plan(wanted, allow_inconclusive=allow_inconclusive, seed=seed)


@app.command(cls=Command)
@door
def run(  # noqa: PLR0913 - a command line's options
    files: Files,
    *,
    set_: Sets,
    target: Target = None,
    labels: Labels,
    runs: Annotated[Path, typer.Option(metavar="FOLDER", help="The folder for records.")] = Path(
        "runs"
    ),
    load_workers: Annotated[
        int, typer.Option(min=1, metavar="N", help="Processes that make the load.")
    ] = 1,
    remote_workers: Annotated[
        int, typer.Option(min=0, metavar="N", help="Workers that join from other machines.")
    ] = 0,
    load_bind: Annotated[
        str, typer.Option(metavar="ADDRESS:PORT", help="Where they join.")
    ] = "127.0.0.1:0",
    seed: Seed = None,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a JUnit XML file.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a Markdown summary.")
    ] = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no HTML report.")] = False,
    allow_inconclusive: AllowInconclusive = False,
) -> Ending:
    """Run experiments one after the other; judge and report each."""
    from sloproof.doors import drills, loading, running

    settings = running.Settings(
        runs=runs,
        seed=seed,
        load_workers=load_workers,
        remote_workers=remote_workers,
        load_bind=load_bind,
        allow_inconclusive=allow_inconclusive,
        report=not no_report,
        junit=junit,
        markdown=markdown,
    )
    wanted = loading.wanted(files, set_, target, labels)
    if drills.suites_among(files):
        return drills.run(wanted, settings)
    return running.run(wanted, settings)


@app.command(cls=Command)
@door
def arm(
    command: Annotated[
        list[str],
        typer.Argument(
            metavar="-- COMMAND…",
            help="A program with its arguments; if left out, its environment is printed.",
            default_factory=list,
            show_default=False,
        ),
    ],
    disk: Annotated[
        list[str], _volumes("--disk", "An ext4 on a loop device, such as run/data=64MiB.")
    ],
    slow_disk: Annotated[
        list[str], _volumes("--slow-disk", "One whose reads and writes io_delay can slow.")
    ],
    tmpfs: Annotated[list[str], _volumes("--tmpfs", "A tmpfs.")],
    no_shim: Annotated[
        bool, typer.Option("--no-shim", help="Without what clock_skew and dns_failure take.")
    ] = False,
    where_possible: Annotated[
        bool, typer.Option("--where-possible", help="Leave out what this host can't do.")
    ] = False,
) -> Ending:
    """Start a program so that faults of its clock, its look-ups and its volumes can strike it."""
    from sloproof.doors import arming

    arms = arming.Arms(
        disks=disk,
        slow_disks=slow_disk,
        tmpfs=tmpfs,
        shim=not no_shim,
        lenient=where_possible,
    )
    return arming.arm(command, arms)


@app.command(cls=Command)
@door
def status() -> Ending:
    """Show the runs that live now."""
    from sloproof.doors import attending

    return attending.status()


@app.command(cls=Command)
@door
def stop(
    run: Annotated[str, typer.Argument(help="Its id; may be left out if only one runs.")] = "",
) -> Ending:
    """Ask a run to revert its faults and end."""
    from sloproof.doors import attending

    return attending.stop(run)


@app.command(cls=Command)
@door
def confirm(  # noqa: PLR0913 - a command line's options
    run: Annotated[
        str,
        typer.Argument(
            help="The suite's run, which may be left out if only one runs; or its record's folder."
        ),
    ] = "",
    about: Annotated[
        str, typer.Argument(metavar="STEP|CLAIM", help="The manual step; or the record's claim.")
    ] = "",
    *,
    by: Annotated[str, typer.Option(metavar="NAME", help="Who says so.")],
    note: Annotated[str, typer.Option(metavar="TEXT", help="What was seen.")] = "",
    failed: Annotated[bool, typer.Option("--failed", help="It was tried and failed.")] = False,
    action: Annotated[str, typer.Option(metavar="TEXT", help="What corrects the claim.")] = "",
    owner: Annotated[str, typer.Option(metavar="NAME", help="Who corrects it.")] = "",
    retest: Annotated[str, typer.Option(metavar="DAY", help="Until when it is retested.")] = "",
    role: Annotated[str, typer.Option(metavar="TEXT", help="As what the report is signed.")] = "",
) -> Ending:
    """Confirm the manual step for which a suite waits; correct and sign what it came to."""
    from sloproof.doors import confirming

    said = confirming.Said(
        by=by,
        about=about,
        note=note,
        failed=failed,
        action=action,
        owner=owner,
        retest=retest,
        role=role,
    )
    return confirming.confirm(run, said)


@app.command(cls=Command)
@door
def judge(
    record: RecordFolder,
    *,
    slo: Annotated[
        list[Path],
        typer.Option(
            metavar="FILE",
            help="Judge by the objectives in this file; repeatable.",
            default_factory=list,
            show_default=False,
        ),
    ],
) -> Ending:
    """Judge a record anew; with --slo by other objectives than its own."""
    from sloproof.doors import debriefing, judging

    if debriefing.is_suite_record(record):
        return debriefing.judge(record, slo)
    return judging.judge(record, slo)


@app.command(cls=Command)
@door
def report(
    record: RecordFolder,
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to (default: into the record)."),
    ] = None,
) -> Ending:
    """Write the HTML report of a record."""
    from sloproof.doors import debriefing, judging

    if debriefing.is_suite_record(record):
        return debriefing.report(record, output)
    return judging.report(record, output)


@app.command(cls=Command)
@door
def recover(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is left.")] = False,
) -> Ending:
    """Revert what runs left behind that died with their guardian."""
    from sloproof.doors import attending

    return attending.recover(dry_run=dry_run)


@app.command(cls=Command)
@door
def faults(
    kind: Annotated[str, typer.Argument(help="One kind, to see its fields.")] = "",
) -> Ending:
    """List the kinds of fault, or show the fields of one."""
    from sloproof.doors import kinds

    return kinds.faults(kind, Path.cwd())


@app.command(cls=Command)
@door
def schema(
    kind: Annotated[str, typer.Argument(help="Experiment, Target, …; all if left out.")] = "",
) -> Ending:
    """Print the JSON Schema of the files people write, for editors."""
    from sloproof.doors import kinds

    return kinds.schema(kind, Path.cwd())


def main() -> None:
    """Run the command line and leave with its exit status."""
    try:
        status = app(prog_name="sloproof", standalone_mode=False)
    except MISUSED as error:
        status = misused(error, as_json="--json" in sys.argv)
    sys.exit(status)
