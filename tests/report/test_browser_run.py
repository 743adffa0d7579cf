"""From a hostile experiment and target through a real run to its page: names stay text."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.secrecy.shop import Project, open_shop

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run whose service, hypothesis, label and error are all of them attacks."""
    with open_shop() as shop:
        project = Project.at(tmp_path_factory.mktemp("hostile"), shop)
        project.change(
            "experiments/targets/shop.yaml",
            {"services: {web:": f"services: {{'{EVIL}': {{instances: [{{name: evil-1}}]}}, web:"},
        )
        project.change(
            "experiments/locked.yaml",
            {
                "Nobody learns the token.": f"'{EVIL}'",
                "{name: locked}": f"{{name: locked, annotations: {{change: '{EVIL}'}}}}",
                "verify: [": f"verify: [{{circuit_breaker: {{from: '{EVIL}', to: web}}}}, ",
            },
        )
        words = ("run", "experiments", "--runs", "../runs", "--allow-inconclusive")
        status, said = project.run(*words)
        assert status in (0, 1, 3), said
        return project.record / "report.html"


def test_a_hostile_run_shows_its_names_and_runs_no_script(page: Path, browser: Browser) -> None:
    tab = browser.new_page()
    murmurs: list[str] = []
    tab.on("console", lambda message: murmurs.append(message.text))
    tab.on("pageerror", lambda error: murmurs.append(str(error)))
    tab.on("dialog", lambda dialog: murmurs.append(dialog.message))
    tab.on("requestfailed", lambda request: murmurs.append(request.url))
    tab.goto(page.as_uri())
    assert murmurs == []
    assert tab.locator("script").count() == 0
    assert tab.locator("img").count() == 0
    assert EVIL in tab.locator("body").inner_text()
    tab.close()
