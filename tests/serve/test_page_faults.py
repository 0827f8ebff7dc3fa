"""The page names every failure in plain words and recovers by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.serve.chromium import becomes, begun, heard, marks, opened, until, words
from tests.serve.conftest import Start, end, launch, wait_for

pytestmark = marks
INTERRUPT = """const context = lab.contexts.at(-1); context.state0 = 'interrupted';
Object.defineProperty(context, 'state', {get() { return this.state0; }, configurable: true});
context.resume = async () => {}; context.dispatchEvent(new Event('statechange'))"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    pytest.importorskip("starlette")
    pytest.importorskip("websockets")
    address, process = launch()
    wait_for(address, process)
    yield address
    end(process)


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """Listening."""
    page = begun(opened(browser, address))
    yield page
    page.context.close()


def test_a_microphone_that_is_unplugged_and_comes_back(page: Any) -> None:
    page.evaluate("lab.refuse = 'NotFoundError'; lab.unplug()")
    becomes(page, "unplugged")
    assert "The microphone is gone" in words(page)
    assert "Plug it in again" in words(page)
    assert page.locator("#meter").get_attribute("aria-valuenow") == "-60"
    page.wait_for_timeout(1000)
    assert page.inner_text("#what") == "The microphone is gone"  # though it was tried again
    page.evaluate("lab.refuse = null; lab.plugged()")
    becomes(page, "listening", "hearing")
    heard(page)


@pytest.mark.parametrize(
    ("name", "state", "said"),
    [
        ("NotFoundError", "absent", "There is no microphone"),
        ("NotReadableError", "busy", "The microphone is taken"),
    ],
)
def test_a_microphone_that_cannot_be_opened_yet(
    name: str, state: str, said: str, browser: Any, address: str
) -> None:
    page = opened(browser, address)
    page.evaluate(f"lab.refuse = '{name}'")
    page.click("#begin")
    becomes(page, state)
    assert said in words(page)
    page.evaluate("lab.refuse = null")  # no event says so: it tries by itself
    becomes(page, "listening", "hearing")
    page.context.close()


def test_a_microphone_that_is_not_allowed_and_then_is(browser: Any, address: str) -> None:
    page = opened(browser, address, allowed=False)
    page.click("#begin")
    becomes(page, "denied")
    assert "Allow it in the browser" in words(page)
    page.context.grant_permissions(["microphone"])
    becomes(page, "listening", "hearing")
    page.context.close()


def test_a_microphone_that_is_switched_off_and_on(page: Any) -> None:
    page.evaluate("lab.mute(true)")
    becomes(page, "muted")
    assert "The microphone is switched off" in words(page)
    page.evaluate("lab.mute(false)")
    becomes(page, "listening", "hearing")


def test_sound_that_is_suspended_is_resumed_in_the_same_stream(page: Any) -> None:
    page.evaluate(  # it is resumed before the page says so, however busy the machine is
        """() => { const later = setTimeout;
        window.setTimeout = (what, wait) => later(what, 40 * wait); }"""
    )
    page.evaluate("lab.contexts.at(-1).suspend()")
    until(page, "lab.contexts.at(-1).state === 'running'")
    heard(page)
    assert page.evaluate("lab.sockets.length") == 1


def test_sound_that_is_interrupted_asks_for_a_touch(page: Any) -> None:
    page.evaluate(INTERRUPT)
    becomes(page, "suspended")
    assert "Touch the screen to go on" in words(page)
    page.evaluate(
        """lab.contexts.at(-1).resume = async function () {
        this.state0 = 'running'; this.dispatchEvent(new Event('statechange')); }"""
    )
    page.mouse.click(500, 500)
    becomes(page, "listening", "hearing")
    heard(page)


def test_a_computer_that_slept_hears_again(page: Any) -> None:
    page.evaluate("lab.contexts.at(-1).close()")
    becomes(page, "suspended")
    page.evaluate("lab.skipped = 30_000")  # less than a visitor is remembered
    until(page, "lab.tracks.length === 2 && lab.sockets.length === 2")
    becomes(page, "listening", "hearing")
    heard(page)


def test_a_microphone_that_opens_slowly_is_waited_for_after_a_sleep(page: Any) -> None:
    page.evaluate(
        """() => { const { mediaDevices } = navigator;
        const quick = mediaDevices.getUserMedia;
        mediaDevices.getUserMedia = async (wishes) => {
          await new Promise((next) => setTimeout(next, 3_000)); return quick(wishes); }; }"""
    )
    page.evaluate("lab.contexts.at(-1).close()")
    becomes(page, "suspended")
    page.evaluate("lab.skipped = 30_000")
    becomes(page, "listening", "hearing")


def test_a_stream_that_ends_late_adds_only_its_verdict_to_the_next(page: Any) -> None:
    page.evaluate(
        """async () => { const { Ears } = await import('./client.js'); lab.events = [];
        const ears = new Ears((event) => lab.events.push(event));
        ears.connection.open(48_000); lab.first = lab.sockets.at(-1);
        while (!lab.events.length) await new Promise((next) => setTimeout(next, 20));
        ears.connection.close(); ears.connection.open(48_000);
        for (const type of ['frame', 'utterance', 'speech_started'])
          lab.first.onmessage({data: JSON.stringify({type})}); ears.stop(); }"""
    )
    assert page.evaluate("lab.events.map(({ type }) => type)") == ["ready", "utterance"]


