"""JSON Schema of the files people write, for editors: what is known, completed and explained."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Optional, TypeAlias

from pydantic import ConfigDict, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core.core_schema import WithDefaultSchema

from sloproof.extensions import Extensions
from sloproof.model.target import Target
from sloproof.spec.envelope import API_VERSION
from sloproof.spec.experiment import Load
from sloproof.spec.plain import as_written
from sloproof.spec.shapes import keys_of
from sloproof.spec.suite import Across, Manual, StepEntry, SuiteSpec
from sloproof.spec.written import ExperimentSpec, FaultEntry, Metadata, RecoverySpec, Siblings

Schema: TypeAlias = "dict[str, Any]"
_EXPLAINED = ConfigDict(extra="forbid", arbitrary_types_allowed=True, use_attribute_docstrings=True)
_ABOUT = ("title", "description", "default", "examples")
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_VARIABLE: Schema = {"type": "string", "pattern": r"\$\("}
_SCALAR: Schema = {"type": ["string", "number", "boolean"]}
_VARIABLES: Schema = {
    "type": "object",
    "description": "values used as $(name)",
    "additionalProperties": {
        "anyOf": [
            _SCALAR,
            {
                "type": "object",
                "properties": {
                    "value": _SCALAR,
                    "env": {"type": "string"},
                    "secret": {"type": "boolean"},
                },
                "additionalProperties": False,
            },
        ]
    },
}


class _AsWritten(GenerateJsonSchema):
    """Defaults as people would write them; one that is left out is no default at all."""

    def encode_default(self, dft: Any) -> Any:
        return as_written(dft)

    def default_schema(self, schema: WithDefaultSchema) -> Schema:
        found = super().default_schema(schema)
        return {key: value for key, value in found.items() if (key, value) != ("default", None)}


def json_schema(extensions: Extensions) -> dict[str, Schema]:
    """The schema of each kind of document, with the fields of all faults and checks."""
    return {
        "Experiment": _experiment(extensions),
        "Suite": _suite(),
        "Target": _target(extensions),
        "RecoveryObjective": _document("RecoveryObjective", *_shape(RecoverySpec, "")),
    }


def _experiment(extensions: Extensions) -> Schema:
    spec, definitions = _shape(ExperimentSpec, "")
    load, more = _shape(Load, "Load.")
    definitions |= more
    faults, more = _faults(extensions)
    definitions |= more
    lines, more = _lines(extensions)
    definitions |= more
    _put(
        spec,
        load=load,
        faults={"type": "array", "items": {"anyOf": faults}},
        verify={"type": "array", "minItems": 1, "items": {"anyOf": lines}},
        variables=_VARIABLES,
    )
    spec["description"] = "What is done to the target, and what has to hold."
    schema: Schema = _late(_document("Experiment", spec, definitions))
    return schema


def _suite() -> Schema:
    spec, definitions = _shape(SuiteSpec, "")
    parts: dict[str, Schema] = {}
    for key, shape in (("steps", StepEntry), ("verify", Across)):
        part, more = _shape(shape, f"{shape.__name__}.")
        parts[key] = {"type": "array", "items": part}
        definitions |= more
    manual, more = _shape(Manual, "Manual.")
    definitions |= more
    step = parts["steps"]["items"]
    _put(step, manual=manual)
    step["oneOf"] = [{"required": ["experiment"]}, {"required": ["manual"]}]
    parts["steps"]["minItems"] = 1
    _put(spec, variables=_VARIABLES, **parts)
    spec["description"] = "A drill or game day: what is done, in which order, and by whom."
    schema: Schema = _late(_document("Suite", spec, definitions))
    return schema


def _target(extensions: Extensions) -> Schema:
    spec, definitions = _shape(Target, "")
    for ours in ("name", "origin", "folder"):
        del spec["properties"][ours]
        spec["required"].remove(ours)
    _put(spec, platform={"enum": sorted(extensions.platforms)}, variables=_VARIABLES)
    spec["description"] = "Where the system is, and what of it can be seen and touched."
    schema: Schema = _late(_document("Target", spec, definitions))
    return schema


def _faults(extensions: Extensions) -> tuple[list[Schema], Schema]:
    """One alternative for each kind of fault, with its own fields under `with`."""
    alternatives: list[Schema] = []
    definitions: Schema = {}
    for kind, fault in sorted(extensions.faults.items()):
        entry, more = _shape(FaultEntry, "Fault.")
        fields, own = _shape(fault, f"fault.{kind}.")
        _put(entry, **{"inject": {"const": kind}, "with": fields})
        entry["description"] = inspect.getdoc(fault) or ""
        if fields.get("required"):
            entry["required"] = [*entry["required"], "with"]
        alternatives.append(entry)
        definitions |= more | own
    return alternatives, definitions


def _lines(extensions: Extensions) -> tuple[list[Schema], Schema]:
    """One alternative for each kind of check, with what may stand beside it."""
    alternatives: list[Schema] = []
    definitions: Schema = {}
    for kind, check in sorted(extensions.checks.items()):
        line, more = _shape(Siblings, "Line.")
        fields, own = _shape(check, f"check.{kind}.")
        forms: list[Schema] = [fields]
        if keys_of(check):
            forms.append(next(iter(fields["properties"].values())))
        if not fields.get("required"):
            forms.append({"type": "null"})
        line["properties"] = {kind: {"anyOf": forms}, **line["properties"]}
        line["required"] = [kind]
        line["description"] = inspect.getdoc(check) or ""
        alternatives.append(line)
        definitions |= more | own
    return alternatives, definitions


def _shape(shape: type[Any], prefix: str) -> tuple[Schema, Schema]:
    """The schema of a dataclass, and those it refers to, named with `prefix`."""
    # Optional, as pydantic takes no configuration for a bare dataclass.
    optional: Any = Optional[shape]  # noqa: UP045 - a value, not an annotation
    whole = TypeAdapter(optional, config=_EXPLAINED).json_schema(
        ref_template=f"#/$defs/{prefix}{{model}}", schema_generator=_AsWritten
    )
    definitions = {f"{prefix}{name}": each for name, each in whole.pop("$defs", {}).items()}
    options = [each for each in whole.get("anyOf", [whole]) if each.get("type") != "null"]
    found: Schema = options[0]
    if "$ref" in found:
        found = definitions.pop(found["$ref"].removeprefix("#/$defs/"))
    return {**found, "properties": dict(found.get("properties", {}))}, definitions


def _put(shape: Schema, **keys: Schema) -> None:
    """Put these in the places of a shape's keys; what was said about the keys stays."""
    for key, found in keys.items():
        before = shape["properties"].get(key, {})
        said = {"description": before["description"]} if "description" in before else {}
        shape["properties"][key] = {**found, **said}


def _document(kind: str, spec: Schema, definitions: Mapping[str, Any]) -> Schema:
    metadata, more = _shape(Metadata, "Metadata.")
    return {
        "$schema": _DRAFT,
        "title": f"sloproof {kind}",
        "type": "object",
        "properties": {
            "apiVersion": {"const": API_VERSION},
            "kind": {"const": kind},
            "metadata": metadata,
            "spec": spec,
        },
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": False,
        "$defs": {**definitions, **more},
    }


def _late(schema: Any) -> Any:
    """The same, with a variable allowed wherever a number, a choice or a pattern is."""
    if isinstance(schema, list):
        return [_late(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") in ("integer", "number", "boolean") or _is_narrow_text(schema):
        about = {key: schema[key] for key in _ABOUT if key in schema}
        shape = {key: value for key, value in schema.items() if key not in about}
        return {**about, "anyOf": [shape, _VARIABLE]}
    return {key: _late(value) for key, value in schema.items()}


def _is_narrow_text(schema: Schema) -> bool:
    return schema.get("type") == "string" and ("enum" in schema or "pattern" in schema)
