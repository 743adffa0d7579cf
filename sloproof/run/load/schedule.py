"""When arrivals come: an exact, seeded, endless sequence of moments from pieces of straight lines.

Evenly spaced arrivals stand where the integral of the rate reaches 0, 1, 2, …; on a level piece
the n-th stands at n / rate by integer arithmetic, so there is no drift. Poisson arrivals are a
unit-rate Poisson process under the same change of time (Çinlar, *Introduction to Stochastic
Processes*, 1975, chapter 4, theorem 7.4), drawn anew for each piece from the seed.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice

from sloproof.spec.pieces import SECOND, Piece


class Schedule:
    """The arrivals of a run. The same pieces and the same seed give the same arrivals."""

    def __init__(self, pieces: Iterable[Piece], seed: int = 1) -> None:
        self.pieces = tuple(pieces)
        self._seed = seed

    @property
    def max_rate(self) -> Fraction:
        """The highest rate that is ever reached, in arrivals a second."""
        return max(max(piece.first, piece.last) for piece in self.pieces)

    def expected(self, begin: int, end: int) -> Fraction:
        """The integral of the rate over [begin, end), in ns from the first arrival."""
        return self._integral(max(0, end)) - self._integral(max(0, begin))

    def count(self, begin: int, end: int) -> int:
        """How many arrivals come in [begin, end): counted where they are Poisson, else computed."""
        if not any(piece.poisson for piece in self.pieces):
            return math.ceil(self._integral(max(0, end))) - math.ceil(self._integral(max(0, begin)))
        found = 0
        for _, at in self.arrivals():
            if at >= end:
                break
            found += at >= begin
        return found

    def arrivals(self, worker: int = 0, workers: int = 1) -> Iterator[tuple[int, int]]:
        """Number and moment (ns from the first arrival) of every `workers`-th arrival, lazily.

        Ends only where the last rate is zero.
        """
        return islice(enumerate(self._moments()), worker, None, workers)

    def _integral(self, at: int) -> Fraction:
        total = Fraction(0)
        for piece in self.pieces:
            if at <= piece.begin:
                break
            total += piece.before(at if piece.end is None else min(at, piece.end))
        return total

    def _moments(self) -> Iterator[int]:
        done = Fraction(0)
        for number, piece in enumerate(self.pieces):
            if piece.poisson:
                yield from _poisson(piece, random.Random(f"{self._seed}/{number}"))
            elif piece.level:
                yield from _level(piece, done)
            else:
                yield from _sloped(piece, done)
            done += piece.arrivals or 0


def _level(piece: Piece, done: Fraction) -> Iterator[int]:
    """Arrivals where the integral, `done` at the piece's begin, reaches the next whole numbers."""
    if not piece.first:
        return
    step = SECOND / piece.first
    head = (math.ceil(done) - done) * step
    scale = math.lcm(step.denominator, head.denominator)
    numerator = head.numerator * (scale // head.denominator)
    increment = step.numerator * (scale // step.denominator)
    end = math.inf if piece.end is None else piece.end
    while True:
        at = piece.begin + numerator // scale
        if at >= end:
            return
        yield at
        numerator += increment


def _sloped(piece: Piece, done: Fraction) -> Iterator[int]:
    ahead = float(math.ceil(done) - done)
    whole = math.ceil(done + (piece.arrivals or 0)) - math.ceil(done)
    limit = (piece.end or 0) - 1
    for n in range(whole):
        yield min(limit, piece.begin + _inverse(piece, ahead + n))


def _poisson(piece: Piece, chance: random.Random) -> Iterator[int]:
    """Unit exponential gaps, carried through the inverse of the integral."""
    if not piece.first and not piece.last:
        return
    passed = 0.0
    while True:
        passed += chance.expovariate(1.0)
        if piece.arrivals is not None and passed >= piece.arrivals:
            return
        at = piece.begin + _inverse(piece, passed)
        if piece.end is not None and at >= piece.end:
            return
        yield at


def _inverse(piece: Piece, arrivals: float) -> int:
    """After how many ns the integral over the piece reaches `arrivals`."""
    first = float(piece.first)
    if piece.end is None or piece.level:
        return int(arrivals / first * SECOND)
    slope = float(piece.last - piece.first) / ((piece.end - piece.begin) / SECOND)
    root = first + math.sqrt(max(0.0, first * first + 2 * slope * arrivals))
    # The stable form of the quadratic's solution; nothing is divided by the slope.
    return int(2 * arrivals / root * SECOND) if root else 0
