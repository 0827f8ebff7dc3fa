"""The page in a real browser, with a recording for its microphone, through to the verdict."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

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


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """One whose microphone hears six seconds of the sample, three of silence, and so on."""
    samples, rate = soundfile.read(SAMPLE, dtype="int16")
    spoken = np.concatenate([samples[: 6 * rate], np.zeros(3 * rate, np.int16)])
    soundfile.write(tmp_path / "voice.wav", spoken, rate)
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
        yield browser
        browser.close()


def test_a_voice_is_heard_and_judged(start: Start, browser: Any) -> None:
    address, _ = start()
    foreign: list[str] = []
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
    assert problems == []
    assert [url for url in foreign if not url.startswith(("data:", "blob:"))] == []


PROTOCOL = Path(__file__).parents[2] / "docs" / "protocol.md"
OWN_PAGE = """<!doctype html><title>own</title><link rel="icon" href="data:,">
<button id="stop">stop</button><script type="module">PROGRAM</script>"""


def test_the_documented_program_works_in_a_page_of_ones_own(
    start: Start, browser: Any, tmp_path: Path
) -> None:
    (program,) = re.findall(r"^```js\n(.*?)^```$", PROTOCOL.read_text(), re.DOTALL | re.MULTILINE)
    for name in ("client.js", "capture.js"):
        shutil.copy(Path(edgeser.__file__).parent / "serve" / "page" / name, tmp_path)
    serve_folder = partial(QuietHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve_folder) as own:
        origin = f"http://127.0.0.1:{own.server_port}"
        address, _ = start("--origin", origin)
        program = program.replace("wss://kiosk.example:8765", f"ws://{address}")
        (tmp_path / "index.html").write_text(OWN_PAGE.replace("PROGRAM", program))
        Thread(target=own.serve_forever, daemon=True).start()
        page = browser.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text.split()[0]))
        page.goto(origin)
        with page.expect_console_message(lambda m: "speech_started" in m.text, timeout=20_000):
            pass
        assert said[:2] == ["ready", "speech_started"]
        page.click("#stop")
        own.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass
