"""The other commands, and what all of them share."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sloproof.contracts import Owner
from sloproof.doors.ending import show
from sloproof.effects.incarnation import self_incarnation
from sloproof.errors import UsageError
from sloproof.model.figures import Live
from sloproof.run.control import Bulletin, Status, statuses
from sloproof.run.journal import Journal
from sloproof.run.recover import Recovered
from sloproof.run.reversal import Reverted
from sloproof.run.selection import resolve
from sloproof.run.state import run_folder
from sloproof.spec import load_experiment, resolved_text
from sloproof.testing.world import Change, Memory, World
from tests.doors.project import ROOT, SLO, TARGET, Project
from tests.doors.rooms import CommandLine, Fate, Rooms, begin_record

AS_IT_IS = "--allow-inconclusive"
COMMANDS = ["init", "check", "plan", "run", "status", "stop", "judge", "report", "recover"]
HEAVY = ["locust", "gevent", "pandas", "pyarrow", "numpy", "docker", "kubernetes", "pydantic"]


class Terminal(io.StringIO):
    """A stream that people read on a screen."""

    def isatty(self) -> bool:
        return True


class TestWords:
    LINE = (
        "  ✓ PASS          slo:dialogue-availability: 100% of 1,441 requests were good, which meets"
    )
    PATH = (
        "  /a/very/long/path/that/nobody/could/copy/if/it/were/broken/into/two/pieces/report.html"
    )

    def test_a_terminal_breaks_no_word(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        screen = Terminal()
        show(f"{self.LINE}\n{self.PATH}", screen)
        shown = screen.getvalue().rstrip("\n").split("\n")
        assert shown[0] == self.LINE.removesuffix(" which meets")
        assert shown[1] == "      which meets"
        assert shown[-1].strip() == self.PATH.strip()

    def test_a_pipe_gets_whole_lines(self) -> None:
        pipe = io.StringIO()
        show(f"{self.LINE}\n{self.PATH}", pipe)
        assert pipe.getvalue() == f"{self.LINE}\n{self.PATH}\n"


class TestStart:
    def test_help_names_every_command_at_once(self) -> None:
        began = time.monotonic()
        done = python("-m", "sloproof", "--help")
        took = time.monotonic() - began
        assert done.returncode == 0
        assert all(f"│ {name} " in done.stdout for name in (*COMMANDS, "faults", "schema"))
        assert "<bool>" not in done.stdout
        assert "\n 4  the harness or the platform failed, what was" in done.stdout
        assert took < 2, "0.3 s on a machine with nothing else to do"

    def test_an_interrupt_while_it_is_imported_is_one_line(self) -> None:
        code = """if True:
            import os, runpy, signal, sys
            class Interrupting:
                def find_spec(self, name, path, target=None):
                    if name == "typer":
                        os.kill(os.getpid(), signal.SIGINT)
            sys.meta_path.insert(0, Interrupting())
            runpy.run_module("sloproof", run_name="__main__")"""
        done = python("-c", code)
        assert (done.returncode, done.stdout, done.stderr) == (3, "", "interrupted\n")

    def test_nothing_heavy_is_imported(self) -> None:
        code = f"import sys, sloproof.cli; print(sorted(set({HEAVY}) & set(sys.modules)))"
        assert python("-c", code).stdout == "[]\n"

    @pytest.mark.parametrize(
        "words", [["nothing"], ["run"], ["run", "x.yaml", "--nothing"], ["judge"]]
    )
    def test_usage_errors_are_2(self, sloproof: CommandLine, words: list[str]) -> None:
        assert sloproof(*words).status == 2

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["check", "nowhere.yaml"], "nowhere.yaml: there is no such file"),
            (["check", "experiments", "--set", "novalue"], "--set novalue: expected NAME=VALUE"),
            (["judge", "nowhere"], "nowhere: not a record"),
            (["faults", "nothing"], "there is no fault 'nothing'"),
            (["schema", "Nothing"], "there is no schema of 'Nothing'"),
            (["stop"], "name one run to stop; running now: none"),
        ],
    )
    def test_what_is_wrong_is_said_without_a_traceback(
        self, sloproof: CommandLine, rooms: Rooms, words: list[str], said: str
    ) -> None:
        ended = sloproof(*words, "--json")
        assert ended.status == 2
        assert said in ended.err
        assert said in json.loads(ended.out)["error"]
        assert "Traceback" not in ended.err

    @pytest.mark.parametrize("words", ["status", "faults", "recover", "init new", "check new"])
    def test_every_object_tells_the_exit_status(self, sloproof: CommandLine, words: str) -> None:
        ended = sloproof(*words.split(), "--json")
        assert json.loads(ended.out)["exit_status"] == ended.status

    def test_an_interrupt_is_3(
        self, sloproof: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*args: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("sloproof.run.control.statuses", interrupted)
        assert sloproof("status").status == 3

    def test_a_reader_that_goes_away_changes_nothing(self) -> None:
        command = f"{sys.executable} -m sloproof faults; echo status $? >&2"
        done = subprocess.run(
            ["bash", "-c", f"({command}) | true"],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        assert done.stderr == "status 0\n"


class TestInit:
    def test_what_it_writes_is_valid(self, sloproof: CommandLine) -> None:
        assert sloproof("init", "new").status == 0
        assert Path("new/experiments/pause.yaml").exists()
        assert Path("new/.gitignore").read_text() == "runs/\n"
        ended = sloproof("check", "new/experiments")
        assert ended.status == 0
        assert ended.out.startswith("new/experiments/pause.yaml: valid (pause)\n")

    def test_it_says_what_to_do_next(self, sloproof: CommandLine) -> None:
        elsewhere = sloproof("init", "new").out
        assert "new/.gitignore\n" in elsewhere
        assert "next:\n  cd new\n  sloproof plan experiments " in elsewhere
        assert "  pytest experiments " in elsewhere
        here = sloproof("init").out
        assert "next:\n  sloproof plan experiments " in here

    def test_it_overwrites_nothing(self, sloproof: CommandLine) -> None:
        Path("new/slo").mkdir(parents=True)
        Path("new/slo/availability.yaml").write_text("mine")
        ended = sloproof("init", "new")
        assert ended.status == 2
        assert "new/slo/availability.yaml: is there already" in ended.err
        assert Path("new/slo/availability.yaml").read_text() == "mine"
        assert not Path("new/experiments").exists()


class TestCheck:
    def test_valid_files(self, sloproof: CommandLine, project: Project) -> None:
        project.experiment("a")
        ended = sloproof("check", "experiments")
        assert ended.status == 0
        assert ended.out.splitlines() == [
            "experiments/a.yaml: valid (a)",
            "experiments/targets/shop.yaml: valid (target shop)",
        ]

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("slo/steady.yaml", "slo/steady.yaml: valid (steady)"),
            ("slo", "slo/steady.yaml: valid (steady)"),
            ("experiments/targets", "experiments/targets/shop.yaml: valid (target shop)"),
        ],
    )
    def test_a_target_or_objectives_alone(
        self, sloproof: CommandLine, project: Project, words: str, said: str
    ) -> None:
        project.experiment("a")
        ended = sloproof("check", words)
        assert (ended.status, ended.out) == (0, f"{said}\n")
        assert sloproof("plan", words).err.startswith(f"no experiment in {words}")

    @pytest.mark.parametrize("command", ["check", "plan"])
    @pytest.mark.parametrize(
        ("name", "text", "said"),
        [
            ("fault_injectors/bad.py", "def (", "fault_injectors/bad.py:1: is not Python: "),
            ("checks/bad.py", "1 / 0", "checks/bad.py:1: doesn't load: ZeroDivisionError: "),
            ("probes/bad.py", "x = 1", "probes/bad.py: defines none, but one Probe it must be"),
            ("slo/broken.yaml", "a: [", "slo/broken.yaml:2: is not YAML: "),
            ("slo/odd.yaml", "apiVersion: openslo/v2", "slo/odd.yaml:1: apiVersion: expected "),
            (
                "slo/misspelt.yaml",
                SLO.format(name="other").replace("service:", "sevice:"),
                'slo/misspelt.yaml:5: spec.sevice: unknown key "sevice"',
            ),
            (
                "experiments/targets/other.yaml",
                TARGET.format(name="other").replace("entry:", "enty:"),
                'experiments/targets/other.yaml:6: spec.enty: unknown key "enty"',
            ),
        ],
    )
    def test_nothing_of_the_project_is_skipped(
        self,
        sloproof: CommandLine,
        project: Project,
        command: str,
        name: str,
        text: str,
        said: str,
    ) -> None:
        file = project.experiment("a")
        project.write(name, text)
        ended = sloproof(command, file)
        assert ended.status == 2
        assert said in ended.err

    def test_the_secrets_of_other_targets_may_be_missing(
        self, sloproof: CommandLine, project: Project
    ) -> None:
        file = project.experiment("a")
        text = TARGET.format(name="staging").replace("127.0.0.1:8080", "$(token)@127.0.0.1/")
        variables = "  variables: {token: {env: NOT_SET_HERE, secret: true}}\n"
        project.write("experiments/targets/staging.yaml", text + variables)
        assert sloproof("check", file).status == 0
        ended = sloproof("check", file, "--target", "staging")
        assert ended.status == 2
        assert ended.err == (
            "experiments/targets/staging.yaml:7: spec.variables.token: "
            "the environment has no NOT_SET_HERE: set it, or give --set token=…\n"
        )

    @pytest.mark.parametrize("name", ["slo/notes.md", "slo/.hidden.yaml"])
    def test_what_is_no_file_of_the_project_is_refused_as_what_it_is(
        self, sloproof: CommandLine, project: Project, name: str
    ) -> None:
        project.write(name, "a: b")
        ended = sloproof("check", name)
        assert ended.status == 2
        assert f"{name}:1: kind: expected Experiment, got nothing" in ended.err

    def test_records_are_no_experiments(self, sloproof: CommandLine, project: Project) -> None:
        file = project.experiment("a")
        project.write("runs/r1/experiment.yaml", f"{file.read_text()}---\n{SLO}")
        project.write("runs/r1/events.jsonl", "")
        ended = sloproof("check", ".")
        assert ended.status == 0, ended.err
        assert "runs" not in ended.out
        ended = sloproof("check", "runs/r1/experiment.yaml")
        assert ended.status == 2
        assert "is part of a record (try sloproof judge runs/r1)" in ended.err

    def test_every_problem_at_once(self, sloproof: CommandLine, project: Project) -> None:
        for name in ("a", "b"):
            file = project.experiment(name)
            file.write_text(file.read_text().replace("baseline: 1s", "baseline: soon"))
        ended = sloproof("check", "experiments", "--json")
        assert ended.status == 2
        assert len(json.loads(ended.out)["problems"]) == 2


class TestPlan:
    def test_it_shows_what_would_happen(
        self, sloproof: CommandLine, rooms: Rooms, project: Project
    ) -> None:
        sloproof("init", "new")
        ended = sloproof("plan", "new/experiments", "--set", "pause=3s")
        assert ended.status == 0, ended.err
        for said in (
            "5s  pause: pod_pause for 3s",
            "on web-1; needs Pauses",
            "at most 40 samples, 10 needed",
        ):
            assert said in ended.out
        assert rooms.ran == []

    @pytest.mark.parametrize("seed", range(4))
    def test_it_foresees_what_a_run_of_that_seed_picks(
        self, sloproof: CommandLine, rooms: Rooms, project: Project, seed: int
    ) -> None:
        sloproof("init", "new")
        target = project.path / "new/experiments/targets/site.yaml"
        copy = "{name: web-1, listens: 8808}"
        text = target.read_text().replace(copy, f"{copy}, {{name: web-2, listens: 8809}}")
        target.write_text(text)
        file = project.path / "new/experiments/pause.yaml"
        where = "where: {service: web"
        file.write_text(file.read_text().replace(where, f"{where}, pick: {{count: 1}}"))
        body = json.loads(sloproof("plan", file, "--seed", seed, "--json", AS_IT_IS).out)
        (fault,) = body["plans"][0]["faults"]
        running = Memory(World(project.path / "world"), {"web": 2}, [])
        struck = resolve(load_experiment(file).experiment.faults[0], running, seed, 1)
        assert fault["picks"] == [[copy.name for copy in struck.instances]]
        said = sloproof("plan", file, "--seed", seed, AS_IT_IS).out
        assert f"(1 of them: by seed {seed} {struck.instances[0].name})" in said

    def test_what_cant_be_decided_is_refused_and_shown(
        self, sloproof: CommandLine, rooms: Rooms, project: Project
    ) -> None:
        rooms.fates = {"slow": Fate(undecidable="too few requests")}
        file = project.experiment("slow")
        refused = sloproof("plan", file)
        assert refused.status == 2
        assert "UNDECIDABLE: too few requests" in refused.err
        assert sloproof("plan", file, "--allow-inconclusive").status == 0

    def test_what_the_platform_lacks_is_refused(
        self, sloproof: CommandLine, rooms: Rooms, project: Project
    ) -> None:
        sloproof("init", "new")
        target = project.path / "new/experiments/targets/site.yaml"
        text = target.read_text().replace("platform: local", "platform: external")
        start, rest = text.split("  start:")[0], text.split("within: 10s\n")[1]
        target.write_text(start + rest)
        ended = sloproof("plan", "new/experiments", "--json", "--allow-inconclusive")
        assert ended.status == 2
        assert "Pauses" in json.loads(ended.out)["plans"][0]["lacks"][0]


class TestAttending:
    def test_running_runs_are_shown(
        self, sloproof: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        running = Status(
            run="r1",
            experiment="slow",
            target="shop",
            engine=str(self_incarnation()),
            phase="faults",
            remaining_s=12.3,
            faults=("latency",),
            line="20/s",
            record="runs/r1",
            figures=Live(rate=20.0, error_ratio=0.5, p99_s=None),
        )
        monkeypatch.setattr("sloproof.run.control.statuses", lambda state: [running])
        said = sloproof("status").out
        assert said == "r1  slow on shop: faults, in force: latency, about 12 s left; 20/s\n"
        (shown,) = json.loads(sloproof("status", "--json").out)["running"]
        assert shown["run"] == "r1"
        assert shown["figures"] == {"rate": 20.0, "error_ratio": 0.5, "p99_s": None}

    @pytest.mark.parametrize(
        ("live", "line"),
        [
            (Live(20, 0.0, 0.016), "20/s  errors 0.0%  p99 16 ms"),
            (Live(20, 0.25, None), "20/s  errors 25.0%  p99 ∞"),
            (Live(0, None, None), "0/s"),
        ],
    )
    def test_figures_in_a_line(self, live: Live, line: str) -> None:
        assert str(live) == line

    def test_what_a_run_posts_is_what_others_read(self, tmp_path: Path) -> None:
        figures = Live(rate=20.0, error_ratio=0.5, p99_s=None)
        own = str(self_incarnation())
        posted = Status("r1", "slow", "shop", own, "faults", 1, ("cut",), "", "runs/r1", figures)
        folder = run_folder(tmp_path, "r1")
        folder.mkdir(parents=True)
        (folder / "journal").touch()
        Bulletin(folder).post(posted)
        assert statuses(tmp_path) == [posted]

    def test_leftovers_are_warned_of(self, sloproof: CommandLine, project: Project) -> None:
        left = Change(world=str(project.path / "world"), subject="shop", what="slow", value=1)
        journal = Journal.create(
            run_folder(project.path / "state", "r0") / "journal", {"run": "r0", "target": "shop"}
        )
        journal.intend(left.bound(Owner("r0", 1)), {}, "boot")
        journal.release()
        ended = sloproof("status", "--json")
        assert f"warning: run r0 died and left on shop: {left}" in ended.err
        assert json.loads(ended.out) == {"exit_status": 0, "running": []}

    def test_an_unknown_run_can_t_be_stopped(
        self, sloproof: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(state: Path, run: str) -> Status:
            raise UsageError(f"no run {run}")

        monkeypatch.setattr("sloproof.run.control.stop", refuse)
        assert sloproof("stop", "r9").status == 2

    @pytest.mark.parametrize(
        ("results", "status"),
        [
            ([], 0),
            ([Recovered("r0", (), ())], 0),
            ([Recovered("r0", (), (Reverted(1, "toxic", None, "no answer", "delete it"),))], 5),
            ([Recovered("r0", (), (), "the journal is damaged")], 5),
        ],
    )
    def test_recovering(
        self,
        sloproof: CommandLine,
        monkeypatch: pytest.MonkeyPatch,
        results: list[Recovered],
        status: int,
    ) -> None:
        monkeypatch.setattr("sloproof.run.recover.recover", lambda state, told: results)
        ended = sloproof("recover", "--json")
        assert ended.status == status
        assert len(json.loads(ended.out)["runs"]) == len(results)

    def test_a_dry_run_reverts_nothing(
        self, sloproof: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr("sloproof.run.recover.recover")
        ended = sloproof("recover", "--dry-run")
        assert (ended.status, ended.out) == (0, "nothing was left behind\n")


class TestJudging:
    @pytest.mark.parametrize(("outcome", "status"), [("PASS", 0), ("FAIL", 1), ("INCONCLUSIVE", 3)])
    def test_a_record_is_judged_anew(
        self, sloproof: CommandLine, rooms: Rooms, tmp_path: Path, outcome: str, status: int
    ) -> None:
        rooms.fates = {"slow": Fate(outcome=outcome)}
        record = begin_record(tmp_path / "r1", "slow")
        ended = sloproof("judge", record, "--json")
        assert ended.status == status
        said = {"exit_status": status, "a": 1, "other_objectives": [], "unwritten": ""}
        assert json.loads(ended.out) == said
        assert (record / "verdict.json").read_text() == '{"a": 1}\n'

    def test_other_objectives_leave_the_records_own_verdict(
        self, sloproof: CommandLine, rooms: Rooms, project: Project, tmp_path: Path
    ) -> None:
        record = self.asked(project, tmp_path)
        other = project.write("stricter/steady.yaml", SLO.format(name="steady"))
        ended = sloproof("judge", record, "--slo", other)
        assert ended.status == 0, ended.err
        assert "half was good: True" in ended.out
        said = "judged by another steady than the run's own: that of stricter/steady.yaml"
        assert said in ended.out
        assert not (record / "verdict.json").exists()
        ended = sloproof("judge", record, "--slo", other, "--json")
        assert json.loads(ended.out)["other_objectives"] == ["steady"]

    def test_objectives_that_the_run_was_not_judged_by_are_refused(
        self, sloproof: CommandLine, rooms: Rooms, project: Project, tmp_path: Path
    ) -> None:
        record = self.asked(project, tmp_path)
        other = project.write("stricter/fast.yaml", SLO.format(name="fast"))
        ended = sloproof("judge", record, "--slo", other)
        assert ended.status == 2
        assert ended.err == (
            f"{other}: --slo: none of its objectives (fast) is one that the run was judged by "
            "(steady)\n"
        )

    def asked(self, project: Project, folder: Path) -> Path:
        """A record whose experiment asks for `steady`."""
        loaded = load_experiment(project.experiment("slow", claims={"steady": "PASS"}))
        record = begin_record(folder / "r1", "slow")
        (record / "experiment.yaml").write_text(resolved_text(loaded))
        return record

    def test_a_report_is_written(self, sloproof: CommandLine, rooms: Rooms, tmp_path: Path) -> None:
        rooms.fates = {"slow": Fate(outcome="FAIL")}
        record = begin_record(tmp_path / "r1", "slow")
        assert sloproof("report", record).out == f"{record}/report.html\n"
        assert sloproof("report", record, "-o", "page.html").status == 0
        assert rooms.reports == [record / "report.html", Path("page.html")]


def python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
    )
