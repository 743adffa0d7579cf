"""Figures of the moment, for people and stop conditions; no verdict rests on them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Live:
    """What the load sees now, over the last seconds.

    `rate` is of finished requests a second. `error_ratio` is None without requests; `p99_s` is then
    None, too, and also where more than one in a hundred got no answer: the quantile is infinite.
    """

    rate: float
    error_ratio: float | None
    p99_s: float | None

    def __str__(self) -> str:
        """For one line on a terminal."""
        if self.error_ratio is None:
            return f"{self.rate:.0f}/s"
        p99 = "∞" if self.p99_s is None else f"{self.p99_s * 1000:.0f} ms"
        return f"{self.rate:.0f}/s  errors {self.error_ratio:.1%}  p99 {p99}"
