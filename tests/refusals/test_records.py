"""A record that was cut, edited or mixed up is neither judged nor reported."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sloproof.doors.beginning import SKELETON
from sloproof.record.reader import digest
from sloproof.record.schema import SEALED
from sloproof.spec import load_experiment, resolved_text
from sloproof.testing.record import RecordBuilder
from tests.refusals.conftest import Scene
from tests.refusals.real import sloproof, without_roots_power

Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record that is judged without a murmur."""
    folder = tmp_path_factory.mktemp("records") / "r"
    builder = RecordBuilder()
    builder.phases(baseline=0, faults=5, recovery=7, restore=12)
    builder.requests("at  every  count  took\n0s  50ms  200  20ms")
    builder.probe("home", "from  to  every  took\n0s  12s  50ms  2ms")
    builder.build(folder, sealed=False)
    loaded = load_experiment(SKELETON / "experiments" / "pause.yaml", project=SKELETON)
    (folder / "experiment.yaml").write_text(resolved_text(loaded))
    files = {name: digest(folder / name) for name in SEALED if (folder / name).is_file()}
    (folder / "seal.json").write_text(json.dumps({"algorithm": "sha256", "files": files}))
    return folder


def edited(name: str, before: bytes, after: bytes) -> Damage:
    def damage(record: Path) -> None:
        content = (record / name).read_bytes()
        assert before in content
        (record / name).write_bytes(content.replace(before, after, 1))

    return damage


def cut(name: str) -> Damage:
    def damage(record: Path) -> None:
        content = (record / name).read_bytes()
        (record / name).write_bytes(content[: len(content) // 2])

    return damage


def gone(name: str) -> Damage:
    return lambda record: (record / name).unlink()


def unsealed(name: str, content: bytes) -> Damage:
    """Another content without a seal that would show it."""

    def damage(record: Path) -> None:
        (record / "seal.json").unlink()
        (record / name).write_bytes(content)

    return damage


def swapped(one: str, other: str) -> Damage:
    """One table in the place of another, without a seal that would show it."""

    def damage(record: Path) -> None:
        (record / "seal.json").unlink()
        shutil.copyfile(record / f"{other}.parquet", record / f"{one}.parquet")

    return damage


@pytest.mark.parametrize("verb", ["judge", "report"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(
            gone("events.jsonl"), "not a record (there is no events.jsonl", id="no events"
        ),
        pytest.param(cut("events.jsonl"), "events.jsonl", id="events cut"),
        pytest.param(edited("events.jsonl", b'"n":3', b'"n":4'), "events.jsonl", id="event edited"),
        pytest.param(cut("requests.parquet"), "requests.parquet", id="requests cut"),
        pytest.param(gone("requests.parquet"), "requests.parquet", id="requests gone"),
        pytest.param(edited("experiment.yaml", b"0", b"1"), "experiment.yaml", id="goal edited"),
        pytest.param(cut("seal.json"), "seal.json", id="seal cut"),
        pytest.param(
            unsealed("events.jsonl", b"\0" * 99 + b"\n"), "events.jsonl", id="events are no text"
        ),
        pytest.param(unsealed("events.jsonl", b"[]\n"), "events.jsonl", id="events are a list"),
        pytest.param(unsealed("experiment.yaml", b"a: ["), "experiment.yaml", id="broken YAML"),
        pytest.param(unsealed("experiment.yaml", b"\xff\xfe"), "experiment.yaml", id="no text"),
        pytest.param(unsealed("requests.parquet", b"PAR1"), "requests.parquet", id="no table"),
        pytest.param(unsealed("probes.parquet", b""), "probes.parquet", id="empty table"),
        pytest.param(swapped("requests", "probes"), "requests.parquet: has no arr", id="swapped"),
    ],
)
def test_a_damaged_record_is_refused(
    scene: Scene, sound: Path, damage: Damage, said: str, verb: str
) -> None:
    record = scene.root / "r"
    shutil.copytree(sound, record)
    damage(record)
    (line,) = scene.refused(verb, "r")
    assert line.startswith("r")
    assert said in line


def test_a_sound_record_is_not_refused(scene: Scene, sound: Path) -> None:
    shutil.copytree(sound, scene.root / "r")
    assert scene.command_line("report", "r", "-o", "made/for/it/page.html").status == 0
    assert (scene.root / "made" / "for" / "it" / "page.html").is_file()


def test_a_report_without_its_environment_is_refused(scene: Scene, sound: Path) -> None:
    shutil.copytree(sound, scene.root / "r")
    unsealed("environment.json", b"{")(scene.root / "r")
    (line,) = scene.refused("report", "r")
    assert line.startswith("r/environment.json: is not JSON")


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("site/index.html/page.html", "can't be made: site/index.html is not a folder"),
        ("site", "is a folder, but a file is to be written"),
    ],
)
def test_a_report_into_nowhere_is_refused(
    scene: Scene, sound: Path, output: str, said: str
) -> None:
    shutil.copytree(sound, scene.root / "r")
    assert scene.refused("report", "r", "-o", output) == [f"{output}: --output: {said}"]


def test_a_template_that_fails_when_it_is_filled_in_is_refused(scene: Scene, sound: Path) -> None:
    shutil.copytree(sound, scene.root / "r")
    templates = scene.root / "reports" / "templates"
    templates.mkdir(parents=True)
    (templates / "page.html").write_text("{{ nobody_knows_this }}")
    (line,) = scene.refused("report", "r")
    assert line == (
        "{root}/reports/templates/page.html:1: can't be filled in: "
        "UndefinedError: 'nobody_knows_this' is undefined"
    )


def test_objectives_that_are_none_are_refused(scene: Scene, sound: Path) -> None:
    shutil.copytree(sound, scene.root / "r")
    (scene.root / "slo" / "other.yaml").write_text("- 1\n")
    assert scene.refused("judge", "r", "--slo", "nowhere.yaml") == [
        "nowhere.yaml: can't be read: No such file or directory"
    ]
    assert scene.refused("judge", "r", "--slo", "slo/other.yaml") == [
        "slo/other.yaml:1: expected a mapping, or a list of mappings"
    ]


def test_a_record_in_an_archive_is_judged_all_the_same(scene: Scene, sound: Path) -> None:
    record = scene.root / "r"
    shutil.copytree(sound, record)
    record.chmod(0o500)
    before = scene.files()
    done = sloproof(scene.root, "judge", "r", "--json", before=without_roots_power())
    said = json.loads(done.out)
    assert said["outcome"] in {"PASS", "FAIL", "INCONCLUSIVE"}
    assert said["unwritten"] == "r/verdict.json: can't be written: Permission denied"
    assert f"! the verdict is not in the record: {said['unwritten']}" in done.err
    assert scene.files() == before


def test_the_verdict_by_other_objectives_touches_nothing(scene: Scene, sound: Path) -> None:
    shutil.copytree(sound, scene.root / "r")
    before = scene.files()
    scene.command_line("judge", "r", "--slo", "slo/availability.yaml")
    assert scene.files() == before
