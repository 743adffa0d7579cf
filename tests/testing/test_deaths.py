"""The law of death: an effect that only a whole life can undo is found out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from sloproof.contracts import Duration, Effect, Undone
from sloproof.contracts.effect import Json
from sloproof.testing import check_effect


@dataclass(frozen=True, kw_only=True)
class TwoFiles(Effect):
    """Two files, made one after the other."""

    kind: ClassVar[str] = "two_files"
    settle: ClassVar[Duration] = Duration(50_000_000)

    folder: str
    whole: bool
    """Whether the undo looks for the second file only, and takes the first one for granted."""

    def _files(self) -> list[Path]:
        return [Path(self.folder, name) for name in ("first", "second")]

    def capture(self) -> Json:
        return {"there": [file.exists() for file in self._files()]}

    def apply(self, prior: Json) -> None:
        first, second = self._files()
        first.touch()
        time.sleep(0.5)  # long enough to die in it
        second.touch()

    def undo(self, prior: Json) -> Undone:
        if not self.present(prior):
            return Undone.ABSENT
        for file in self._files():
            file.unlink(missing_ok=True)
        return Undone.REVERTED

    def present(self, prior: Json) -> bool:
        there = [file.exists() for file in self._files()]
        return there[1] if self.whole else any(there)

    def __str__(self) -> str:
        return "two files"


def test_half_of_a_change_is_undone(tmp_path: Path) -> None:
    check_effect(TwoFiles(folder=str(tmp_path), whole=False))


def test_one_that_needs_a_whole_life_is_found_out(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="restored by another after a death amid apply"):
        check_effect(TwoFiles(folder=str(tmp_path), whole=True))
