"""What a record holds is read back as it was, without a file of the project."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from sloproof.contracts import Duration
from sloproof.errors import BrokenRecord, InvalidInput
from sloproof.spec import fill_found, from_record, load_experiment, resolved_text
from tests.spec.projects import Project
from tests.spec.shop_files import FOUND


def test_a_record_gives_back_what_was_run(project: Project) -> None:
    loaded = project.load().running(FOUND)
    again = from_record(resolved_text(loaded), project.extensions())
    assert again == loaded


def test_reading_a_record_touches_no_file(project: Project) -> None:
    loaded, extensions = project.load().running(FOUND), project.extensions()
    text = resolved_text(loaded)
    list(extensions.faults.values()), list(extensions.checks.values())
    shutil.rmtree(project.root)
    assert from_record(text, extensions) == loaded


def test_a_record_says_which_target_was_used(project: Project) -> None:
    staging = (project.root / "experiments/targets/shop.yaml").read_text()
    project.write(
        "experiments/targets/staging.yaml", staging.replace("name: shop}", "name: staging}")
    )
    loaded = project.load(target="staging")
    again = from_record(resolved_text(loaded), project.extensions())
    assert again.experiment.target == again.target.name == "staging"


def test_a_masked_secret_does_not_break_a_record(project: Project) -> None:
    project.change(
        "experiments/targets/shop.yaml",
        {
            "{recovery: 2s}": "{recovery: 2s, host: {value: 127.0.0.1, secret: true}}",
            "url: http://127.0.0.1:": "url: http://$(host):",
        },
    )
    loaded = project.load().running(FOUND)
    again = from_record(resolved_text(loaded), project.extensions())
    assert loaded.target.entry.url == "http://127.0.0.1:8080"
    assert again.target.entry.url == "http://***:8080"
    assert again.experiment == loaded.experiment


def test_words_that_yaml_would_mangle_survive_a_record(project: Project) -> None:
    project.change(
        "experiments/slow.yaml",
        {"annotations: {change: CHG0012345}": 'annotations: {a: "yes", b: "1:30", c: "0o17"}'},
    )
    loaded = project.load()
    again = from_record(resolved_text(loaded), project.extensions())
    assert again.experiment.annotations == {"a": "yes", "b": "1:30", "c": "0o17"}


def test_a_fault_that_is_no_longer_known_keeps_its_name_and_its_times(project: Project) -> None:
    text = resolved_text(project.load())
    extensions = project.extensions()
    without = replace(extensions, faults={})
    slow, kill = from_record(text, without).experiment.faults
    assert slow.fault.kind == "latency"
    assert slow.for_ == Duration.parse("12s")
    assert slow.fault.lasts()
    assert not kill.fault.lasts()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda text: "", id="empty"),
        pytest.param(lambda text: text[: text.index("platform:") + 4], id="cut"),
        pytest.param(lambda text: text.partition("---\n")[0], id="without its target"),
        pytest.param(lambda text: text.replace("800ms", "800 parsecs"), id="changed"),
    ],
)
def test_a_broken_record_is_refused(project: Project, damage: object) -> None:
    text = resolved_text(project.load().running(FOUND))
    assert callable(damage)
    with pytest.raises(BrokenRecord):
        from_record(damage(text), project.extensions())


def test_what_is_found_is_filled_in_with_its_type(project: Project) -> None:
    target = fill_found(project.load().target, FOUND)
    copies = target.services["dialogue"].instances
    assert target.entry.url == "http://127.0.0.1:8080"
    assert [copy.listens for copy in copies] == [8001, 8002]
    assert target.probes[0].params["url"] == "http://127.0.0.1:8080/health"


def test_a_number_that_is_found_may_stand_for_text(project: Project) -> None:
    project.change("experiments/targets/shop.yaml", {"name: dialogue-speech": "name: $(found.id)"})
    target = fill_found(project.load().target, {**FOUND, "id": 7})
    assert target.links[1].proxy is not None
    assert target.links[1].proxy.name == "7"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        pytest.param({}, r"\$\(found.ports.gateway\) was not found: there is nothing", id="none"),
        pytest.param(
            {**FOUND, "ports": {"gateway": 8080, "dialogue-1": 99999}},
            '"99999" is not a port',
            id="no port",
        ),
        pytest.param(
            {**FOUND, "ports": {"gateway": "80@shop.example", "dialogue-1": 1}},
            "shop.example is not on this host",
            id="another host",
        ),
    ],
)
def test_what_is_found_must_fit(project: Project, found: dict[str, object], said: str) -> None:
    target = project.load().target
    with pytest.raises(InvalidInput, match=said):
        fill_found(target, found)


def test_loading_needs_no_working_folder(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    loaded = load_experiment(project.experiment, extensions=project.extensions())
    assert loaded.experiment.origin == "experiments/slow.yaml"
