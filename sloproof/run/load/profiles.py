"""Where profiles are found: folders of Locust files, the file's name is the profile's."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sloproof.errors import ExtensionError

PACKAGE = Path(__file__).parents[2]


def builtin_profiles() -> Path:
    """The folder of built-in profiles: inside an installed package, or beside it in a checkout."""
    installed = PACKAGE / "_builtin" / "load_profiles"
    return installed if installed.is_dir() else PACKAGE.parent / "load_profiles"


def find_profiles(folders: Iterable[Path]) -> dict[str, Path]:
    """Every profile by name; the same folder may be given twice.

    Raises `ExtensionError` where a name is defined in two places.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.resolve().glob("*.py")):
            if path.stem.startswith("_"):
                continue
            other = found.setdefault(path.stem, path)
            if other != path:
                raise ExtensionError(f"profile {path.stem!r} is defined twice: {other} and {path}")
    return found
