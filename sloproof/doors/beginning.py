"""`init`: a small project that works, to be changed into one's own."""

from __future__ import annotations

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
    if not ignore.exists():
        ignore.write_text(IGNORED, encoding="utf-8")
    written = sorted(str(path) for path in files.values())
    words = "\n".join([*written, "", f"next: cd {folder} && sloproof run experiments/pause.yaml"])
    return Ending(DONE, {"written": written}, words)


def _skeleton() -> list[Path]:
    found = sorted(path for path in SKELETON.rglob("*") if path.is_file())
    return [path for path in found if "__pycache__" not in path.parts]
