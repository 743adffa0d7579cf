"""Figures of the moment, for people and stop conditions; no verdict rests on them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Live:
    """What the load sees now, over the last second or so; `p99_s` is None without answers."""

    rate: float
    error_ratio: float
    p99_s: float | None
