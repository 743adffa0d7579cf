from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from sloproof.errors import ExtensionError
from sloproof.model.units import Duration, Rate, Ratio
from sloproof.run.load.profiles import builtin_profiles, find_profiles
from sloproof.run.load.spec import LoadSpec, Workers, load_spec
from sloproof.spec.experiment import Load, MixPart, Segment
from sloproof.spec.pieces import Change
from sloproof.spec.target import Entry

LOAD = Load(
    mix=(
        MixPart(profile="conversation", share=Ratio.parse("80%")),
        MixPart(locustfile="perf/locustfile.py", users=("Buyer",), share=Ratio.parse("20%")),
    ),
    arrivals=(
        Segment(source=Rate.parse("20/s"), to=Rate.parse("100/s"), for_=Duration.parse("5s")),
        Segment(rate=Rate.parse("100/s")),
    ),
    warmup=Duration.parse("2s"),
    with_={"voice": "anna"},
)
ENTRY = Entry(url="http://127.0.0.1:8080/", headers={"Authorization": "Bearer x"})
PATHS = {
    "conversation": Path("/p/conversation.py"),
    "perf/locustfile.py": Path("/perf/locustfile.py"),
}


def spec() -> LoadSpec:
    changes = [Change(10_000_000_000, 12_000_000_000, factor=Fraction(3))]
    return load_spec(LOAD, ENTRY, seed=7, profile_paths=PATHS, crew=Workers(2), changes=changes)


def test_a_spec_survives_its_file_which_only_its_owner_may_read(tmp_path: Path) -> None:
    made = spec()
    made.write(tmp_path)
    assert LoadSpec.read(tmp_path) == made
    assert (tmp_path / "spec.json").stat().st_mode & 0o077 == 0


def test_the_spec_says_all_that_the_load_process_needs() -> None:
    made = spec()
    assert made.host == "http://127.0.0.1:8080"
    assert made.distributed
    data = json.loads(json.dumps(made.to_json()))
    assert data["mix"][1] == {
        "profile": "locustfile",
        "path": "/perf/locustfile.py",
        "users": ["Buyer"],
        "share": "1/5",
    }
    assert data["with"] == {"voice": "anna"}
    assert [segment["begin_ns"] // 10**9 for segment in data["segments"]] == [0, 2, 7, 12, 14]
    assert made.schedule.max_rate == 300


def test_the_conversation_is_built_in() -> None:
    assert find_profiles([builtin_profiles()])["conversation"].is_file()


def test_a_profile_defined_twice_is_refused_by_both_names(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "talk.py").touch()
    with pytest.raises(ExtensionError, match=r"/a/talk\.py and .*/b/talk\.py"):
        find_profiles([tmp_path / "a", tmp_path / "b"])
    assert list(find_profiles([tmp_path / "a", tmp_path / "a"])) == ["talk"]
