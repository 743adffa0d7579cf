"""Arrivals as pieces of straight lines: what segments, warm-up and changes of load come down to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sloproof.spec.experiment import Segment

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Piece:
    """From `begin` to `end` (ns from the first arrival; None: for ever) the rate goes straight.

    `first` and `last` are the rates, in arrivals a second, at its two ends; a piece without an end
    is level.
    """

    begin: int
    end: int | None
    first: Fraction
    last: Fraction
    poisson: bool = False

    @property
    def level(self) -> bool:
        """Whether the rate stays the same."""
        return self.first == self.last

    @property
    def arrivals(self) -> Fraction | None:
        """The integral of the rate over the whole piece; None without an end."""
        return None if self.end is None else self.before(self.end)

    def rate(self, at: int) -> Fraction:
        """The rate at `at`, a moment inside the piece."""
        if self.level or self.end is None:
            return self.first
        return self.first + (self.last - self.first) * Fraction(
            at - self.begin, self.end - self.begin
        )

    def before(self, at: int) -> Fraction:
        """The integral of the rate from the piece's begin to `at`, a moment inside it."""
        return (self.first + self.rate(at)) / 2 * Fraction(at - self.begin, SECOND)

    def cut(self, begin: int, end: int | None) -> Piece:
        """The part of the piece from `begin` to `end`, both inside it."""
        last = self.last if end is None else self.rate(end)
        return replace(self, begin=begin, end=end, first=self.rate(begin), last=last)


@dataclass(frozen=True, slots=True)
class Change:
    """From `begin` to `end` (ns from the end of the warm-up; None: to the end of the run) the
    arrivals are multiplied by `factor`, or come at `rate`; exactly one of the two is given.
    """

    begin: int
    end: int | None
    factor: Fraction | None = None
    rate: Fraction | None = None


def pieces_of(
    segments: Sequence[Segment], warmup: int = 0, changes: Iterable[Change] = ()
) -> tuple[Piece, ...]:
    """The pieces, from the first arrival on; the last one has no end.

    During the `warmup` (ns) arrivals come at the first segment's initial rate. The last segment's
    final rate is held to the end, whether or not it says `for`. Changes that overlap apply one
    after the other, in the order given.
    """
    shapes = [shape for segment in segments for shape in _shapes(segment)]
    pieces: list[Piece] = []
    now = warmup
    if warmup:
        _, first, _, poisson = shapes[0]
        pieces.append(Piece(0, warmup, first, first, poisson))
    for length, first, last, poisson in shapes:
        end = None if length is None else now + length
        pieces.append(Piece(now, end, first, last, poisson))
        now = now if end is None else end
    *before, final = pieces
    if final.end is not None:
        before.append(final)
        final = Piece(final.end, None, final.last, final.last, final.poisson)
    pieces = [piece for piece in (*before, final) if piece.end is None or piece.end > piece.begin]
    for change in changes:
        pieces = [part for piece in pieces for part in _changed(piece, change, warmup)]
    return tuple(pieces)


Shape = tuple[int | None, Fraction, Fraction, bool]


def _shapes(segment: Segment) -> Iterator[Shape]:
    """Length, first rate, last rate, Poisson: one for a line, several for stairs or a spike."""
    poisson = segment.spacing == "poisson"
    length = segment.for_.ns if segment.for_ is not None else None
    if segment.steps and segment.each is not None:
        for step in segment.steps:
            yield segment.each.ns, step.per_second, step.per_second, poisson
    elif segment.source is not None and segment.to is not None:
        yield length, segment.source.per_second, segment.to.per_second, poisson
    elif segment.rate is not None:
        rate = segment.rate.per_second
        for part, high in _spiked(segment, rate, length):
            yield part, high, high, poisson


def _spiked(
    segment: Segment, rate: Fraction, length: int | None
) -> Iterator[tuple[int | None, Fraction]]:
    if segment.spike is None:
        yield length, rate
        return
    begin, lasts = segment.spike.at.ns, segment.spike.for_.ns
    yield begin, rate
    yield lasts, segment.spike.to.per_second
    yield None if length is None else max(0, length - begin - lasts), rate


def _changed(piece: Piece, change: Change, origin: int) -> Iterator[Piece]:
    begin = change.begin + origin
    end = None if change.end is None else change.end + origin
    cuts = [at for at in (begin, end) if at is not None and _inside(piece, at)]
    for start, stop in pairwise([piece.begin, *cuts, piece.end]):
        part = piece.cut(start or 0, stop)
        inside = part.begin >= begin and (end is None or part.begin < end)
        yield _scaled(part, change) if inside else part


def _inside(piece: Piece, at: int) -> bool:
    return piece.begin < at and (piece.end is None or at < piece.end)


def _scaled(piece: Piece, change: Change) -> Piece:
    if change.rate is not None:
        return replace(piece, first=change.rate, last=change.rate)
    factor = change.factor if change.factor is not None else Fraction(1)
    return replace(piece, first=piece.first * factor, last=piece.last * factor)
