"""The page with a bundle of other emotions: unknown names, assigned colours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeser.palette import colours
from tests import toy
from tests.serve.chromium import becomes, begun, marks, opened
from tests.serve.conftest import Start, end

pytestmark = marks
LABELS = ("calm", "awe", "surprised", "constructor")


def test_a_server_that_returns_with_other_labels_during_a_visit(
    start: Start, browser: Any, tmp_path: Path
) -> None:
    address, process = start()
    page = begun(opened(browser, address))
    end(process)
    becomes(page, "offline")
    bundle = toy.write(tmp_path / "own.edgeser", labels=list(LABELS))
    start("--model", str(bundle), port=int(address.rpartition(":")[2]))
    becomes(page, "listening", "hearing")
    assert page.locator("#legend li").all_inner_texts() == ["calm", "awe", *LABELS[2:]]
    page.context.close()


def test_unknown_labels_have_their_own_name_and_a_colour(
    start: Start, browser: Any, tmp_path: Path
) -> None:
    bundle = toy.write(tmp_path / "own.edgeser", labels=list(LABELS))
    address, _ = start("--model", str(bundle))
    page = opened(browser, address, locale="de")
    begun(page)
    becomes(page, "listening", "hearing")
    names = page.locator("#legend li").all_inner_texts()
    assert names == ["ruhig", "awe", "surprised", "constructor"]
    shown = page.evaluate(
        """[...document.querySelectorAll('#legend li > :first-child')].map(
        (swatch) => swatch.style.getPropertyValue('--colour'))"""
    )
    assert shown == list(colours(LABELS).values())
    for label in LABELS:
        page.evaluate(
            """async (label) => { const { Words } = await import('./words.js');
            const { Stage } = await import('./stage.js');
            const config = await (await fetch('config.json')).json();
            lab.sockets.at(-1).onmessage = lab.sockets.at(-1).onclose = null;
            const shares = Object.fromEntries(config.labels.map((each) => [each, 0.1]));
            const stage = new Stage(await Words.load(config), config.labels);
            stage.become('live', 'live');
            stage.verdict({label, confidence: 0.7, probabilities: {...shares, [label]: 0.7}}); }""",
            label,
        )
        assert page.inner_text("#what") == {"calm": "ruhig"}.get(label, label)
    page.context.close()
