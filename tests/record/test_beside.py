"""What is written beside a record's sealed files: whole or not at all."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from sloproof.errors import HarnessError
from sloproof.record.writer import write_beside
from sloproof.report.page import put


def test_a_file_for_which_there_is_no_room_leaves_the_one_before(tmp_path: Path) -> None:
    verdict = tmp_path / "verdict.json"
    write_beside(verdict, "before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2, hard))
    try:
        with pytest.raises(HarnessError, match=r"verdict.json: can't be written: File too large"):
            write_beside(verdict, "after")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert verdict.read_text() == "before"
    assert list(tmp_path.iterdir()) == [verdict]


@pytest.mark.parametrize("name", ["verdict.json", "verdict.json.partial"])
def test_a_link_inside_a_record_leads_nowhere(tmp_path: Path, name: str) -> None:
    record, victim = tmp_path / "record", tmp_path / "victim"
    record.mkdir()
    victim.write_text("precious")
    (record / name).symlink_to(victim)
    write_beside(record / "verdict.json", "after")
    assert victim.read_text() == "precious"
    assert not (record / "verdict.json").is_symlink()
    assert (record / "verdict.json").read_text() == "after"


def test_a_report_inside_a_record_replaces_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    record = tmp_path / "record"
    record.mkdir()
    (record / "events.jsonl").touch()
    (record / "report.html").symlink_to(victim)
    put(record / "report.html", "<html>")
    assert victim.read_text() == "precious"
    assert (record / "report.html").read_text() == "<html>"
