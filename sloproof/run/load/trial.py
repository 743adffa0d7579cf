"""Importing load profiles before a run, to say what is wrong with them while nothing is touched."""

from __future__ import annotations

import json
import sys
import traceback
from fractions import Fraction
from typing import Any

from sloproof.run.load.spec import Part
from sloproof.run.load.userfiles import BadProfile, load_users


def try_profiles() -> int:
    """Answer a JSON list of `{"path", "users"}` on standard input with one of what is wrong.

    The answer stands behind the last empty line, for profiles may print: for each a
    `{"line", "message"}`, or null.
    """
    asked = json.load(sys.stdin)
    answers = [_tried(each["path"], tuple(each["users"]), n) for n, each in enumerate(asked)]
    sys.stdout.write("\n\n" + json.dumps(answers))
    sys.stdout.flush()
    return 0


def _tried(path: str, users: tuple[str, ...], number: int) -> dict[str, Any] | None:
    try:
        load_users(Part("", path, Fraction(1), users), number)
    except BadProfile as error:
        message = str(error).removeprefix(f"{path}: ")
        return {"line": _line(path, error.__cause__), "message": message}
    return None


def _line(path: str, cause: BaseException | None) -> int:
    """The last line of the profile that was reached, 0 where it isn't about one."""
    if isinstance(cause, SyntaxError) and cause.filename == path:
        return cause.lineno or 0
    frames = traceback.extract_tb(cause.__traceback__) if cause is not None else []
    return next((f.lineno or 0 for f in reversed(frames) if f.filename == path), 0)
