"""Every defect of the catalogue seeded into a run that passes without it: none ends in PASS."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sloproof.contracts import Outcome
from sloproof.errors import BrokenRecord
from sloproof.model.verdict import Verdict
from sloproof.record.reader import Record
from tests.truth.defects.catalogue import (
    REFUSED,
    SCENES,
    SIMULATED,
    SPOILT,
    WRITTEN,
    Defect,
)
from tests.truth.defects.drill import Drill, kill, rehearse, verdict_of
from tests.truth.defects.test_real_defects import REAL
from tests.truth.defects.written import Written

PASS = Outcome.PASS


def shown(found: Verdict) -> str:
    """All that a verdict says, for a failure's message."""
    claims = [f"{one.id}: {one.finding.outcome}: {one.finding.reason}" for one in found.claims]
    return "\n".join([found.sentence, *claims, *found.evidence, *found.attribution])


def check(found: Verdict, defect: Defect) -> None:
    """Not green, and for the right reason: by the claim in question, in the words expected."""
    assert found.outcome is not PASS, shown(found)
    [claim] = [one for one in found.claims if one.id == defect.claim]
    assert claim.finding.outcome == defect.outcome, shown(found)
    assert defect.words in claim.finding.reason, shown(found)


def test_the_catalogue_is_large_and_every_name_in_it_is_one() -> None:
    names = [defect.name for table in (SIMULATED, WRITTEN, SPOILT, REAL) for defect in table]
    assert len(names) == len(set(names))
    assert len(names) >= 80


# The same runs without any defect: what follows can fail.


@pytest.mark.parametrize("scene", SCENES)
def test_a_whole_crew_passes(tmp_path: Path, scene: str) -> None:
    found = rehearse(tmp_path, *SCENES[scene], None)
    assert found.outcome is PASS, shown(found)
    assert len(found.claims) == len(SCENES[scene][1])


@pytest.mark.parametrize("claim", ["availability", "cpu", "back", "kept", "none"])
def test_a_whole_written_record_passes(tmp_path: Path, claim: str) -> None:
    found = Written().judged(tmp_path, claim)
    assert found.outcome is PASS, shown(found)


def test_a_whole_record_on_disk_passes(records: tuple[Drill, Drill]) -> None:
    for drill in records:
        found = verdict_of(drill, *SCENES_OF_RECORDS)
        assert found.outcome is PASS, shown(found)


# And with it.


@pytest.mark.parametrize("defect", SIMULATED, ids=str)
def test_a_broken_crew_does_not_pass(tmp_path: Path, defect: Defect) -> None:
    check(rehearse(tmp_path, *SCENES[defect.where], defect.how), defect)


@pytest.mark.parametrize("defect", WRITTEN, ids=str)
def test_a_record_that_lacks_something_does_not_pass(tmp_path: Path, defect: Defect) -> None:
    check(defect.how(Written()).judged(tmp_path, defect.where), defect)


SCENES_OF_RECORDS = (kill(), SCENES["kill"][1])


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> tuple[Drill, Drill]:
    """Two whole runs of the same experiment, the copy killed later in the second."""
    made = []
    for at in (6, 7):
        drill = Drill(tmp_path_factory.mktemp("drill"))
        drill.run(kill(at))
        made.append(drill)
    return made[0], made[1]


@pytest.mark.parametrize("defect", SPOILT, ids=str)
def test_a_spoilt_record_does_not_pass(
    tmp_path: Path, records: tuple[Drill, Drill], defect: Defect
) -> None:
    spoilt = Drill(tmp_path)
    record, other = (drill.folder / "record" for drill in records)
    shutil.copytree(record, tmp_path / "record")
    defect.how(tmp_path / "record", other)
    if defect.outcome != REFUSED:
        check(verdict_of(spoilt, *SCENES_OF_RECORDS), defect)
        return
    with pytest.raises(BrokenRecord, match=defect.words) as caught:
        verdict_of(spoilt, *SCENES_OF_RECORDS)
    assert caught.value.exit_status == 2


def test_a_record_that_was_changed_is_refused_at_the_door(
    tmp_path: Path, records: tuple[Drill, Drill]
) -> None:
    record = shutil.copytree(records[0].folder / "record", tmp_path / "record")
    lines = (record / "events.jsonl").read_bytes().splitlines(keepends=True)
    (record / "events.jsonl").write_bytes(b"".join(lines[:-1]))
    argv = [sys.executable, "-m", "sloproof", "judge", str(record), "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "differs from what was sealed" in json.loads(done.stdout)["error"]
    assert Record(records[0].folder / "record").sealed
