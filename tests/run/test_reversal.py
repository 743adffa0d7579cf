"""Undoing: order, deadlines, retries, and effects whose fate is not known."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from sloproof.contracts import Duration, Json, Owner, Undone
from sloproof.effects import effect_to_json
from sloproof.errors import EffectError, HarnessError
from sloproof.model.clock import boot_id
from sloproof.run.journal import Entry, Stage
from sloproof.run.reversal import Reverted, revert
from sloproof.testing.world import Change, World


@dataclass(frozen=True, kw_only=True)
class Awkward(Change):
    """An effect whose undo misbehaves as its value says."""

    kind: ClassVar[str] = "awkward"
    deadline: ClassVar[Duration] = Duration(100_000_000)
    trouble: str = ""
    order: str = ""

    def undo(self, prior: Json) -> Undone:
        diary = Path(self.order)
        tries = diary.read_text().count(self.subject) if diary.exists() else 0
        with diary.open("a") as file:
            file.write(f"{self.subject}\n")
        if self.trouble == "always" or (self.trouble == "once" and not tries):
            raise EffectError("it broke")
        if self.trouble == "while it stands" and World(Path(self.world)).value("ground", "x9"):
            raise EffectError("it stands")
        if self.trouble == "hangs":
            time.sleep(1)
        return super().undo(prior)


@dataclass(frozen=True, kw_only=True)
class Ground(Awkward):
    """What others stand on."""

    kind: ClassVar[str] = "ground"
    foundation: ClassVar[bool] = True

    def carries(self) -> bool:
        return True


@dataclass(frozen=True, kw_only=True)
class Blow(Awkward):
    """What is healed, not put back."""

    kind: ClassVar[str] = "blow"
    lasting: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class Late(Change):
    """An effect that appears once more after its undo, as one accepted by a stalled server."""

    kind: ClassVar[str] = "late"
    settle: ClassVar[Duration] = Duration(300_000_000)

    def undo(self, prior: Json) -> Undone:
        outcome = super().undo(prior)
        world = World(Path(self.world))
        if not world.value("marker", "seen"):
            world.change("marker", "seen", True)
            world.change(self.subject, self.what, self.value)
        return outcome


@dataclass(slots=True)
class Bench:
    folder: Path
    told: list[Reverted] = field(default_factory=list)

    def entry(self, effect: Change, stage: Stage = Stage.APPLIED, boot: str = "") -> Entry:
        number = effect.owner.number if effect.owner else 0
        effect.apply({"before": None})
        return Entry(number, effect_to_json(effect), {"before": None}, boot or boot_id(), stage)

    def awkward(
        self, number: int, subject: str, trouble: str = "", kind: type[Awkward] = Awkward
    ) -> Entry:
        effect = kind(
            world=str(self.folder / "world"),
            subject=subject,
            what=f"x{number}",
            value=1,
            trouble=trouble,
            order=str(self.folder / "order"),
        )
        return self.entry(effect.bound(Owner("r", number)))

    @property
    def left(self) -> list[str]:
        changes = World(self.folder / "world").changes()
        return sorted(subject for subject, changed in changes.items() if changed)

    def revert(self, *entries: Entry) -> list[int]:
        return sorted(one.number for one in revert(entries, done=self.told.append))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_effects_on_one_thing_are_undone_newest_first(bench: Bench) -> None:
    entries = [bench.awkward(number, "same") for number in (1, 2, 3)]
    assert bench.revert(*entries) == []
    assert [one.number for one in bench.told] == [3, 2, 1]


@pytest.mark.parametrize(("trouble", "failed"), [("once", []), ("always", [2]), ("hangs", [2])])
def test_one_that_fails_keeps_none_from_running(
    bench: Bench, trouble: str, failed: list[int]
) -> None:
    entries = [bench.awkward(1, "a"), bench.awkward(2, "b", trouble), bench.awkward(3, "c")]
    assert bench.revert(*entries) == failed
    assert bench.left == (["b"] if failed else [])


def test_a_failure_says_what_to_do_by_hand(bench: Bench) -> None:
    bench.revert(bench.awkward(1, "a", "always"))
    assert bench.told[0].error == "it broke"
    assert bench.told[0].remedy == "undo by hand: x1 1 on a"


def test_unrelated_ones_run_at_the_same_time(bench: Bench) -> None:
    began = time.monotonic()
    bench.revert(*[bench.awkward(number, f"s{number}", "hangs") for number in range(8)])
    assert time.monotonic() - began < 3


def test_one_in_doubt_is_undone_until_it_stays_away(bench: Bench) -> None:
    effect = Late(world=str(bench.folder / "world"), subject="a", what="x", value=1)
    entry = bench.entry(effect.bound(Owner("r", 1)), Stage.INTENDED)
    bench.revert(entry)
    assert World(bench.folder / "world").value("a", "x") is None


def test_what_lived_in_memory_is_gone_after_a_reboot(bench: Bench) -> None:
    effect = Change(world=str(bench.folder / "world"), subject="a", what="x", value=1)
    bench.revert(bench.entry(effect.bound(Owner("r", 1)), boot="another"))
    assert bench.told[0].outcome is Undone.ABSENT
    assert bench.left == ["a"]


def test_an_effect_whose_class_is_gone_is_a_failure_and_the_rest_goes_on(bench: Bench) -> None:
    lost = Entry(2, {"class": "no.such:Thing", "kind": "thing"}, {}, boot_id(), Stage.APPLIED)
    assert bench.revert(bench.awkward(1, "a"), lost) == [2]
    assert bench.left == []


@dataclass(frozen=True, kw_only=True)
class Leaving(Awkward):
    """Its undo ends the process it runs in, or would."""

    kind: ClassVar[str] = "leaving"

    def undo(self, prior: Json) -> Undone:
        raise SystemExit(0)


def test_an_undo_that_would_end_the_process_is_a_failure_and_the_rest_goes_on(bench: Bench) -> None:
    assert bench.revert(bench.awkward(1, "a"), bench.awkward(2, "b", kind=Leaving)) == [2]
    [failed] = [one for one in bench.told if one.number == 2]
    assert (failed.outcome, failed.error) == (None, "SystemExit: 0")
    assert bench.left == ["b"]


@pytest.mark.parametrize("error", [HarnessError("the journal is full"), OSError("no disk")])
def test_what_cannot_be_written_down_is_undone_all_the_same(bench: Bench, error: Exception) -> None:
    def deaf(_: Reverted) -> None:
        raise error

    entries = [bench.awkward(1, "a"), bench.awkward(2, "b"), bench.awkward(3, "a")]
    assert revert(entries, done=deaf, meanwhile=lambda: deaf(Reverted(0, "", None))) == []
    assert bench.left == []


def test_the_ground_goes_last_and_what_failed_on_it_is_tried_again(bench: Bench) -> None:
    entries = [bench.awkward(9, "ground", kind=Ground), bench.awkward(1, "a", "while it stands")]
    assert bench.revert(*entries) == []
    assert [(one.number, one.outcome) for one in bench.told] == [
        (1, None),
        (9, Undone.REVERTED),
        (1, Undone.REVERTED),
    ]
    assert bench.left == []


def test_a_blow_to_what_goes_anyway_needs_no_repair(bench: Bench) -> None:
    entries = [bench.awkward(9, "ground", kind=Ground), bench.awkward(1, "a", "always", kind=Blow)]
    assert bench.revert(*entries) == []
    assert [(one.number, one.outcome) for one in bench.told] == [
        (9, Undone.REVERTED),
        (1, Undone.ABSENT),
    ]


def test_where_no_thread_can_be_had_it_works_without(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    entries = [bench.awkward(1, "a"), bench.awkward(2, "b")]
    monkeypatch.setattr(threading.Thread, "start", none_left)
    assert bench.revert(*entries) == []
    assert bench.left == []
