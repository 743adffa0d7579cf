"""Every construct of OpenSLO's published examples loads, or is refused for a reason that is true.

`files/` are files of our own with the same constructs as github.com/OpenSLO/OpenSLO has in its
README and its `examples/`; `refused.txt` has what of them can't be honoured.
"""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import pytest

from sloproof.contracts import Duration, Ratio
from sloproof.errors import InvalidInput
from sloproof.spec import load_objectives
from sloproof.spec.objectives import (
    Matcher,
    Objectives,
    QuantileIndicator,
    RatioIndicator,
    SignalIndicator,
    Slo,
)
from tests.spec.test_bad_files import Case, read_cases

HERE = Path(__file__).parent
REFUSED = [pytest.param(case, id=case.name) for case in read_cases(HERE)]


def objectives(*names: str) -> Objectives:
    return load_objectives([HERE / "files" / name for name in names], project=HERE / "files")


def slo(file: str, name: str) -> Slo:
    found = objectives(file)[name]
    assert isinstance(found, Slo)
    return found


def test_all_of_them_load_together() -> None:
    assert set(objectives("page.yaml", "referring.yaml", "searching.yaml")) == {
        "page",
        "quick",
        "searching",
    }


def test_occurrences_of_a_threshold() -> None:
    found = slo("searching.yaml", "searching")
    assert found.indicator == SignalIndicator(signal="search-ms")
    (objective,) = found.objectives
    assert (objective.op, objective.limit) == ("lt", Fraction(500))
    assert objective.target == Ratio(Fraction(99, 100))
    assert found.window == Duration.parse("14d")
    assert found.alerts == ()


def test_a_ratio_from_a_data_source() -> None:
    found = slo("page.yaml", "page")
    good = Matcher(path="/", status=("2xx",))
    assert found.indicator == RatioIndicator(good=good, total=Matcher(path="/"))
    assert [each.target for each in found.objectives] == [
        Ratio(Fraction(98, 100)),
        Ratio(Fraction(9999, 10000)),
    ]
    assert found.window == Duration.parse("28d"), "a calendar's month counts as its shortest"


def test_alert_policies_by_name_by_reference_and_in_place() -> None:
    alerts = slo("page.yaml", "page").alerts
    assert [(each.name, each.threshold, each.severity) for each in alerts] == [
        ("burning", Fraction(72, 5), "page"),
        ("burning", Fraction(72, 5), "page"),
        ("at-once", Fraction(2), "page"),
    ]


def test_an_indicator_by_reference_in_a_list() -> None:
    found = slo("referring.yaml", "quick")
    assert found.indicator == QuantileIndicator(
        total=Matcher(path="/"), quantile=Ratio(Fraction(99, 100))
    )
    assert found.window == Duration.parse("90d")


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_t_be_honoured_is_refused_with_its_reason(tmp_path: Path, case: Case) -> None:
    shutil.copytree(HERE / "files", tmp_path / "slo")
    file = tmp_path / "slo" / case.file
    text = file.read_text()
    for before, after in case.changes:
        old, new = ("".join(f"{line}\n" for line in lines) for lines in (before, after))
        assert text.count(old) == 1, f"{old!r} doesn't stand once in {case.file}"
        text = text.replace(old, new)
    file.write_text(text)
    with pytest.raises(InvalidInput) as caught:
        load_objectives([file], project=tmp_path / "slo")
    assert [str(each) for each in caught.value.problems] == case.said
