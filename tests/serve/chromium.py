"""A real browser whose microphone plays a recording, and its faults."""

from __future__ import annotations

from typing import Any

import pytest

from bench.browser import CHROMIUM

SIZES = {"hung": (1080, 1920), "wide": (1920, 1080), "hand": (390, 844), "tablet": (768, 1024)}
marks = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here"),
    pytest.mark.filterwarnings("ignore"),  # of the browser's driver
]

# What a test does to the microphone and the clock; `lab.refuse` is why it cannot be opened.
LABORATORY = """
window.lab = {
  refuse: null, tracks: [], contexts: [], sockets: [], skipped: 0,
  plugged() { navigator.mediaDevices.dispatchEvent(new Event('devicechange')); },
  unplug() { lab.tracks.at(-1).stop(); lab.tell('ended'); },
  mute(muted) {
    Object.defineProperty(lab.tracks.at(-1), 'muted', {value: muted, configurable: true});
    lab.tell(muted ? 'mute' : 'unmute');
  },
  tell(name) { lab.tracks.at(-1).dispatchEvent(new Event(name)); },
};
const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wishes) => {
  if (lab.refuse) throw new DOMException('', lab.refuse);
  const media = await real(wishes);
  lab.tracks.push(...media.getTracks());
  return media;
};
window.AudioContext = class extends AudioContext {
  constructor(...all) { super(...all); lab.contexts.push(this); }
};
window.WebSocket = class extends WebSocket {
  constructor(...all) { super(...all); lab.sockets.push(this); }
};
const now = Date.now.bind(Date);
Date.now = () => now() + lab.skipped;
"""


def opened(browser: Any, address: str, *, allowed: bool = True, **options: Any) -> Any:
    """The kiosk's page on its start screen, in an isolated window."""
    options.setdefault("locale", "en")
    options.setdefault("viewport", {"width": 1080, "height": 1920})
    context = browser.new_context(permissions=["microphone"] if allowed else [], **options)
    context.set_default_timeout(15_000)
    context.add_init_script(LABORATORY)
    page = context.new_page()
    page.goto(f"http://{address}/")
    page.wait_for_selector("body[data-screen=start]")
    return page


def begun(page: Any) -> Any:
    """The same after consent, while it listens."""
    page.click("#begin")
    return becomes(page, "listening", "hearing")


def becomes(page: Any, *states: str) -> Any:
    """Wait until it is in one of these."""
    page.wait_for_selector(",".join(f"body[data-state={state}]" for state in states))
    return page


def until(page: Any, condition: str, seconds: float = 15) -> None:
    """Wait until JavaScript is true; Playwright's own way needs what the page's policy forbids."""
    for _ in range(round(seconds / 0.05)):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never: {condition}")


def heard(page: Any, utterances: int = 1) -> Any:
    """Wait until so many are in the list."""
    page.wait_for_selector(f"#utterances li:nth-child({utterances})", timeout=40_000)
    return page


def words(page: Any) -> str:
    """The visible text."""
    text: str = page.inner_text("body")
    return text
