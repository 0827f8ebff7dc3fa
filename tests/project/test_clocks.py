"""Durations are measured with a monotonic clock."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SET_BY_SOMEBODY = re.compile(r"time\.time\b|datetime\b|system_clock|gettimeofday|time\(nullptr\)")
TELL_THE_HOUR = {"edgeser/cli/live.py", "edgeser/serve/metrics.py"}


def test_spans_are_measured_by_a_clock_that_is_never_set() -> None:
    sources = [*ROOT.glob("edgeser/**/*.py"), *ROOT.glob("csrc/*/*.[ch]pp")]
    assert len(sources) > 200
    found = {
        path.relative_to(ROOT).as_posix()
        for path in sources
        if SET_BY_SOMEBODY.search(path.read_text(encoding="utf-8"))
    }
    assert found == TELL_THE_HOUR


def test_the_page_has_one_clock_that_goes_through_sleep_and_is_never_set_back() -> None:
    scripts = ROOT.glob("edgeser/serve/page/*.js")
    counts = {path.name: path.read_text(encoding="utf-8").count("Date.now") for path in scripts}
    assert {name: count for name, count in counts.items() if count} == {"client.js": 2}
