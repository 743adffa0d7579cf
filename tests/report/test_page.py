from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser

from sloproof.errors import InvalidInput
from sloproof.model.verdict import Claim, Finding, Outcome, Verdict
from sloproof.record.reader import Record
from sloproof.record.writer import RecordWriter
from sloproof.report import charts, page, sections, series, svg, trust
from sloproof.report.page import write_report
from sloproof.report.states import Stretch, Strip
from sloproof.report.timeline import Timeline
from tests.report import sample

HOSTILE = "<script>alert(1)</script>"


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


def hostile_verdict() -> Verdict:
    claims = tuple(replace(claim, id=f"slo:{HOSTILE}") for claim in sample.CLAIMS)
    fault = {**sample.MEASURES["faults"][0], "name": HOSTILE, "where": HOSTILE}  # type: ignore[index]
    return sample.verdict(
        experiment=HOSTILE,
        sentence=HOSTILE,
        claims=claims,
        evidence=(HOSTILE,),
        measures={**sample.MEASURES, "faults": [fault]},
    )


@pytest.fixture(scope="session")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    names = (HOSTILE, "\x07\u202e]]>&quot;\"'")
    sample.record(folder / "r", name=HOSTILE, fault=HOSTILE, probes=names)
    report(folder / "r", hostile_verdict(), folder / "report.html")
    return folder / "report.html"


def test_the_page_is_as_it_was(
    slow_speech: Path,
    tmp_path: Path,
    golden: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sections, "__version__", "0.0.0")
    text = report(slow_speech, sample.verdict(), tmp_path / "report.html")
    # The hash covers Parquet files, whose bytes differ between versions of their library.
    golden("report.html", re.sub(r"\b[0-9a-f]{64}\b", "SEAL", text))


def test_the_page_is_the_same_in_another_process(slow_speech: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.report import sample;"
        "from sloproof.record.reader import Record; from sloproof.report.page import write_report;"
        "write_report(Record(Path(sys.argv[1])), sample.verdict(), Path(sys.argv[2]))"
    )
    out = tmp_path / "other.html"
    subprocess.run(
        [sys.executable, "-c", code, slow_speech, out], check=True, cwd=page.PACKAGE.parent
    )
    assert out.read_text() == report(slow_speech, sample.verdict(), tmp_path / "report.html")


def test_importing_the_report_imports_nothing_heavy() -> None:
    heavy = {"numpy", "pandas", "pyarrow", "altair", "vl_convert", "jinja2", "pydantic", "yaml"}
    rooms = "charts figures junit markdown page panels sections series states story summary trust"
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
    verdict = sample.verdict(claims=sample.CLAIMS[1:2], evidence=("x",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "drawings", lambda _: {"wide": "", "narrow": ""})
        return page.context(Record(slow_speech), verdict)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.text(st.characters(exclude_categories=[])))
def test_no_text_escapes_from_the_page(harmless_context: dict[str, Any], text: str) -> None:
    claim = Claim(text, text, text, Finding(Outcome.PASS, text, (), (text,)))
    verdict = sample.verdict(experiment=text, sentence=text, claims=(claim,), evidence=(text,))
    template = page._environment(None).get_template("page.html")
    html = template.render(
        {
            **harmless_context,
            "verdict": verdict,
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
    verdict = sample.verdict(measures=sample.MEASURES if measured else {})
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


def test_what_was_left_behind_stands_at_the_top(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "r")
    writer.event(0, "run.started", run="r1", experiment="e", wall_ns=1, seed=1, version="0")
    writer.event(1, "effect.undo_failed", number=3, error="refused", remedy="delete the toxic")
    writer.seal()
    text = report(tmp_path / "r", sample.verdict(claims=(), measures={}), tmp_path / "r.html")
    words = Reader(text).words
    assert words.index("delete the toxic") < words.index("What was done")


def test_a_project_s_own_template_takes_the_place_of_ours(
    slow_speech: Path, tmp_path: Path
) -> None:
    (tmp_path / "verdict.html").write_text("<h1>{{ verdict.sentence }} at ACME</h1>")
    html = report(slow_speech, sample.verdict(), tmp_path / "r.html", templates=tmp_path)
    assert "at ACME</h1>" in html


@pytest.mark.parametrize(
    ("text", "line"), [("\n{% if %}", 2), ("{{ verdict.nothing }}", 0), ("{{ nothing }}", 0)]
)
def test_a_broken_template_is_named(
    slow_speech: Path, tmp_path: Path, text: str, line: int
) -> None:
    (tmp_path / "verdict.html").write_text(text)
    with pytest.raises(InvalidInput) as caught:
        report(slow_speech, sample.verdict(), tmp_path / "r.html", templates=tmp_path)
    (problem,) = caught.value.problems
    assert problem.line == line
    assert str(tmp_path) in problem.file


def test_a_browser_shows_it_without_a_murmur(hostile_page: Path, browser: Browser) -> None:
    tab = browser.new_page(viewport={"width": 1100, "height": 900})
    murmurs: list[str] = []
    tab.on("console", lambda message: murmurs.append(message.text))
    tab.on("pageerror", lambda error: murmurs.append(str(error)))
    tab.on("dialog", lambda dialog: murmurs.append(dialog.message))
    tab.on(
        "request", lambda request: murmurs.append(request.url) if "http" in request.url else None
    )
    tab.goto(hostile_page.as_uri())
    assert murmurs == []
    assert tab.locator("h1").inner_text().strip() == "FAIL"
    assert tab.locator("h1").is_visible()
    assert tab.locator(".name").inner_text() == HOSTILE
    assert tab.locator("figure .wide").get_by_text(HOSTILE).first.is_visible()
    tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 700, 800, 960, 1400])
def test_nothing_sticks_out(hostile_page: Path, browser: Browser, width: int, scheme: Any) -> None:
    tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    tab.goto(hostile_page.as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.locator("h1").is_visible()
    tab.close()


CONTRAST = """() => {
  const light = c => { const v = c.map(x => { x /= 255;
    return x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4 });
    return .2126 * v[0] + .7152 * v[1] + .0722 * v[2] };
  const parse = s => s.match(/[\\d.]+/g).map(Number);
  const behind = e => { for (; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c.slice(0, 3) } return [255, 255, 255] };
  const bad = [];
  const all = 'p,dd,dt,th,td,small,b,h1,h2,h3,.outcome,figcaption,caption,svg text';
  for (const e of document.querySelectorAll(all)) {
    const style = getComputedStyle(e);
    const paint = e.tagName === 'text' ? style.fill : style.color;
    const a = light(parse(paint).slice(0, 3)), b = light(behind(e.closest('figure') || e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) bad.push(`${e.textContent.trim().slice(0, 20)} ${paint} ${ratio.toFixed(2)}`);
  }
  return bad }"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_stands_out_from_its_ground(
    hostile_page: Path, browser: Browser, scheme: Any
) -> None:
    tab = browser.new_page(color_scheme=scheme)
    tab.goto(hostile_page.as_uri())
    assert tab.evaluate(CONTRAST) == []
    tab.close()


def test_paper_is_wide_enough(hostile_page: Path, browser: Browser) -> None:
    tab = browser.new_page(viewport={"width": 695, "height": 1000})
    tab.emulate_media(media="print", color_scheme="dark")
    tab.goto(hostile_page.as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= 695
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    tab.close()
