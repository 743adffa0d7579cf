"""What single samples say of a fault, by the sense in which they are read."""

from __future__ import annotations

import numpy as np
import pytest

from sloproof.contracts import Sense
from sloproof.judge.facts import WitnessPlan
from sloproof.judge.witness import read
from sloproof.record.reader import Samples


@pytest.mark.parametrize(
    ("sense", "ok", "detail", "present", "absent"),
    [
        (Sense.OBSERVED, False, "exit 0", True, False),
        (Sense.OBSERVED, True, "", False, True),
        (Sense.OBSERVED, False, "timeout", False, False),
        (Sense.GONE, False, "gone", True, False),
        (Sense.GONE, False, "timeout", False, False),
        (Sense.STATUS, False, "status 503", True, False),
        (Sense.STATUS, False, "refused", False, False),
        (Sense.BLACKHOLE, False, "timeout", True, False),
    ],
)
def test_a_sample_says_that_it_is_there_or_not_or_nothing(
    sense: Sense, ok: bool, detail: str, present: bool, absent: bool
) -> None:
    time = np.array([5])
    samples = Samples(
        time, time, time + 1, np.array([ok]), np.array([np.nan]), np.array([detail], dtype=object)
    )
    plan = WitnessPlan(sense, ("p",), (), None, "", None)
    reading = read(plan, samples, 0, 4)
    assert (bool(reading.present[0]), bool(reading.absent[0])) == (present, absent)
