"""`init`: a small project that works, to be changed into one's own."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from sloproof.doors.ending import DONE, Ending
from sloproof.doors.outlook import refuse_folder
from sloproof.errors import InvalidInput, Problem

SKELETON = Path(__file__).with_name("skeleton")
IGNORED = "runs/\n"


def init(folder: Path) -> Ending:
    """Write the skeleton into `folder`; raises `InvalidInput` rather than overwrite a file."""
    files = {path: folder / path.relative_to(SKELETON) for path in _skeleton()}
    ignore = folder / ".gitignore"
    taken = [path for path in files.values() if path.exists()]
    if taken:
        message = "is there already, and nothing is overwritten"
        raise InvalidInput([Problem(str(path), 0, "", message) for path in taken])
    refuse_folder(folder)
    for source, path in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)
    (folder / "fault_injectors").mkdir(exist_ok=True)
    made = list(files.values())
    if not ignore.exists():
        ignore.write_text(IGNORED, encoding="utf-8")
        made.append(ignore)
    written = sorted(str(path) for path in made)
    return Ending(DONE, {"written": written}, "\n".join([*written, "", *_next(folder)]))


def _next(folder: Path) -> list[str]:
    """What to do now, aligned."""
    here = folder.resolve() == Path.cwd()
    steps = [
        *([] if here else [(f"cd {shlex.quote(str(folder))}", "")]),
        ("sloproof plan experiments", "see what it would do"),
        ("sloproof run experiments/pause.yaml", "do it, judge it, write a report"),
        ("pytest experiments", "the same in CI: each line of `verify` is a test"),
    ]
    width = max(len(command) for command, _ in steps)
    return ["next:", *(f"  {command:<{width}}  {what}".rstrip() for command, what in steps)]


def _skeleton() -> list[Path]:
    found = sorted(path for path in SKELETON.rglob("*") if path.is_file())
    return [path for path in found if "__pycache__" not in path.parts]
