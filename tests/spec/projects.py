"""A small project to load experiments from: its own fault, checks, probe, platform and files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import Check, Effect, Fault, Platform, Probe
from sloproof.errors import InvalidInput
from sloproof.extensions import Effects, Extensions, Folder, Kinds
from sloproof.spec import Loaded, load_experiment
from tests.spec.shop_extensions import CHECKS, FAULTS, PROBES
from tests.spec.shop_files import EXPERIMENT, RECOVERY, SLOS, TARGET


class Project:
    """A project in a folder, with extensions of its own that stand for the built-in ones."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self._builtin = folder / "builtin"
        for group, files in (("faults", FAULTS), ("checks", CHECKS), ("probes", PROBES)):
            for name, text in files.items():
                write(self._builtin / group / f"{name}.py", text)
        write(self._builtin / "platforms" / "local.py", "")
        write(self._builtin / "platforms" / "external.py", "")
        self.write("experiments/slow.yaml", EXPERIMENT)
        self.write("experiments/targets/shop.yaml", TARGET)
        self.write("slo/shop.yaml", SLOS)
        self.write("slo/recovery.yaml", RECOVERY)
        self.write("load_profiles/orders.py", "")
        self.write("perf/locustfile.py", "")

    @property
    def experiment(self) -> Path:
        return self.root / "experiments" / "slow.yaml"

    def write(self, name: str, text: str) -> Path:
        return write(self.root / name, text)

    def builtin_file(self, name: str, text: str) -> Path:
        return write(self._builtin / name, text)

    def change(self, name: str, changes: Mapping[str, str]) -> None:
        """Replace text in one of the project's files; each must be there."""
        file = self.root / name
        text = file.read_text()
        for before, after in changes.items():
            assert before in text, f"{before!r} is not in {name}"
            text = text.replace(before, after, 1)
        file.write_text(text)

    def load(
        self, *, variables: Mapping[str, str] | None = None, target: str | None = None
    ) -> Loaded:
        return load_experiment(
            self.experiment,
            variables=variables or {},
            target=target,
            extensions=self.extensions(),
        )

    def problems(self, **options: Any) -> list[str]:
        """All that is wrong, with the project's own folder taken out."""
        with pytest.raises(InvalidInput) as caught:
            self.load(**options)
        return [str(each).replace(str(self.root), "{root}") for each in caught.value.problems]

    def extensions(self) -> Extensions:
        def folders(group: str) -> tuple[Folder, ...]:
            return (Folder(self._builtin / group),)

        return Extensions(
            faults=Kinds(Fault, "fault", folders("faults")),
            checks=Kinds(Check, "check", folders("checks")),
            probes=Kinds(Probe, "probe", folders("probes")),
            platforms=Kinds(Platform, "platform", folders("platforms")),
            effects=Effects(Effect, "effect", ()),
        )


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
