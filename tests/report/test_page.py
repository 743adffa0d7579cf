from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sloproof.errors import HarnessError, InvalidInput
from sloproof.model.verdict import Claim, Finding, Outcome, Verdict
from sloproof.record.reader import Record
from sloproof.record.writer import RecordWriter
from sloproof.report import charts, page, sections, series, svg, templates, trust
from sloproof.report.page import put, write_report
from sloproof.report.states import Stretch, Strip
from sloproof.report.timeline import Timeline
from tests.report import judged, sample
from tests.report.judged import HOSTILE


class Reader(HTMLParser):
    """Collects the tags, attributes and words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words += data


def check_harmless(text: str) -> Reader:
    read = Reader(text)
    assert not {"script", "link", "iframe", "img", "object", "base", "a"} & set(read.tags)
    for name, value in read.attributes:
        assert not name.startswith("on")
        assert name not in {"href", "src", "xlink:href"}
        assert "url(" not in (value or "")
    return read


def report(folder: Path, verdict: Verdict, out: Path, **options: Any) -> str:
    write_report(Record(folder), verdict, out, **options)
    return out.read_text(encoding="utf-8")


def test_the_page_is_as_it_was(
    slow_speech: Path,
    tmp_path: Path,
    golden: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sections, "__version__", "0.0.0")
    text = report(slow_speech, judged.verdict(), tmp_path / "report.html")
    # The hash covers Parquet files, whose bytes differ between versions of their library.
    golden("report.html", re.sub(r"\b[0-9a-f]{64}\b", "SEAL", text))


def test_the_page_is_the_same_in_another_process(slow_speech: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.report import judged;"
        "from sloproof.record.reader import Record; from sloproof.report.page import write_report;"
        "write_report(Record(Path(sys.argv[1])), judged.verdict(), Path(sys.argv[2]))"
    )
    out = tmp_path / "other.html"
    subprocess.run(
        [sys.executable, "-c", code, slow_speech, out], check=True, cwd=templates.PACKAGE.parent
    )
    assert out.read_text() == report(slow_speech, judged.verdict(), tmp_path / "report.html")


def test_importing_the_report_imports_nothing_heavy() -> None:
    heavy = {"numpy", "pandas", "pyarrow", "altair", "vl_convert", "jinja2", "pydantic", "yaml"}
    rooms = (
        "charts fault_rows figures junit markdown page panels sections series states story "
        "summary trust"
    )
    code = f"""
import sys
for room in {rooms.split()!r}:
    __import__("sloproof.report." + room)
sys.exit(", ".join(sorted({heavy!r} & set(sys.modules))))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_hostile_names_are_only_text(hostile_page: Path) -> None:
    read = check_harmless(hostile_page.read_text())
    # Verdict, problem, claims, faults and, in both drawings, the bar and the probe.
    assert read.words.count(HOSTILE) >= 10


@pytest.fixture(scope="session")
def harmless_context(slow_speech: Path) -> dict[str, Any]:
    """The context of a page without drawings, to be rendered often."""
    verdict = judged.verdict(claims=judged.CLAIMS[1:2], evidence=("x",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "drawings", lambda _: {"wide": "", "narrow": ""})
        return page.context(Record(slow_speech), verdict)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.text(st.characters(exclude_categories=[])))
def test_no_text_escapes_from_the_page(harmless_context: dict[str, Any], text: str) -> None:
    claim = Claim(text, text, text, Finding(Outcome.PASS, text, (), (text,)))
    verdict = judged.verdict(experiment=text, sentence=text, claims=(claim,), evidence=(text,))
    template = templates._environment(None).get_template("page.html")
    html = template.render(
        {
            **harmless_context,
            "verdict": verdict,
            "sentence": text,
            "claims": [sections.claim_row(claim)],
            "hypothesis": text,
            "problems": [trust.Check("bad", text, text)],
            "environment": [(text, {text: [text]})],
        }
    )
    html.encode()
    tags = Reader(template.render(harmless_context)).tags
    assert set(check_harmless(html).tags) <= {*tags, "p"}


