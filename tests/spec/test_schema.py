"""The schema for editors accepts what the reader accepts, and knows every fault and check."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml

from sloproof.spec import json_schema
from tests.spec.projects import Project
from tests.spec.shop_files import EXPERIMENT, RECOVERY, TARGET


@pytest.mark.parametrize("kind", ["Experiment", "Target", "RecoveryObjective"])
def test_a_schema_is_a_schema(project: Project, kind: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema(project.extensions())[kind])


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        pytest.param("Experiment", EXPERIMENT, id="experiment"),
        pytest.param("Target", TARGET, id="target"),
        pytest.param("RecoveryObjective", RECOVERY, id="recovery objective"),
        pytest.param("Experiment", EXPERIMENT.replace("count: 1", "count: $(n)"), id="variable"),
    ],
)
def test_a_valid_file_fits_its_schema(project: Project, kind: str, text: str) -> None:
    jsonschema.validate(yaml.safe_load(text), json_schema(project.extensions())[kind])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("jitter: 50ms", "jittr: 50ms", id="field of a fault"),
        pytest.param("inject: latency", "inject: latncy", id="kind of a fault"),
        pytest.param("recovery_timeout", "recovery_timeot", id="field of a check"),
        pytest.param("- no_data_loss:", "- no_dat_loss:", id="kind of a check"),
        pytest.param("baseline: 8s", "basline: 8s", id="key of the experiment"),
        pytest.param("warmup: 5s", "warmupp: 5s", id="key of the load"),
        pytest.param("delay: $(delay), ", "", id="missing field of a fault"),
    ],
)
def test_a_misspelt_file_does_not(project: Project, before: str, after: str) -> None:
    assert before in EXPERIMENT
    schema = json_schema(project.extensions())["Experiment"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(EXPERIMENT.replace(before, after)), schema)


@pytest.mark.parametrize("kind", ["Experiment", "Target", "RecoveryObjective"])
def test_a_default_is_offered_as_it_is_written(project: Project, kind: str) -> None:
    defaults = [each["default"] for each in inside(json_schema(project.extensions())[kind])]
    assert not [each for each in defaults if each is None or isinstance(each, dict)]
    if kind == "Experiment":
        assert {"5s", "95%"} <= {each for each in defaults if isinstance(each, str)}


def test_every_key_of_a_target_is_explained(project: Project) -> None:
    schema = json_schema(project.extensions())["Target"]
    shapes = {"spec": schema["properties"]["spec"], **schema["$defs"]}
    silent = [
        f"{name}.{key}"
        for name, shape in shapes.items()
        for key, value in shape["properties"].items()
        if not {"description", "$ref"} & value.keys()  # what is referred to explains itself
    ]
    assert silent == []


def inside(schema: Any) -> Iterator[dict[str, Any]]:
    """Every part of a schema that has a default."""
    if isinstance(schema, dict):
        if "default" in schema and "properties" not in schema:
            yield schema
        schema = list(schema.values())
    if isinstance(schema, list):
        for each in schema:
            yield from inside(each)


def test_a_fault_is_explained_by_its_docstring(project: Project) -> None:
    project.builtin_file("faults/slow.py", FAULT)
    faults = json_schema(project.extensions())["Experiment"]["properties"]["spec"]["properties"]
    texts = [each["description"] for each in faults["faults"]["items"]["anyOf"]]
    assert "Everything takes longer." in texts


FAULT = '''
from sloproof.contracts import Fault

class Slow(Fault):
    """Everything takes longer."""

    def plan(self, where, on):
        return []
'''
