"""The page in a real browser, with a recording for its microphone, through to the verdict."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

import edgeser
from tests.serve.conftest import Start

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SAMPLE = Path(edgeser.__file__).parent / "samples" / "voices.ogg"
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here"),
    pytest.mark.filterwarnings("ignore"),  # of the browser's driver
]


def test_a_voice_is_heard_and_judged(start: Start, tmp_path: Path) -> None:
    samples, rate = soundfile.read(SAMPLE, dtype="int16")
    spoken = np.concatenate([samples[: 6 * rate], np.zeros(3 * rate, np.int16)])  # then a pause
    soundfile.write(tmp_path / "voice.wav", spoken, rate)
    address, _ = start()
    foreign: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
                "--use-fake-device-for-media-capture",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                f"--use-file-for-fake-audio-capture={tmp_path / 'voice.wav'}",
            ],
        )
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        page.on("request", lambda r: foreign.append(r.url) if address not in r.url else None)
        page.goto(f"http://{address}/")
        assert page.locator("#label").inner_text() == "Press the button and speak"
        page.keyboard.press("Tab")  # the button is the first thing that a keyboard reaches
        page.keyboard.press("Enter")
        page.wait_for_selector("#legend li:nth-child(4)")
        assert page.locator("#microphone").get_attribute("aria-pressed") == "true"
        page.wait_for_selector("#utterances li", timeout=40_000)
        known = {*edgeser.load().labels, ""}
        assert page.locator("#utterances li").first.get_attribute("data-label") in known
        assert "ms" in page.locator("#latency").inner_text()
        drawn = page.evaluate(
            """() => { const c = document.getElementById('timeline');
            const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            return d.some((v, i) => i % 4 < 3 && v > 0); }"""
        )
        assert drawn
        page.keyboard.press("Enter")  # stops
        page.wait_for_selector("#microphone[aria-pressed=false]")
        browser.close()
    assert problems == []
    assert [url for url in foreign if not url.startswith(("data:", "blob:"))] == []
