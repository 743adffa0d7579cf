"""What is written beside a record's sealed files: whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from sloproof.errors import HarnessError
from sloproof.record.writer import write_beside


def test_a_file_for_which_there_is_no_room_leaves_the_one_before(tmp_path: Path) -> None:
    verdict = tmp_path / "verdict.json"
    write_beside(verdict, "before")
    (tmp_path / "verdict.json.partial").symlink_to("/dev/full")
    with pytest.raises(HarnessError, match=r"verdict.json: can't be written: No space left"):
        write_beside(verdict, "after")
    assert verdict.read_text() == "before"
    assert list(tmp_path.iterdir()) == [verdict]
