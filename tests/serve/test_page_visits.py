"""Visitors of a kiosk page: consent, change of visitor, languages, screen sizes."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import edgeser
from tests.serve.chromium import (
    SIZES,
    becomes,
    begun,
    heard,
    marks,
    opened,
    until,
    words,
)
from tests.serve.conftest import end, launch, wait_for

pytestmark = marks
LANGUAGES = Path(edgeser.__file__).parent / "serve" / "page" / "languages"
LEAST = 88  # CSS pixels, for a finger on a screen that hangs
AXE = "axe-core@4.10.3"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("starlette")
    pytest.importorskip("websockets")
    folder = tmp_path_factory.mktemp("languages")
    english = json.loads((LANGUAGES / "en.json").read_text(encoding="utf-8"))
    backwards = {**english, "name": "עברית", "direction": "rtl", "begin": "התחלה"}
    (folder / "he.json").write_text(json.dumps(backwards), encoding="utf-8")
    address, process = launch("--languages", str(folder), "--contact", "Hall 3, desk 1")
    wait_for(address, process)
    yield address
    end(process)


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """On its start screen."""
    page = opened(browser, address)
    yield page
    page.context.close()


def is_the_start(page: Any) -> bool:
    """No data of a visit is left in it."""
    page.wait_for_selector("body[data-screen=start]")
    left = page.evaluate(
        """['before', 'what', 'after', 'state', 'spoken', 'utterances'].map(
        (id) => document.getElementById(id).textContent).join('')
        + (document.body.dataset.state ?? '')"""
    )
    band = page.evaluate(
        """() => { document.getElementById('visit').hidden = false;
        const c = document.getElementById('timeline');
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        document.getElementById('visit').hidden = true;
        return d.some((v, i) => i % 4 === 0 && d[i + 3] > 200 &&
          Math.max(d[i], d[i + 1], d[i + 2]) - Math.min(d[i], d[i + 1], d[i + 2]) > 40); }"""
    )
    return left == "" and not band


def test_nothing_is_heard_before_the_yes_and_nothing_stays_after_the_visit(page: Any) -> None:
    assert page.evaluate("lab.tracks.length + lab.sockets.length") == 0
    assert "Responsible: Hall 3, desk 1" in words(page)
    heard(begun(page))
    page.dblclick("#done")  # of which the second is no yes
    assert is_the_start(page)
    assert page.evaluate("lab.tracks.every((track) => track.readyState === 'ended')")
    until(page, "lab.sockets[0].readyState === WebSocket.CLOSED")
    page.wait_for_timeout(800)
    assert is_the_start(page)  # also when the server has judged what was said last
    page.mouse.click(540, 300)  # a touch anywhere
    becomes(page, "listening", "hearing")
    assert page.locator("#utterances li").count() == 0
    assert page.evaluate("lab.sockets.length") == 2  # a stream of its own


def test_who_goes_without_a_word_is_forgotten(page: Any) -> None:
    heard(begun(page))
    page.evaluate("lab.refuse = 'NotReadableError'; lab.unplug()")  # or it would go on talking
    until(page, "lab.sockets[0].readyState === WebSocket.CLOSED")  # what was said last is judged
    page.evaluate("lab.skipped = 55_000")
    page.wait_for_selector("#state:text('All this is cleared in')")
    page.mouse.click(540, 900)  # still there
    page.wait_for_selector("#state:not(:text('cleared'))")
    page.evaluate("lab.skipped += 61_000")
    assert is_the_start(page)


def test_a_room_that_is_never_quiet_does_not_keep_a_visitor(page: Any) -> None:
    after = page.evaluate(
        """async () => { const { Idle } = await import('./idle.js'); let gone = null;
        const idle = new Idle(60, { warn() {}, gone() { gone ??= lab.skipped; } });
        while (gone === null && lab.skipped < 1e6) { lab.skipped += 40_000; idle.active();
          await new Promise((next) => setTimeout(next, 300)); }
        idle.stop(); return gone; }"""
    )
    assert after == 600_000


def test_a_clock_that_is_set_back_keeps_no_visitor(page: Any) -> None:
    left = page.evaluate(
        """async () => { const { Idle } = await import('./idle.js'); let gone = false, left = null;
        const idle = new Idle(60, { warn(now) { left = now; }, gone() { gone = true; } });
        const later = () => new Promise((next) => setTimeout(next, 600));
        lab.skipped += 52_000; await later();
        lab.skipped -= 86_400_000; await later();
        const told = left;
        lab.skipped += 9_000; await later();
        idle.stop(); return gone ? told : null; }"""
    )
    assert left is not None
    assert 0 < left <= 8


def test_visits_leave_nothing_in_memory(page: Any) -> None:
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")

    def listeners() -> float:
        page.evaluate("lab.tracks = []; lab.contexts = []; lab.sockets = []")
        devtools.send("HeapProfiler.collectGarbage")
        metrics = devtools.send("Performance.getMetrics")["metrics"]
        return {metric["name"]: metric["value"] for metric in metrics}["JSEventListeners"]

    held = []
    for _ in range(4):
        page.locator("#begin").click()
        page.locator("body[data-state=listening], body[data-state=hearing]").wait_for()
        page.locator("#done").click()
        page.wait_for_timeout(1000)
        held.append(listeners())
    assert held[-1] <= held[0] + 3  # each visit that stayed would add three at least


def test_after_many_visits_the_page_is_read_anew(page: Any) -> None:
    """Browsers keep some memory for every past microphone, audio context and worklet."""
    page.evaluate("window.old = true")

    def visit() -> None:
        page.evaluate("document.getElementById('begin').click()")
        page.evaluate("document.getElementById('done').click()")
        page.wait_for_timeout(750)  # sooner it is the second of two touches

    for _ in range(39):
        visit()
    assert page.evaluate("window.old")
    with page.expect_event("load", timeout=30_000):
        visit()
    page.wait_for_selector("body[data-screen=start]")
    assert page.evaluate("window.old === undefined")
    begun(page)


def test_a_key_is_a_yes_and_others_are_not(page: Any) -> None:
    for key in ("Tab", "Escape", "Shift", "F2", "Control+c"):
        page.keyboard.press(key)
    assert page.evaluate("document.body.dataset.screen") == "start"
    page.keyboard.press("x")
    becomes(page, "listening", "hearing")
    page.keyboard.press("Escape")
    assert is_the_start(page)


def test_a_language_is_the_visitors_and_goes_with_them(page: Any) -> None:
    page.click("#languages [lang=de]")
    assert "wie Sie klingen" in words(page)
    assert page.get_attribute("html", "lang") == "de"
    page.click("#begin")
    becomes(page, "listening", "hearing")
    assert page.locator("#legend li").nth(2).inner_text() == "traurig"
    page.click("#done")
    assert "how you sound" in words(page)


def test_the_browsers_language_is_the_first(browser: Any, address: str) -> None:
    page = opened(browser, address, locale="fr-CA")
    assert "Touchez pour commencer" in words(page)
    page.context.close()


def overflowing(page: Any) -> list[str]:
    """Texts that overflow their element, and elements outside the screen."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll(
        'p, h1, h2, button, b, small, header, #utterances span, #legend li')]
        .filter((e) => e.offsetParent && e.textContent.trim() && e.id !== 'spoken')
        .filter((e) => { const box = e.getBoundingClientRect(); return e.scrollWidth > e.clientWidth
          + 1 && getComputedStyle(e).display !== 'inline' || box.left < -1
          || box.right > innerWidth + 1; }).map((e) => e.id + ': ' + e.textContent)"""
    )
    return found


def small(page: Any) -> list[str]:
    """Touch targets that are too small."""
    found: list[str] = page.evaluate(
        f"""() => [...document.querySelectorAll('button')].filter((e) => e.offsetParent)
        .filter((e) => e.offsetWidth < {LEAST} || e.offsetHeight < {LEAST}).map((e) => e.id)"""
    )
    return found


def clipped(page: Any) -> list[Any]:
    """Elements whose text overflows, and by how many pixels."""
    found: list[Any] = page.evaluate(
        """() => ['stage', 'hearing', 'state', 'legend', 'bands'].map((id) => { const e
        = document.getElementById(id); return [id, innerWidth, e.scrollHeight - e.clientHeight,
        e.textContent]; }).filter((e) => e[2] > 1)"""
    )
    return found


VISIT = (
    *("done", "now", "stage", "state", "meter", "bands", "timeline", "legend", "heard"),
    *("utterances", "guess"),
)


def places(page: Any, *parts: str) -> Any:
    """Positions of these elements, or of all elements of a visit."""
    return page.evaluate(
        """(parts) => parts.map((id) => { const b = document.getElementById(id)
        .getBoundingClientRect(); return [id, b.x, b.y, b.width, b.height]; })""",
        parts or VISIT,
    )


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_the_list_shows_whole_words_in_any_window(
    language: str, browser: Any, address: str
) -> None:
    page = opened(browser, address, locale=language)
    begun(page)
    page.evaluate(
        """async () => { const { Words } = await import('./words.js');
        const { Utterances } = await import('./utterances.js');
        const words = await Words.load(await (await fetch('config.json')).json());
        lab.sockets.at(-1).onmessage = lab.sockets.at(-1).onclose = null; // no list but ours
        for (let timer = setTimeout(() => {}); timer > 0; timer -= 1) clearTimeout(timer);
        const list = new Utterances(document.getElementById('utterances'), words);
        for (const label of ['anger', 'happiness', null]) list.add({label, confidence: 1,
          probabilities: {anger: 1, happiness: 0}, start: 0, end: 29.8}); }"""
    )
    for width, height in ((800, 600), (1000, 760), (1024, 768), (1280, 800), (1366, 768)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.locator("#utterances .what").count() == 3
        assert [found for found in overflowing(page) if found.startswith(": ")] == []
        # Shares and seconds are columns: each ends where that of the row above does.
        for name in ("sure", "long"):
            ends = page.evaluate(
                "(name) => [...document.querySelectorAll(`#utterances .${name}`)]"
                ".map((e) => e.getBoundingClientRect().right)",
                name,
            )
            assert max(ends) - min(ends) < 0.5
    page.context.close()


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "ja", "he"])
def test_it_fits_and_nothing_moves_in_any_language(
    language: str, browser: Any, address: str
) -> None:
    page = opened(browser, address, locale=language)
    said = json.loads(
        page.evaluate(
            "fetch(`languages/${document.documentElement.lang}.json`).then((a) => a.text())"
        )
    )
    for width, height in SIZES.values():
        page.set_viewport_size({"width": width, "height": height})
        before = places(page, "sign", "contact", "begin", "languages")
        for what in said["faults"].values():
            note = f"{what['what']} \u2013 {what['do']}"
            page.evaluate("(text) => { document.getElementById('note').textContent = text; }", note)
            assert places(page, "sign", "contact", "begin", "languages") == before
            assert (overflowing(page), small(page)) == ([], [])
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    if language == "he":
        assert page.evaluate("document.dir") == "rtl"
        logo, title = page.locator("#logo").bounding_box(), page.locator("#title").bounding_box()
        assert logo["x"] > title["x"]
    begun(page)
    faults = json.loads((LANGUAGES / "en.json").read_text(encoding="utf-8"))["faults"]
    page.evaluate(
        """async () => { const { Words } = await import('./words.js');
        const { Stage } = await import('./stage.js');
        const config = await (await fetch('config.json')).json();
        lab.sockets.at(-1).onmessage = lab.sockets.at(-1).onclose = null; // no stage but ours
        for (let timer = setTimeout(() => {}); timer > 0; timer -= 1) clearTimeout(timer);
        const { Utterances } = await import('./utterances.js');
        const words = await Words.load(config);
        new Utterances(document.getElementById('utterances'), words).add({label: 'anger',
          confidence: 1, probabilities: {anger: 1}, start: 0, end: 29.8});
        lab.stage = new Stage(words, config.labels); }"""
    )
    for width, height in SIZES.values():
        page.set_viewport_size({"width": width, "height": height})
        before = places(page)
        assert page.evaluate("document.getElementById('timeline').clientHeight") >= 36
        for fault in faults:
            page.evaluate(
                """(fault) => { const own = ['offline', 'full', 'refused', 'connecting'];
                lab.stage.become(own.includes(fault) ? 'live' : fault, fault); }""",
                fault,
            )
            assert page.evaluate("document.body.dataset.state") == fault
            assert places(page) == before
            assert (overflowing(page), small(page), clipped(page)) == ([], [], [])
        page.evaluate(
            """lab.stage.become('live', 'live'); lab.stage.warn(10); lab.stage.verdict({
            label: null, confidence: 0.43, probabilities: {happiness: 0.43, neutral: 0.3}})"""
        )
        assert places(page) == before
        assert (overflowing(page), small(page), clipped(page)) == ([], [], [])
    page.context.close()


def test_only_verdicts_are_spoken(page: Any) -> None:
    begun(page)
    spoken = page.evaluate(
        """[...document.querySelectorAll('[aria-live], [role=alert], [role=status], [role=log]')]
        .map((e) => e.id)"""
    )
    assert spoken == ["spoken"]
    assert page.text_content("#spoken") == ""
    heard(page)
    assert page.text_content("#spoken").startswith("That sounded ")
    page.evaluate("lab.refuse = 'NotFoundError'; lab.unplug()")
    becomes(page, "unplugged")
    until(page, "lab.sockets[0].readyState === WebSocket.CLOSED")  # what was said last is judged
    said = page.text_content("#spoken")
    assert said.startswith("That sounded ")
    page.evaluate("lab.refuse = 'NotReadableError'; lab.plugged()")
    becomes(page, "busy")
    assert page.text_content("#spoken") == said


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core's program, as npm has it."""
    if shutil.which("npm") is None:
        pytest.skip("axe-core comes by npm, which is not here")
    folder = tmp_path_factory.mktemp("axe")
    packed = subprocess.run(
        ["npm", "pack", "--silent", AXE],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if packed.returncode:
        pytest.skip(f"npm cannot fetch {AXE}: {packed.stderr[-200:]}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        program = archive.extractfile("package/axe.min.js")
        assert program is not None
        return program.read().decode()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(scheme: str, browser: Any, address: str, axe: str) -> None:
    page = opened(browser, address, color_scheme=scheme)
    found = {}

    def look(state: str) -> None:
        page.evaluate(axe + "; undefined")
        result = page.evaluate("axe.run({resultTypes: ['violations']})")
        found[state] = [(v["id"], [n["html"] for n in v["nodes"]]) for v in result["violations"]]

    look("start")
    begun(page)
    look("listening")
    heard(page)
    look("verdict")
    page.evaluate("lab.refuse = 'NotFoundError'; lab.unplug()")
    becomes(page, "unplugged")
    look("unplugged")
    assert found == {"start": [], "listening": [], "verdict": [], "unplugged": []}
    page.context.close()
