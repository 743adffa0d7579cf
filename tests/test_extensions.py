"""Extensions are found by folder and by entry point; a broken one is never skipped."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sloproof.contracts import Effect, Fault, Probe
from sloproof.errors import ExtensionError
from sloproof.extensions import Effects, Extensions, Folder, Kinds

FAULT = """
from sloproof.contracts import Fault

class {name}(Fault):
    def plan(self, where, on):
        return []
"""
EFFECTS = """
from sloproof.contracts import Effect, Undone

class One(Effect):
    kind = "one"
    def capture(self): return {}
    def apply(self, prior): ...
    def undo(self, prior): return Undone.ABSENT
    def present(self, prior): return False
    def __str__(self): return self.kind

class Other(One):
    kind = "other"
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def faults(*folders: Path) -> Kinds[Fault]:
    return Kinds(Fault, "fault", tuple(Folder(folder) for folder in folders))


def test_a_file_is_a_fault_of_its_name(tmp_path: Path) -> None:
    write(tmp_path / "slow_disk.py", FAULT.format(name="SlowDisk"))
    write(tmp_path / "_shared.py", "raise RuntimeError('not an extension')")
    found = faults(tmp_path)
    assert list(found) == ["slow_disk"]
    assert found["slow_disk"].kind == "slow_disk"


def test_an_extension_has_a_module_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / "json.py", FAULT.format(name="Json"))
    module = faults(tmp_path)["json"].__module__
    assert module.startswith("_sloproof_ext_")
    assert module.endswith("_json")
    assert sys.modules["json"].__name__ == "json"


def test_a_name_that_comes_twice_is_refused_with_both_files(tmp_path: Path) -> None:
    one = write(tmp_path / "a" / "slow.py", FAULT.format(name="Slow"))
    other = write(tmp_path / "b" / "slow.py", FAULT.format(name="Slow"))
    with pytest.raises(ExtensionError, match="defined twice") as caught:
        list(faults(one.parent, other.parent))
    assert str(one) in str(caught.value)
    assert str(other) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("def (", "slow.py:1: is not Python: ", id="no Python"),
        pytest.param(
            "\nimport nowhere",
            "slow.py:2: doesn't load: ModuleNotFoundError: No module",
            id="missing import",
        ),
        pytest.param("x = 1\n1 / 0", "slow.py:2: doesn't load: ZeroDivisionError: ", id="raises"),
        pytest.param("x = 1", "slow.py: defines none, but one Fault it must be", id="nothing"),
        pytest.param(
            FAULT.format(name="Slow") + FAULT.format(name="Slower"),
            "defines Slow, Slower, but one Fault it must be",
            id="two",
        ),
        pytest.param(
            FAULT.format(name="Fast"), "has the kind 'fast', so it belongs in fast.py", id="name"
        ),
        pytest.param(
            "from sloproof.contracts import Fault\nclass Slow(Fault): ...",
            "Slow lacks plan",
            id="without a plan",
        ),
    ],
)
def test_a_broken_extension_says_where(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path / "slow.py", text)
    with pytest.raises(ExtensionError) as caught:
        faults(tmp_path)["slow"]
    assert said in str(caught.value)


def test_a_class_that_is_only_imported_is_not_defined(tmp_path: Path) -> None:
    text = "from sloproof.contracts import Fault, Platform\n" + FAULT.format(name="Slow")
    write(tmp_path / "slow.py", text)
    assert faults(tmp_path)["slow"].__name__ == "Slow"


def test_one_file_may_hold_several_effects(tmp_path: Path) -> None:
    write(tmp_path / "pair.py", EFFECTS)
    found = Effects(Effect, "effect", (Folder(tmp_path),))
    assert set(found) == {"one", "other"}
    assert found["other"].kind == "other"


def test_an_installed_package_extends_by_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "elsewhere_faults.py", FAULT.format(name="Slow"))
    info = tmp_path / "elsewhere-1.0.dist-info"
    write(info / "METADATA", "Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    write(info / "entry_points.txt", "[sloproof]\nfault.slow = elsewhere_faults:Slow\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = faults(tmp_path / "none")
    assert list(found) == ["slow"]
    assert found["slow"].__module__ == "elsewhere_faults"
    monkeypatch.delitem(sys.modules, "elsewhere_faults")


def test_a_broken_entry_point_is_not_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "broken-1.0.dist-info"
    write(info / "METADATA", "Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    write(info / "entry_points.txt", "[sloproof]\nprobe.odd = json:dumps\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ExtensionError, match="is not a Probe"):
        Kinds(Probe, "probe", ())["odd"]


def test_the_checkout_is_not_loaded_twice() -> None:
    root = Path(__file__).parents[1]
    assert set(Extensions.of(root).faults) == set(Extensions.of().faults)


def test_a_project_adds_its_own(tmp_path: Path) -> None:
    write(tmp_path / "fault_injectors" / "coffee_spilt.py", FAULT.format(name="CoffeeSpilt"))
    assert set(Extensions.of(tmp_path).faults) == {*Extensions.of().faults, "coffee_spilt"}


@pytest.mark.parametrize("group", ["faults", "checks", "probes", "platforms", "effects"])
def test_every_built_in_extension_loads(group: str) -> None:
    kinds = getattr(Extensions.of(), group)
    assert {kind: each.kind for kind, each in kinds.items()} == {kind: kind for kind in kinds}
