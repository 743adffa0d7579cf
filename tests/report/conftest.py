from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from sloproof.record.reader import Record
from sloproof.report.page import write_report
from tests.report import judged, sample

CHROMIUM = Path("/usr/bin/chromium")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a text with the file of that name beside the tests."""

    def compare(name: str, text: str) -> None:
        path = Path(__file__).parent / "golden" / name
        if request.config.getoption("--update-golden", default=False):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), f"see --update-golden for {name}"

    return compare


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for one module's tests: while it is there its event loop holds this thread, and
    whoever else calls `asyncio.run` is refused.
    """
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM} (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield running
        running.close()


@pytest.fixture(scope="session")
def slow_speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the full sample record."""
    folder = tmp_path_factory.mktemp("records") / "slow-speech"
    sample.record(folder)
    return folder


@pytest.fixture(scope="session")
def page_of_a_run(slow_speech: Path) -> Path:
    """The page of the full sample record, as people see it."""
    page = slow_speech.parent / "report.html"
    write_report(Record(slow_speech), judged.verdict(), page)
    return page


@pytest.fixture(scope="session")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    names = (judged.HOSTILE, "\x07\u202e]]>&quot;\"'")
    sample.record(folder / "r", name=judged.HOSTILE, fault=judged.HOSTILE, probes=names)
    write_report(Record(folder / "r"), judged.hostile_verdict(), folder / "report.html")
    return folder / "report.html"
