"""The documentation at phone width in a real browser: wide content scrolls."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

STYLE = Path(__file__).parents[2] / "docs" / "_static" / "site.css"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PHONE = 390
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here"),
    pytest.mark.filterwarnings("ignore"),  # of the browser's driver
]

# As the theme writes them.
PAGE = """<!doctype html><meta name="viewport" content="width=device-width">
<style>:root {{ --color-background-primary: #fff; }} body {{ margin: 16px; font: 16px sans-serif; }}
.table-wrapper {{ overflow-x: auto; }} table {{ border-collapse: collapse; }}
td {{ padding: 4px 8px; }} {style}</style>
<div class="table-wrapper"><table><thead><tr><th>figure<th>measured<th>wanted<th><th></tr></thead>
<tbody><tr><td>tacn float32 C=64 B=1, warm, of reading its weights once<td>0.621<td>at least 0.9
<td>missed<td>4.9 µs; the matrix products alone 0.72 of the bound, 64% of the time</table></div>
<figure class="drawn"><svg width="600" height="200"></svg><img alt="" src="data:,">
<figcaption>What it shows.</figcaption></figure>"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    driver = pytest.importorskip("playwright.sync_api")
    with driver.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def opened(browser: Any, width: int) -> Any:
    page = browser.new_page(viewport={"width": width, "height": 844})
    page.set_content(PAGE.format(style=STYLE.read_text(encoding="utf-8")))
    return page


def test_a_wide_table_scrolls_in_itself_and_keeps_its_first_column(browser: Any) -> None:
    page = opened(browser, PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE
    row = page.locator("tbody tr").bounding_box()
    assert row["height"] < 130  # not a word a line
    before = page.locator("tbody td").first.bounding_box()["x"]
    page.evaluate("document.querySelector('.table-wrapper').scrollLeft = 200")
    assert page.locator("tbody td").nth(1).bounding_box()["x"] < before + 20  # it did scroll
    assert page.locator("tbody td").first.bounding_box()["x"] == before
    page.close()


def test_a_drawing_that_is_wider_than_a_phone_says_so(browser: Any) -> None:
    def said(width: int) -> str:
        page = opened(browser, width)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        text = page.evaluate(
            "getComputedStyle(document.querySelector('figcaption'), '::before').content"
        )
        page.close()
        return str(text)

    assert "sideways" in said(PHONE)
    assert said(1200) == "none"
