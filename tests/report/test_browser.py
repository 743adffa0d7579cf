"""The page in a real browser: on screens, on phones, on paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.report.judged import HOSTILE


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


@pytest.mark.parametrize("width", [930, 1100, 1400])
def test_no_header_breaks_inside_a_word(page_of_a_run: Path, browser: Browser, width: int) -> None:
    tab = browser.new_page(viewport={"width": width, "height": 800})
    tab.goto(page_of_a_run.as_uri())
    lines = tab.evaluate(LINES)
    assert lines
    assert {text: n for text, n in lines if n > len(text.split())} == {}
    tab.close()


LINES = """() => [...document.querySelectorAll('thead th')].map(e => {
  const range = document.createRange(); range.selectNodeContents(e);
  return [e.textContent.trim(), new Set([...range.getClientRects()].map(r => r.top)).size] })"""

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
