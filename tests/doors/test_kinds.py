"""`sloproof faults` and `sloproof schema`."""

from __future__ import annotations

import json

from tests.doors.project import Project
from tests.doors.rooms import CommandLine


def test_faults_are_listed_with_their_help(sloproof: CommandLine) -> None:
    said = sloproof("faults").out
    assert "latency" in said
    assert "Every byte on a link arrives later." in said


def test_a_schema_is_found_however_its_kind_is_written(sloproof: CommandLine) -> None:
    ended = sloproof("schema", "target", "--json")
    assert json.loads(ended.out)["title"] == "sloproof Target"
    assert ended.err == "", "it is not printed twice"


def test_one_fault_shows_its_fields(sloproof: CommandLine) -> None:
    said = sloproof("faults", "latency").out
    assert "delay: duration, such as 800ms; required" in said
    assert 'direction: upstream | downstream | both; default "downstream"' in said
    assert "needs: DelaysLinks" in said


def test_a_projects_own_faults_are_listed(sloproof: CommandLine, project: Project) -> None:
    project.write("fault_injectors/gremlin.py", GREMLIN)
    assert "A gremlin sits on a link." in sloproof("faults").out
    said = sloproof("faults", "gremlin", "--json").out
    assert json.loads(said)["faults"]["gremlin"]["fields"] == {
        "teeth": {"type": "whole number", "required": False, "default": 3}
    }


def test_schemas(sloproof: CommandLine) -> None:
    assert "Experiment" in json.loads(sloproof("schema").out)
    assert json.loads(sloproof("schema", "Target", "--json").out)["title"] == "sloproof Target"


GREMLIN = '''
from sloproof.contracts import Fault


class Gremlin(Fault):
    """A gremlin sits on a link."""

    teeth: int = 3

    def plan(self, where, on):
        return []
'''