def test_a_page_that_may_have_no_microphone_says_so(browser: Any, address: str) -> None:
    context = browser.new_context(locale="en")
    context.add_init_script("Object.defineProperty(navigator, 'mediaDevices', {value: undefined})")
    page = context.new_page()
    page.goto(f"http://{address}/")
    page.wait_for_selector("body[data-ready=insecure]")
    assert "over https or on this computer only" in words(page)
    page.click("#begin")
    becomes(page, "insecure")
    context.close()


def level(page: Any) -> int:
    """What the meter shows, in dBFS."""
    return int(page.locator("#meter").get_attribute("aria-valuenow"))


def test_the_meter_rests_when_the_server_dies_within_a_word(start: Start, browser: Any) -> None:
    address, process = start()
    page = begun(opened(browser, address))
    until(page, "document.getElementById('meter').ariaValueNow > -40")
    process.kill()  # so that no quiet frame comes after this one
    becomes(page, "offline")
    assert level(page) == -60
    page.context.close()


def test_the_meter_rests_when_the_microphone_stops_within_a_word(page: Any) -> None:
    page.evaluate("lab.contexts.at(-1).resume = async () => {}")
    until(page, "document.getElementById('meter').ariaValueNow > -40")
    page.evaluate("lab.contexts.at(-1).suspend()")
    becomes(page, "suspended")
    assert level(page) == -60
    until(page, "lab.sockets[0].readyState === WebSocket.CLOSED")  # the last frames have come, too
    assert level(page) == -60


def test_a_server_that_goes_and_comes_back(start: Start, browser: Any) -> None:
    address, process = start()
    page = heard(begun(opened(browser, address)))
    end(process)  # it still judges what was said last
    becomes(page, "offline")
    assert page.inner_text("#state") == "The connection is away, and comes back by itself."
    newest = page.locator("#utterances li .what").first.inner_text()
    assert page.inner_text("#what") == newest  # said quietly
    _, process = start(port=int(address.rpartition(":")[2]))
    becomes(page, "listening", "hearing")
    heard(page, 1 + page.locator("#utterances li").count())
    # Nobody there: neither is the server now, and the page that the browser kept says so.
    page.click("#done")
    end(process)
    page.reload()
    page.wait_for_selector("body[data-ready=offline]", timeout=15_000)
    assert "Not connected" in words(page)
    page.click("#begin")
    becomes(page, "offline")
    assert page.inner_text("#what") == "Not connected"
    assert "http" not in words(page)
    start(port=int(address.rpartition(":")[2]))
    becomes(page, "listening", "hearing")
    page.context.close()


@pytest.mark.parametrize("set_back", [0, 3_600_000])
def test_a_server_that_says_nothing_is_left_for_another_connection(
    page: Any, set_back: int
) -> None:
    page.evaluate(f"lab.sockets.at(-1).onmessage = null; lab.skipped = -{set_back}")
    page.wait_for_timeout(1_500)  # in which the page looks at its clock
    page.evaluate("lab.skipped += 12_000")
    until(page, "lab.sockets.length === 2")
    becomes(page, "listening", "hearing")


def test_a_server_that_does_not_take_the_page(start: Start, browser: Any) -> None:
    address, _ = start("--token", "secret", "--connections", "1")
    page = opened(browser, address)
    page.click("#begin")
    becomes(page, "refused")
    assert "may lack the right token" in words(page)
    page.goto(f"http://{address}/?token=secret")
    begun(page)
    other = page.context.new_page()
    other.goto(f"http://{address}/?token=secret")
    other.click("#begin")
    becomes(other, "full")
    assert "All places are taken" in words(other)
    page.click("#done")
    becomes(other, "listening", "hearing")
    page.context.close()


def test_a_page_whose_server_became_another_reads_itself_anew(start: Start, browser: Any) -> None:
    address, process = start("--title", "Before")
    page = begun(opened(browser, address))  # at the start it would be read anew at any moment
    end(process)
    becomes(page, "offline")
    start("--title", "After", port=int(address.rpartition(":")[2]))
    becomes(page, "listening", "hearing")
    assert page.inner_text("#title") == "Before"  # not while somebody is there
    page.click("#done")
    page.wait_for_selector("#title:text('After')")
    page.context.close()


def test_a_page_that_is_answered_too_late_still_begins(browser: Any, address: str) -> None:
    """The server was busy or gone while the page read its configuration."""
    context = browser.new_context(locale="en")
    page = context.new_page()
    refused = {"config.json": [429, None], "de.json": [None]}

    def answer(route: Any) -> None:
        statuses = refused.get(route.request.url.rpartition("/")[2])
        if not statuses:
            route.continue_()
        elif (status := statuses.pop()) is None:
            route.abort()
        else:
            route.fulfill(status=status, body="too many requests")

    page.route("**/*.json", answer)
    page.goto(f"http://{address}/")
    page.wait_for_selector("body[data-screen=start]", timeout=20_000)
    assert "This kiosk listens" in words(page)
    assert not any(refused.values())
    context.close()
