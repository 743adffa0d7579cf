"""The experiment as it stands in a record: fully resolved, secrets masked, read back from text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from typing import Any

import yaml

from sloproof.contracts import Fault, Platform, Step, Where
from sloproof.errors import BrokenRecord, ExtensionError, InvalidInput
from sloproof.extensions import Extensions
from sloproof.model.secrets import Secrets, masked_places
from sloproof.model.target import Target
from sloproof.spec.envelope import single
from sloproof.spec.experiment import Experiment
from sloproof.spec.experiments import KIND as EXPERIMENT
from sloproof.spec.experiments import draft_experiment
from sloproof.spec.library import Library
from sloproof.spec.loaded import Loaded
from sloproof.spec.places import Document, Problems
from sloproof.spec.plain import as_written
from sloproof.spec.reading import read_text
from sloproof.spec.scalars import mangled, read_plain
from sloproof.spec.suite import Suite
from sloproof.spec.suites import draft_suite
from sloproof.spec.targets import KIND as TARGET
from sloproof.spec.targets import build_target

FILE = "experiment.yaml"
SUITE_FILE = "suite.yaml"


class _Dumper(yaml.SafeDumper):
    """Quotes every text that a reader of YAML could take for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    plain = isinstance(read_plain(text), str) and not mangled(text)
    style = "|" if plain and "\n" in text else None if plain else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


class RecordedFault(Fault):
    """A fault of a record whose kind isn't known here: what it was called and was given."""

    points_at = "anything"

    given: Mapping[str, Any] = field(default_factory=dict)
    over_at_once: bool = False

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """Nothing: it belongs to the past."""
        return ()

    def lasts(self) -> bool:
        """As it was."""
        return not self.over_at_once


def resolved_text(loaded: Loaded) -> str:
    """Experiment, target and objectives as one text; `origin` says where each was written."""
    own, _, *others = loaded.documents
    documents = [_framed(own), _target_frame(loaded.target, loaded.secrets)]
    documents[0]["spec"] = {**documents[0]["spec"], "target": loaded.experiment.target}
    documents += [_framed(each) for each in others]
    return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def from_record(text: str, extensions: Extensions | None = None) -> Loaded:
    """What `resolved_text` wrote, read back without touching a file.

    A fault whose kind isn't known here any more stands as its name and fields. Raises
    `BrokenRecord` if the text isn't one that was written into a record.
    """
    known = extensions or Extensions.of()
    try:
        documents = read_text(text, FILE)
        by_kind = {document.kind: document for document in documents}
        experiment = _experiment(_unframed(by_kind[EXPERIMENT]), known)
        target = _target(by_kind[TARGET])
        others = [each for each in documents if each.kind not in (EXPERIMENT, TARGET)]
        objectives = Library.of(_unframed(each).document for each in others).everything()
    except ExtensionError:
        raise
    except InvalidInput as error:
        raise BrokenRecord(str(error)) from error
    except KeyError as error:
        raise BrokenRecord(f"{FILE}: has no {error.args[0]}") from error
    return Loaded(experiment, target, objectives, documents)


def suite_text(document: Document) -> str:
    """A suite as it stands in its record; `origin` says where it was written."""
    framed = _framed(document)
    return yaml.dump(framed, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def suite_from_record(text: str) -> Suite:
    """What `suite_text` wrote, read back; raises `BrokenRecord` for any other text."""
    try:
        problems = _unframed(single(read_text(text, SUITE_FILE)))
        suite = draft_suite(problems)
        problems.raise_any()
    except InvalidInput as error:
        raise BrokenRecord(str(error)) from error
    if suite is None:
        raise BrokenRecord(f"{SUITE_FILE}: is no suite")
    return suite


def _framed(document: Document) -> dict[str, Any]:
    return {"origin": document.file, **masked_places(document.shown)}


def _unframed(document: Document) -> Problems:
    data = dict(document.data)
    origin = str(data.pop("origin", FILE))
    return Problems(replace(document, file=origin, data=data, shown=data))


def _target_frame(target: Target, secrets: Secrets) -> dict[str, Any]:
    spec = masked_places(secrets.masked(as_written(target)))
    own = {key: spec.pop(key) for key in ("name", "origin", "folder")}
    return {
        "origin": own["origin"],
        "folder": own["folder"],
        "apiVersion": "sloproof/v1",
        "kind": TARGET,
        "metadata": {"name": own["name"]},
        "spec": spec,
    }


def _experiment(problems: Problems, known: Extensions) -> Experiment:
    spec = problems.document.data.get("spec", {})
    entries = spec.get("faults", []) if isinstance(spec, dict) else []
    faults: dict[str, type[Fault]] = {}
    for entry in entries:
        kind = str(entry["inject"])
        if kind in known.faults:
            faults[kind] = known.faults[kind]
        else:
            faults[kind] = type("RecordedFault", (RecordedFault,), {"kind": kind})
            entry["with"] = {"given": entry.get("with", {}), "over_at_once": "for" not in entry}
    draft = draft_experiment(problems, faults, known.checks)
    problems.raise_any()
    if draft is None:
        raise InvalidInput(problems.found)
    return draft.experiment


def _target(document: Document) -> Target:
    problems = _unframed(document)
    folder = str(problems.document.data.pop("folder", ""))
    target = build_target(problems, folder)
    problems.raise_any()
    if target is None:
        raise InvalidInput(problems.found)
    return target
