"""Laws that every probe keeps. Built-ins and extensions get the same check."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, is_dataclass, replace
from time import monotonic
from typing import Any

from sloproof.contracts import Duration, Probe, Sample

PATIENCE = Duration(10_000_000_000)
TOGETHER = 5
LONGEST_WORD = 60
STALLED_S = 0.3

Act = Callable[[], object]


def check_probe(
    probe: Probe,
    *,
    harm: Act,
    mend: Act,
    stall: Act | None = None,
    patience: Duration = PATIENCE,
) -> None:
    """Hold a probe of something real against its laws; leaves it as it was.

    What it looks at is well now; `harm` makes it ill and `mend` well again, `stall` keeps it from
    answering at all until `mend`. Each may take up to `patience` to show. The laws: a docstring
    that is its help; fields that are plain data; a sample of what is well is good, one of what is
    ill is not and says why in a word; nothing that the probed thing does is raised; a sample that
    is cancelled at its time-out ends at once and spoils no later one; samples that may overlap
    don't disturb each other. Raises `AssertionError` naming the law that is broken.
    """
    kind: Any = type(probe)
    assert kind.__doc__, "law of help: a probe's docstring is its help"
    assert is_dataclass(kind), "law of data: a probe is a frozen dataclass of its parameters"
    assert vars(kind)["__dataclass_params__"].frozen, "law of data: a probe is frozen"
    again: Any = probe  # a dataclass, as was just seen
    assert replace(again) == probe, "law of data: equal parameters make an equal probe"
    assert json.dumps(asdict(again), default=str), "law of data: parameters are plain data"
    trial = _Trial(replace(again), patience.seconds)
    asyncio.run(trial.lives(harm, mend))
    if stall is not None:
        trial = _Trial(replace(again), patience.seconds)
        asyncio.run(trial.outlives(stall, mend))


@dataclass(frozen=True, slots=True)
class _Trial:
    """A probe on trial, with patience in seconds."""

    probe: Probe
    patience: float

    async def lives(self, harm: Act, mend: Act) -> None:
        """Through an illness of what it looks at."""
        await self.probe.open()
        try:
            well = await self._soon(ok=True)
            assert well is not None, "law of good: what is well gives a good sample"
            await self._together()
            await asyncio.to_thread(harm)
            ill = await self._soon(ok=False)
            assert ill is not None, "law of bad: what is ill gives a sample that isn't good"
            assert ill.detail, "law of words: a sample that isn't good says why"
            await asyncio.to_thread(mend)
            again = await self._soon(ok=True)
            assert again is not None, "law of return: what is well again is good again"
        finally:
            await self._close()

    async def outlives(self, stall: Act, mend: Act) -> None:
        """A time-out of one sample."""
        await self.probe.open()
        try:
            assert await self._soon(ok=True), "law of good: what is well gives a good sample"
            await asyncio.to_thread(stall)
            began = monotonic()
            try:
                async with asyncio.timeout(STALLED_S):
                    sample = _checked(await self.probe.sample())
                assert not sample.ok, "law of bad: what doesn't answer gives no good sample"
            except TimeoutError:
                pass
            late = monotonic() - began - STALLED_S
            assert late < self.patience / 2, "law of time-outs: a cancelled sample ends at once"
            await asyncio.to_thread(mend)
            again = await self._soon(ok=True)
            assert again is not None, "law of time-outs: a cancelled sample spoils no later one"
        finally:
            await self._close()

    async def _together(self) -> None:
        if not self.probe.overlaps:
            return
        samples = await asyncio.gather(*(self._taken() for _ in range(TOGETHER)))
        bad = [sample for sample in samples if not sample.ok]
        assert not bad, f"law of overlap: samples at one time don't disturb each other: {bad}"

    async def _close(self) -> None:
        """Close it, and let the loop see the end of what was aborted before it ends itself."""
        await self.probe.close()
        await asyncio.sleep(0.01)

    async def _soon(self, *, ok: bool) -> Sample | None:
        """The first sample that is as expected, or None: the world may take a moment to change."""
        deadline = monotonic() + self.patience
        while monotonic() < deadline:
            sample = await self._taken()
            if sample.ok is ok:
                return sample
            await asyncio.sleep(0.01)
        return None

    async def _taken(self) -> Sample:
        try:
            async with asyncio.timeout(self.patience):
                return _checked(await self.probe.sample())
        except TimeoutError:
            return Sample(ok=False, detail="timeout")
        except OSError as error:
            return Sample.failed(error)  # the prober's own words for it
        except Exception as error:
            law = "law of samples: what the probed thing does is a sample, never an exception"
            raise AssertionError(f"{law}: {error!r}") from error


def _checked(sample: Sample) -> Sample:
    assert isinstance(sample, Sample), "law of samples: `sample` gives a Sample"
    number = sample.value is None or math.isfinite(sample.value)
    assert number, "law of figures: a value is a finite number, or there is none"
    word = sample.detail
    short = len(word) <= LONGEST_WORD and "\n" not in word
    assert short, f"law of words: a detail is a word or two, not {word!r}"
    return sample
