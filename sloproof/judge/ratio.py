"""Good ones of all: what a count shows about this run, and what it shows about the system."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from sloproof.judge.clopper_pearson import (
    lower_bound,
    refuted,
    samples_that_would_do,
    samples_without_failure,
    shown,
    upper_bound,
)
from sloproof.judge.wording import count, percent
from sloproof.model.verdict import Number, Outcome


@dataclass(frozen=True, slots=True)
class Count:
    """How many were good, of how many."""

    good: int
    total: int

    @property
    def bad(self) -> int:
        """How many were not good."""
        return self.total - self.good

    @property
    def ratio(self) -> Fraction | None:
        """The share of good ones; None without any."""
        return Fraction(self.good, self.total) if self.total else None

    def __add__(self, other: Count) -> Count:
        return Count(self.good + other.good, self.total + other.total)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a count says about a target; `why` completes the sentence "… , which …"."""

    outcome: Outcome
    why: str


def needed(target: Fraction) -> int:
    """How many it takes to speak of this run: 1/(1 − target); one where nothing may fail."""
    return math.ceil(1 / (1 - target)) if target < 1 else 1


def of_this_run(found: Count, target: Fraction) -> Decision:
    """Whether the target was met among these, all of them counted.

    Too few to afford one failure show nothing, unless so many failed that as many good ones as are
    lacking could not have made up for them.
    """
    least = needed(target)
    if found.total == 0:
        return Decision(Outcome.INCONCLUSIVE, "there was none to count")
    if found.bad > (1 - target) * max(found.total, least):
        return Decision(Outcome.FAIL, f"misses the objective of {percent(target)}")
    if found.total < least:
        return Decision(
            Outcome.INCONCLUSIVE,
            f"is too few to show {percent(target)}: it takes at least {least:,}",
        )
    return Decision(Outcome.PASS, f"meets the objective of {percent(target)}")


def of_the_system(found: Count, target: Fraction, confidence: Fraction) -> Decision:
    """Whether the target is met or missed with `confidence`, by Clopper and Pearson's bounds."""
    if found.total == 0:
        return Decision(Outcome.INCONCLUSIVE, "there was none to count")
    if shown(found.good, found.total, target, confidence):
        return Decision(
            Outcome.PASS, f"shows at least {percent(target)} with {percent(confidence)} confidence"
        )
    if refuted(found.good, found.total, target, confidence):
        return Decision(
            Outcome.FAIL, f"shows less than {percent(target)} with {percent(confidence)} confidence"
        )
    enough = samples_that_would_do(found.good, found.total, target, confidence)
    advice = "no affordable number would do" if enough is None else f"about {enough:,} would do"
    return Decision(
        Outcome.INCONCLUSIVE,
        f"neither shows nor refutes {percent(target)} with {percent(confidence)} confidence; "
        f"should the share stay as it is, {advice}",
    )


def least_samples(target: Fraction, *, general: bool, confidence: Fraction) -> int:
    """How many samples it takes at least to show `target`, should every one be good."""
    return samples_without_failure(target, confidence) if general else needed(target)


def as_number(name: str, found: Count, confidence: Fraction | None = None) -> Number:
    """The share with its bounds, where `confidence` asks for them."""
    if found.ratio is None:
        return Number(name, None, "ratio")
    if confidence is None:
        return Number(name, float(found.ratio), "ratio")
    low = lower_bound(found.good, found.total, confidence)
    high = upper_bound(found.good, found.total, confidence)
    return Number(name, float(found.ratio), "ratio", low=float(low), high=float(high))


def in_words(found: Count, what: str, target: Fraction) -> str:
    """`99.95% of 12,000 requests were good (6 bad)`; `what` is `request were good`."""
    noun, _, verb = what.partition(" ")
    if found.ratio is None:
        return f"no {noun}"
    share = f"{percent(found.ratio, beside=target)} of {count(found.total, noun)} {verb}"
    return f"{share} ({found.bad:,} bad)" if found.bad else share
