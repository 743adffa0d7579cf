"""A valid experiment becomes the model that it says, quickly."""

from __future__ import annotations

import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest

from sloproof.contracts import Duration, Rate, Ratio
from sloproof.errors import ExtensionError, InvalidInput
from sloproof.spec import find_experiments, load_experiment, load_objectives, project_of
from sloproof.spec.objectives import RecoveryObjective
from tests.spec.projects import Project, write
from tests.spec.shop_files import EXPERIMENT, SLOS

SLOW = "experiments/slow.yaml"


def test_an_experiment_is_what_its_file_says(project: Project) -> None:
    experiment = project.load().experiment
    slow, kill = experiment.faults
    assert experiment.labels == {"tier": "ci", "drill": "monthly"}
    assert experiment.baseline == Duration.parse("8s")
    assert experiment.load is not None
    assert [part.share for part in experiment.load.mix] == [
        Ratio(Fraction(4, 5)),
        Ratio(Fraction(1, 5)),
    ]
    assert experiment.load.arrivals[0].to == Rate(Fraction(100))
    assert (slow.name, slow.at, slow.for_) == (
        "slow",
        Duration.parse("10s"),
        Duration.parse("12s"),
    )
    assert kill.name == "pod_kill"
    assert kill.after is not None
    assert kill.after.detected == "slow"


def test_lines_have_ids_that_test_runners_can_bear(project: Project) -> None:
    assert [line.id for line in project.load().experiment.verify] == [
        "slo:shop-availability",
        "slo:latency-while-slow@slow",
        "recovery:shop-recovery",
        "circuit_breaker:dialogue-speech",
        "no_data_loss",
    ]


def test_a_line_says_its_window_its_claim_and_its_confidence(project: Project) -> None:
    project.change(SLOW, {"during: {fault: slow}": "during: {fault: slow}\n      in: general"})
    plain, tolerant, *_ = project.load().experiment.verify
    assert (plain.during, plain.general, plain.confidence) == ("run", None, Ratio(Fraction(19, 20)))
    assert (tolerant.during, tolerant.general) == ("fault:slow", True)
    assert tolerant.tolerance == {"target": Ratio(Fraction(19, 20))}


def test_only_objectives_that_are_referred_to_come_along(project: Project) -> None:
    extra = SLOS.partition("---\n")[2].partition("---\n")[0]
    project.write("slo/more.yaml", extra.replace("shop-availability", "another"))
    assert set(project.load().objectives) == {"shop-availability", "shop-latency", "shop-recovery"}


def test_a_broken_objective_that_nobody_refers_to_harms_nobody(project: Project) -> None:
    project.write("slo/broken.yaml", "a: [")
    assert project.load().objectives
    with pytest.raises(InvalidInput, match=r"slo/broken\.yaml:2"):
        load_objectives([project.root / "slo"], project=project.root)


def test_a_missing_objective_may_stand_in_a_broken_file(project: Project) -> None:
    project.change("slo/recovery.yaml", {"  probe: entry": "\tprobe: entry"})
    missing, broken = project.problems()
    assert 'no recovery objective is called "shop-recovery"' in missing
    assert broken == "slo/recovery.yaml:5: has a tab: YAML is indented with spaces"


def test_all_files_complain_at_once(project: Project) -> None:
    project.change(SLOW, {"baseline: 8s": "baseline: 8"})
    project.change("experiments/targets/shop.yaml", {"platform: local": "platform: lokal"})
    project.change("slo/recovery.yaml", {"rto: 5s": "rto: soon"})
    files = [each.partition(":")[0] for each in project.problems()]
    assert files == [SLOW, "experiments/targets/shop.yaml", "slo/recovery.yaml"]


def test_a_link_between_services_is_that_of_all_their_copies(project: Project) -> None:
    project.change(
        SLOW,
        {"{from: dialogue, to: speech}\n      with": "{from: dialogue, to: store}\n      with"},
    )
    assert project.load().experiment.faults[0].where.to == "store"


def test_a_profile_of_two_folders_is_refused(project: Project) -> None:
    from sloproof.extensions import builtin

    name = next(builtin("load_profiles").glob("[a-z]*.py")).stem
    project.write(f"load_profiles/{name}.py", "")
    with pytest.raises(ExtensionError, match=f"profile '{name}' is defined twice"):
        project.load()


def test_recovery_objectives_have_their_defaults(project: Project) -> None:
    objective = project.load().objectives["shop-recovery"]
    assert isinstance(objective, RecoveryObjective)
    assert (objective.successes, objective.stable_for) == (3, Duration.parse("2s"))
    assert objective.origin_of_time == "fault"


class TestFinding:
    def test_only_experiments_are_found(self, project: Project) -> None:
        project.write("experiments/.hidden/h.yaml", EXPERIMENT)
        project.write("experiments/notes.yaml", "kind: Experiment")
        project.write("experiments/late.yaml", "#" * 5000 + "\n" + EXPERIMENT)
        project.write("experiments/quoted.yml", EXPERIMENT.replace("sloproof/v1", '"sloproof/v1"'))
        found = find_experiments([project.root])
        assert [file.name for file in found] == ["quoted.yml", "slow.yaml"]

    def test_a_file_given_twice_is_found_once(self, project: Project) -> None:
        assert find_experiments([project.experiment, project.experiment]) == [project.experiment]

    def test_finding_imports_nothing_heavy(self) -> None:
        code = (
            "import sys; from sloproof.spec import find_experiments; "
            "print({'pydantic', 'yaml', 'numpy'} & set(sys.modules))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "set()"

    def test_the_project_is_the_nearest_folder_that_looks_like_one(
        self, project: Project, tmp_path: Path
    ) -> None:
        assert project_of(project.experiment) == project.root.resolve()
        write(tmp_path / "other" / "pyproject.toml", "")
        lone = write(tmp_path / "other" / "deep" / "e.yaml", "")
        assert project_of(lone) == (tmp_path / "other").resolve()


def test_a_hundred_experiments_load_within_a_second(project: Project) -> None:
    files = [
        project.write(f"experiments/e{n}.yaml", EXPERIMENT.replace("slow-speech", f"slow-{n}"))
        for n in range(100)
    ]
    extensions = project.extensions()
    load_experiment(files[0], extensions=extensions)
    began = time.process_time()
    for file in files:
        load_experiment(file, extensions=extensions)
    assert time.process_time() - began < 1
