"""The page in a real browser whose microphone plays a recording, up to the verdict."""

from __future__ import annotations

import re
import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import edgeser
from tests.serve.chromium import becomes, heard, marks, until, words
from tests.serve.conftest import Start

pytestmark = marks
PAGE = Path(edgeser.__file__).parent / "serve" / "page"


def test_a_voice_is_heard_and_judged(start: Start, browser: Any) -> None:
    address, _ = start()
    foreign: list[str] = []
    page = browser.new_page(permissions=["microphone"], locale="en")
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on("request", lambda r: foreign.append(r.url) if address not in r.url else None)
    page.goto(f"http://{address}/")
    page.wait_for_selector("body[data-screen=start]")
    assert "This kiosk listens to how you sound." in words(page)
    assert "Your voice stays in this device" in words(page)
    page.keyboard.press("Tab")  # the button is the first thing that a keyboard reaches
    assert page.evaluate("document.activeElement.id") == "begin"
    page.keyboard.press("Enter")
    becomes(page, "listening", "hearing")
    assert page.locator("#legend li").all_inner_texts() == ["neutral", "angry", "sad", "happy"]
    becomes(page, "hearing")
    until(page, "document.getElementById('meter').ariaValueNow > -60")  # not in the silence after
    heard(page)
    known = {*edgeser.load().labels, ""}
    assert page.locator("#utterances li").first.get_attribute("data-label") in known
    assert page.inner_text("#before") == "That sounded"
    assert page.inner_text("#what") in {"neutral", "angry", "sad", "happy", "unclear"}
    assert page.inner_text("#what") in page.text_content("#spoken")
    drawn = page.evaluate(
        """() => { const c = document.getElementById('timeline');
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        return d.some((v, i) => i % 4 < 3 && v > 0); }"""
    )
    assert drawn
    assert problems == []
    assert [url for url in foreign if not url.startswith(("data:", "blob:"))] == []
    page.context.close()


def test_no_word_of_the_page_claims_to_know_what_goes_on_in_somebody() -> None:
    for file in PAGE.rglob("*.*"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(
            r"\bfeel|\bfelt\b|\bemotion|gefühl|émotion|emoción|感情|気持ち", text, re.IGNORECASE
        )


PROTOCOL = Path(__file__).parents[2] / "docs" / "protocol.md"
OWN_PAGE = """<!doctype html><title>own</title><link rel="icon" href="data:,">
<button id="stop">stop</button><script type="module">PROGRAM</script>"""


def test_the_documented_program_works_in_a_page_of_ones_own(
    start: Start, browser: Any, tmp_path: Path
) -> None:
    (program,) = re.findall(r"^```js\n(.*?)^```$", PROTOCOL.read_text(), re.DOTALL | re.MULTILINE)
    for name in ("client.js", "capture.js"):
        shutil.copy(PAGE / name, tmp_path)
    serve_folder = partial(QuietHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve_folder) as own:
        origin = f"http://127.0.0.1:{own.server_port}"
        address, _ = start("--origin", origin)
        program = program.replace("wss://kiosk.example:8765", f"ws://{address}")
        (tmp_path / "index.html").write_text(OWN_PAGE.replace("PROGRAM", program))
        Thread(target=own.serve_forever, daemon=True).start()
        page = browser.new_page(permissions=["microphone"])
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text.split()[0]))
        with page.expect_console_message(lambda m: "speech_started" in m.text, timeout=20_000):
            page.goto(origin)
        assert [word for word in said if word in {"ready", "speech_started"}] == [
            "ready",
            "speech_started",
        ]
        with page.expect_console_message(lambda m: "utterance" in m.text, timeout=20_000):
            page.click("#stop")  # what was said last is judged
        page.context.close()
        own.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass
