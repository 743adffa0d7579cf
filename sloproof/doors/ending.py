"""How a command ends: with a status, an object for machines and words for people.

| status | meaning |
|---|---|
| 0 | PASS |
| 1 | FAIL |
| 2 | usage, an invalid file, no verdict possible, a broken record: nothing was touched |
| 3 | INCONCLUSIVE, also a stop condition or a signal |
| 4 | the harness or the target's platform failed; what was injected is reverted |
| 5 | something could not be reverted |
"""

from __future__ import annotations

import errno
import inspect
import json
import os
import sys
import tempfile
import textwrap
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Annotated, Any, NoReturn, get_type_hints

import typer

from sloproof.errors import HarnessError, InvalidInput, SloproofError, UsageError, said
from sloproof.model.secrets import without_password
from sloproof.model.verdict import Outcome

if TYPE_CHECKING:
    from rich.console import RenderableType

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]

MISUSED: Any = typer.BadParameter.__mro__[1]
"""What typer raises for a wrong command line; it publishes only the kinds of it."""

DONE = 0
REFUSED = 2
INTERRUPTED = 3
BROKE = 4
UNREVERTED = 5
STATUS = {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.INCONCLUSIVE: 3}
GRAVEST_FIRST = (5, 4, 1, 3, 2, 0)
"""The design's order, and a refusal (2) before PASS: a file that was not run has not passed."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What a command came to. `body` is printed with `--json`, `words` are for people.

    Every body says its `exit_status`, unless it is a `document` that stands for itself.
    """

    status: int = DONE
    body: Mapping[str, Any] = field(default_factory=dict)
    words: RenderableType = ""
    document: bool = False

    @property
    def json(self) -> str:
        """What `--json` prints."""
        own = {} if self.document else {"exit_status": self.status}
        return json.dumps({**own, **self.body}, indent=2, default=str) + "\n"


def gravest(statuses: Iterable[int]) -> int:
    """The status of several outcomes together; 0 for none."""
    seen = set(statuses)
    return next((status for status in GRAVEST_FIRST if status in seen), DONE)


def door(command: Callable[..., Ending]) -> Callable[..., NoReturn]:
    """A command as typer calls it: says how it ended, and leaves with that status.

    It gets the option `--json` that every command has.
    """
    hints = get_type_hints(command, include_extras=True)
    parameters = [
        parameter.replace(annotation=hints[parameter.name])
        for parameter in inspect.signature(command).parameters.values()
    ]
    as_json = inspect.Parameter(
        "as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=AsJson
    )

    def leave(*, as_json: bool, **given: Any) -> NoReturn:
        ending = _ending(lambda: command(**given))
        if as_json:
            _write(sys.stdout, ending.json)
        refused = "error" in ending.body
        if as_json and ending.document:
            raise typer.Exit(ending.status)  # the words are the document once more
        show(ending.words, sys.stderr if as_json or refused else sys.stdout)
        raise typer.Exit(ending.status)

    leave.__name__, leave.__doc__ = command.__name__, command.__doc__
    leave.__annotations__ = {each.name: each.annotation for each in (*parameters, as_json)}
    vars(leave)["__signature__"] = inspect.Signature([*parameters, as_json])
    return leave


def misused(error: Any, *, as_json: bool) -> int:
    """Say in one line what is wrong with a command line; gives the exit status."""
    said = str(error.format_message()).strip()
    if not said or "\n" in said:
        error.show()  # no words at all are answered with the help
        return REFUSED
    command = error.ctx.command_path if error.ctx is not None else "sloproof"
    line = f"{command}: {said.rstrip('.')} (try {command} --help)"
    if as_json:
        _write(sys.stdout, Ending(REFUSED, {"error": line}).json)
    say(line)
    return REFUSED


def show(words: RenderableType, stream: IO[str]) -> None:
    """Put words for people on `stream`, coloured where that is a terminal."""
    if not words:
        return
    from rich.console import Console

    plain = isinstance(words, str)
    console = Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=plain)
    if isinstance(words, str) and stream.isatty():
        words = "\n".join(_hung(line, console.width) for line in words.split("\n"))
    with console.capture() as captured:
        console.print(words)
    _write(stream, captured.get())


def _hung(line: str, width: int) -> str:
    """`line` broken between words for a terminal, the rest set in below it.

    Paths and names longer than a line stay whole, so that they can be copied. What goes into a
    file or a pipe keeps its lines.
    """
    inset = " " * (len(line) - len(line.lstrip()) + 4)
    return textwrap.fill(
        line,
        max(width, 20),
        subsequent_indent=inset,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
        replace_whitespace=False,
        expand_tabs=False,
    )


def say(line: str) -> None:
    """One line of progress or warning, on standard error."""
    _write(sys.stderr, line.rstrip("\n") + "\n")


def _ending(command: Callable[[], Ending]) -> Ending:
    try:
        return command()
    except SloproofError as error:
        return _refusal(error)
    except KeyboardInterrupt:
        return Ending(INTERRUPTED, {"error": "interrupted"})
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return _refusal(UsageError(f"no path is as long as this: {str(error.filename)[:60]}…"))
        return _refusal(defect(error))
    except BaseException as error:  # noqa: BLE001 - the edge: a defect must look like no verdict
        return _refusal(defect(error))


def _refusal(error: SloproofError) -> Ending:
    body: dict[str, Any] = {"error": str(error)}
    if isinstance(error, InvalidInput):
        body["problems"] = [
            {"file": each.file, "line": each.line, "field": each.field, "message": each.message}
            for each in error.problems
        ]
    return Ending(error.exit_status, body, str(error))


def defect(error: BaseException, mask: Callable[[str], str] = without_password) -> HarnessError:
    """A defect as an error of one line, which names the file where its traceback is.

    `mask` takes out of both what must not be shown.
    """
    what = mask(said(error))
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="sloproof-", suffix=".traceback", delete=False, encoding="utf-8"
        ) as file:
            file.write(mask("".join(traceback.format_exception(error))))
    except OSError:  # a full disk must not hide how the command ended
        place = traceback.extract_tb(error.__traceback__)[-1]
        return HarnessError(f"sloproof broke: {what} (at {place.filename}:{place.lineno})")
    return HarnessError(f"sloproof broke: {what} (traceback in {file.name})")


def _write(stream: IO[str], text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:  # the reader went away (`| head`), which changes no outcome
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
