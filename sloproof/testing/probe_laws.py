"""Laws that every probe keeps. Built-ins and extensions get the same check."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from dataclasses import asdict, is_dataclass, replace
from time import monotonic
from typing import Any

from sloproof.contracts import Probe, Sample

PATIENCE_S = 10.0
TOGETHER = 5
LONGEST_WORD = 60
STALLED_S = 0.3

Act = Callable[[], object]


def check_probe(
    probe: Probe, *, harm: Act, mend: Act, stall: Act | None = None, unstall: Act | None = None
) -> None:
    """Hold a probe of something real against its laws; leaves it as it was.

    What it looks at is well now; `harm` makes it ill and `mend` well again, `stall` keeps it from
    answering at all until `unstall` (by default `mend`). The laws: a docstring that is its help;
    fields that are plain data; a sample of what is well is good, one of what is ill is not and says
    why in a word; nothing that the probed thing does is raised; a sample that is cancelled at its
    time-out ends at once and spoils no later one; samples that may overlap don't disturb each
    other. Raises `AssertionError` naming the law that is broken.
    """
    kind: Any = type(probe)
    assert kind.__doc__, "law of help: a probe's docstring is its help"
    assert is_dataclass(kind), "law of data: a probe is a frozen dataclass of its parameters"
    assert vars(kind)["__dataclass_params__"].frozen, "law of data: a probe is frozen"
    again: Any = probe  # a dataclass, as was just seen
    assert replace(again) == probe, "law of data: equal parameters make an equal probe"
    assert json.dumps(asdict(again), default=str), "law of data: parameters are plain data"
    asyncio.run(_lives(replace(again), harm, mend))
    if stall is not None:
        asyncio.run(_outlives(replace(again), stall, unstall or mend))


async def _lives(probe: Probe, harm: Act, mend: Act) -> None:
    await probe.open()
    try:
        well = await _soon(probe, ok=True)
        assert well is not None, "law of good: what is well gives a good sample"
        await _together(probe)
        await asyncio.to_thread(harm)
        ill = await _soon(probe, ok=False)
        assert ill is not None, "law of bad: what is ill gives a sample that isn't good"
        assert ill.detail, "law of words: a sample that isn't good says why"
        await asyncio.to_thread(mend)
        again = await _soon(probe, ok=True)
        assert again is not None, "law of return: what is well again is good again"
    finally:
        await _closed(probe)


async def _together(probe: Probe) -> None:
    if not probe.overlaps:
        return
    samples = await asyncio.gather(*(_taken(probe) for _ in range(TOGETHER)))
    bad = [sample for sample in samples if not sample.ok]
    assert not bad, f"law of overlap: samples at one time don't disturb each other: {bad}"


async def _outlives(probe: Probe, stall: Act, unstall: Act) -> None:
    await probe.open()
    try:
        assert await _soon(probe, ok=True), "law of good: what is well gives a good sample"
        await asyncio.to_thread(stall)
        began = monotonic()
        try:
            async with asyncio.timeout(STALLED_S):
                sample = _checked(await probe.sample())
            assert not sample.ok, "law of bad: what doesn't answer gives no good sample"
        except TimeoutError:
            pass
        late = monotonic() - began - STALLED_S
        assert late < PATIENCE_S / 2, "law of time-outs: a cancelled sample ends at once"
        await asyncio.to_thread(unstall)
        again = await _soon(probe, ok=True)
        assert again is not None, "law of time-outs: a cancelled sample spoils no later one"
    finally:
        await _closed(probe)


async def _closed(probe: Probe) -> None:
    """Close it, and let the loop see the end of what was aborted before it ends itself."""
    await probe.close()
    await asyncio.sleep(0.01)


async def _soon(probe: Probe, *, ok: bool) -> Sample | None:
    """The first sample that is as expected, or None: the world may take a moment to change."""
    deadline = monotonic() + PATIENCE_S
    while monotonic() < deadline:
        sample = await _taken(probe)
        if sample.ok is ok:
            return sample
        await asyncio.sleep(0.01)
    return None


async def _taken(probe: Probe) -> Sample:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return _checked(await probe.sample())
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