@settings(max_examples=15, deadline=None)
@given(st.text(st.characters(exclude_categories=[]), max_size=30))
def test_no_text_escapes_from_a_drawing(text: str) -> None:
    axis = series.Axis(0, -1, 10)
    shown = Timeline(
        axis,
        phases=(Stretch("baseline", 0, 10),),
        faults=(Stretch(text, 1, 2),),
        perhaps=(Stretch(text, 1, 3),),
        strips=(Strip("probe", text, (Stretch("up", 0, 10),)),),
    )
    root = sample.parse_xml(charts.draw(shown, charts.NARROW, page._label(shown)))
    assert {each.tag for each in root.iter()} <= svg._DRAWN
    assert {name for each in root.iter() for name in each.attrib} <= svg._KEPT | {
        "viewBox",
        "role",
        "aria-label",
    }


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"count": 0}, id="no load"),
        pytest.param({"probes": ()}, id="no probes"),
        pytest.param({"seal": False}, id="no seal"),
        pytest.param({"count": 1}, id="one request"),
        pytest.param({"count": 0, "probes": (), "seal": False}, id="events only"),
    ],
)
@pytest.mark.parametrize("measured", [True, False])
def test_what_is_missing_is_left_out(
    tmp_path: Path, options: dict[str, Any], measured: bool
) -> None:
    sample.record(tmp_path / "r", **options)
    verdict = judged.verdict(measures=judged.MEASURES if measured else {})
    read = Reader(report(tmp_path / "r", verdict, tmp_path / "report.html"))
    assert "FAIL" in read.words
    assert ("not sealed" in read.words) is (options.get("seal") is False)


def test_a_run_that_broke_off_at_once_has_a_page(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "r")
    writer.event(0, "run.started", run="r1", experiment="e", wall_ns=1, seed=1, version="0")
    writer.close()
    verdict = Verdict("r1", "e", Outcome.INCONCLUSIVE, "Nothing ran.", ())
    read = Reader(report(tmp_path / "r", verdict, tmp_path / "report.html"))
    assert "the record breaks off" in read.words
    assert "claims nothing" in read.words


def test_a_page_for_which_there_is_no_room_is_no_crash() -> None:
    with pytest.raises(HarnessError, match="/dev/full: can't be written: No space left"):
        put(Path("/dev/full"), "<p>")


def test_what_was_left_behind_stands_at_the_top(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "r")
    writer.event(0, "run.started", run="r1", experiment="e", wall_ns=1, seed=1, version="0")
    writer.event(1, "effect.undo_failed", number=3, error="refused", remedy="delete the toxic")
    writer.seal()
    text = report(tmp_path / "r", judged.verdict(claims=(), measures={}), tmp_path / "r.html")
    words = Reader(text).words
    assert words.index("delete the toxic") < words.index("What was done")


def test_a_project_s_own_template_takes_the_place_of_ours(
    slow_speech: Path, tmp_path: Path
) -> None:
    (tmp_path / "verdict.html").write_text("<h1>{{ verdict.sentence }} at ACME</h1>")
    html = report(slow_speech, judged.verdict(), tmp_path / "r.html", templates=tmp_path)
    assert "at ACME</h1>" in html


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\n{% if %}", 2),
        ("{{ verdict.nothing }}", 1),
        ("\n\n{{ nothing }}", 3),
        ("{{ 1 // 0 }}", 1),
        ("\n{{ verdict.claims + 1 }}", 2),
        ("\n{% include 'nothing.html' %}", 2),
    ],
)
def test_a_broken_template_is_named(
    slow_speech: Path, tmp_path: Path, text: str, line: int
) -> None:
    (tmp_path / "verdict.html").write_text(text)
    with pytest.raises(InvalidInput) as caught:
        report(slow_speech, judged.verdict(), tmp_path / "r.html", templates=tmp_path)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == (str(tmp_path / "verdict.html"), line)
