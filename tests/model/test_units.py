"""Laws of the units: what is written is what is read, to the last digit."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloproof.model.units import Duration, Rate, Ratio, Size, Throughput

Unit = type[Duration] | type[Rate] | type[Ratio] | type[Size] | type[Throughput]


@given(st.integers(min_value=0, max_value=10**18))
def test_a_duration_survives_its_own_text(ns: int) -> None:
    assert Duration.parse(str(Duration(ns))) == Duration(ns)


@given(st.integers(min_value=0, max_value=10**12 - 1))
def test_a_size_survives_its_own_text(size: int) -> None:
    assert Size.parse(str(Size(size))) == Size(size)


@given(st.integers(min_value=0, max_value=10**12 - 1))
def test_a_throughput_survives_its_own_text(size: int) -> None:
    assert Throughput.parse(str(Throughput(size))) == Throughput(size)


@given(st.integers(min_value=0, max_value=10**9))
def test_a_ratio_survives_its_own_text(millionths_of_a_thousandth: int) -> None:
    ratio = Ratio(Fraction(millionths_of_a_thousandth, 10**9))
    assert Ratio.parse(str(ratio)) == ratio


@given(st.integers(min_value=0, max_value=10**14), st.sampled_from([1, 60, 3600]))
def test_a_rate_survives_its_own_text(thousandths: int, period: int) -> None:
    rate = Rate(Fraction(thousandths, 1000 * period))
    assert Rate.parse(str(rate)) == rate


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("800ms", Duration(800_000_000)),
        ("1.5s", Duration(1_500_000_000)),
        ("5m", Duration(300_000_000_000)),
        ("2h", Duration(7_200_000_000_000)),
        ("30d", Duration(2_592_000_000_000_000)),
        ("40/s", Rate(Fraction(40))),
        ("600/m", Rate(Fraction(10))),
        ("99.9%", Ratio(Fraction(999, 1000))),
        ("64MiB", Size(64 << 20)),
        ("1.5GB", Size(1_500_000_000)),
        ("64KiB/s", Throughput(64 << 10)),
    ],
)
def test_the_forms_that_people_write_mean_what_they_say(text: str, meant: object) -> None:
    assert type(meant).parse(text) == meant  # type: ignore[attr-defined]  # every unit parses


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        (Duration, "800 parsecs"),
        (Duration, "800"),
        (Duration, "-1s"),
        (Duration, "1e3s"),
        (Duration, ""),
        (Rate, "40"),
        (Rate, "40/day"),
        (Ratio, "0.99"),
        (Ratio, "101%"),
        (Ratio, "-1%"),
        (Size, "64"),
        (Size, "64 megs"),
        (Throughput, "64KiB"),
        (Throughput, "fast/s"),
    ],
)
def test_anything_else_is_refused_with_an_example(unit: Unit, text: str) -> None:
    with pytest.raises(ValueError, match=rf"is not a .* \(try {unit.example}\)"):
        unit.parse(text)
