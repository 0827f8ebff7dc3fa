"""Checks that the kiosk page works as well after an hour of visitors as at first.

    python -m bench.kiosk
    python -m bench.kiosk --minutes 2 --no-keep

Chromium shows the page of a real ``edgeser serve``; its microphone delivers speech and pauses. One
visitor after another begins, speaks, and either touches "Done" or leaves; for some the microphone
is unplugged. Halfway the server is restarted during a visit, and later once more without a visitor.
Exits with 1 and prints the problems, if there are any: a visitor without an utterance, remains of
the last visit, an error, growing memory.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from bench.browser import CHROMIUM, browsing
from bench.record import FOLDER, facts, machine_stem, save

SPOKEN, QUIET, FORGET = 6.0, 14.0, 10.0  # seconds; pauses are long enough to end a visit
PATIENCE = 60.0  # seconds until a missing event counts as a problem
AWAY = 5.0  # seconds without a server
MOST_GROWTH = 1.25  # times the first visits' memory, and one MiB or node more
UNPLUGGED = 10  # every tenth visitor
LEFT = """['before', 'what', 'after', 'state', 'spoken', 'utterances'].map(
(id) => document.getElementById(id).textContent).join('')"""
NOISE = (
    "ERR_CONNECTION_REFUSED",
    "WebSocket connection",
)  # messages about an absent server

# Counts the states of the page, also before it reloads, and keeps the microphone's only track.
WATCH = """
const seen = JSON.parse(sessionStorage.seen ?? '{}');
new MutationObserver((changes) => {
  for (const { attributeName, target } of changes) {
    const state = `${attributeName.slice(5)} ${target.getAttribute(attributeName)}`;
    seen[state] = 1 + (seen[state] ?? 0);
  }
  sessionStorage.seen = JSON.stringify(seen);
}).observe(document, {
  subtree: true, attributes: true, attributeFilter: ['data-screen', 'data-state', 'data-ready'],
});
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wishes) => {
  const media = await open(wishes);
  [window.track] = media.getTracks();
  return media;
};
"""
UNPLUG = "track.stop(); track.dispatchEvent(new Event('ended'))"

PAGE = """\
# An hour of visitors

edgeser {version} on {machine}, {cores} cores, {system}, Python {python}; Chromium {chromium};
{date}. The machine {shared}.

{minutes:.0f} minutes of one page, 1080 by 1920. Its microphone got {spoken:g} s of speech and
{quiet:g} s of silence in turn; a visit timed out after {forget:g} s without speech:

* {visits} visits, each with at least one verdict, {utterances} utterances in all. Half ended with a
  touch of "Done", half with a timeout. After each visit, the screen was empty.
* {unplugged} times the microphone was unplugged during a visit; the page recovered.
* The page was loaded {read} times. It reloads itself after 40 visits, because browsers leak some
  memory for each microphone and its audio thread.
* The server was restarted during a visit: the verdict stayed on the screen, and the page
  worked again {back} s after the server. It was restarted once more between visits: the start
  screen reported the outage and its end.
* Problems: {wrong}.

Memory in MiB after garbage collection; for processes, the resident set:

| | after 3 visits | at the end | most |
|---|---|---|---|
{rows}

States of the page, and how often it entered each: {states}.

Made by `{command}`.
"""
NAMES = {
    "heap_mb": "the page's heap of JavaScript",
    "nodes": "its nodes, in number",
    "listeners": "its listeners, in number",
    "page_mb": "the page's process",
    "browser_mb": "all of Chromium",
    "server_mb": "the server",
    "server_files": "the server's open files, in number",
}


def resident(process: int) -> float:
    """Resident memory of a process in MiB."""
    status = Path(f"/proc/{process}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


class Server:
    """A server that can be stopped and started again at its port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.start()

    def start(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Starts it and waits until it answers, with something to do meanwhile."""
        options = ["--port", str(self.port), "--forget-after", str(FORGET)]
        command = [sys.executable, "-m", "edgeser", "serve", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + PATIENCE
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > until:
                raise typer.Exit(2)
            meanwhile()
            time.sleep(0.1)

    def answers(self) -> bool:
        """Whether it answers."""
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=1).close()
        except OSError:
            return False
        return True

    def stop(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Stops it as Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        until = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < until:
            meanwhile()
            time.sleep(0.1)

    def size(self) -> dict[str, float]:
        """Its memory and open files."""
        files = Path(f"/proc/{self.process.pid}/fd")
        return {
            "server_mb": resident(self.process.pid),
            "server_files": len([*files.iterdir()]),
        }


@dataclass
class Wall:
    """The page in a kiosk, and all problems with it."""

    page: Any
    wrong: list[str] = field(default_factory=list)
    visits: int = 0
    utterances: int = 0
    unplugged: int = 0
    read: int = 0
    """Number of loads; the page reloads itself after many visits."""

    def __post_init__(self) -> None:
        self.page.set_default_timeout(1000 * PATIENCE)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("console", self._note)
        self.page.on("domcontentloaded", self._count)
        self.page.on("crash", lambda _: self.wrong.append("the page crashed"))
        context = self.page.context
        context.add_init_script(WATCH)
        self.devtools = context.new_cdp_session(self.page)
        self.devtools.send("Performance.enable")
        self.processes = context.browser.new_browser_cdp_session()

    def _count(self, _: Any) -> None:
        self.read += 1

    def _note(self, message: Any) -> None:
        if message.type == "error" and not any(noise in message.text for noise in NOISE):
            self.wrong.append(f"console: {message.text}")

    def shown(self, selector: str) -> None:
        """Waits for an element without a handle, which would keep it in memory."""
        self.page.locator(selector).first.wait_for()

    def begin(self) -> None:
        """Begins a visit and waits for an utterance; for some the microphone is unplugged then."""
        self.visits += 1
        self.page.click("#begin")
        self.shown("#utterances li")
        if self.visits % UNPLUGGED == 0:
            self.unplugged += 1
            self.page.evaluate(UNPLUG)
            self.shown("body[data-state=unplugged]")
            self.shown("body[data-state=listening], body[data-state=hearing]")

    def end(self, *, touched: bool) -> None:
        """Ends a visit, with a touch of "Done" or without; nothing of it may remain."""
        self.utterances += self.page.locator("#utterances li").count()
        if touched:  # unless the page has cleared itself, as on a very busy machine
            self.page.evaluate("document.getElementById('done').click()")
        self.shown("body[data-screen=start]")
        self.page.wait_for_timeout(1000)  # the page ignores touches right after "Done"
        self.shown("body[data-screen=start]")  # again, if the page reloads
        if left := self.page.evaluate(LEFT):
            self.wrong.append(f"left of visit {self.visits}: {left!r}")

    def states(self) -> dict[str, int]:
        """The states of the page, and how often each was entered."""
        seen: dict[str, int] = self.page.evaluate("JSON.parse(sessionStorage.seen)")
        return {state: count for state, count in seen.items() if not state.endswith("null")}

    def size(self) -> dict[str, float]:
        """The page's memory after garbage collection."""
        self.devtools.send("HeapProfiler.collectGarbage")
        metrics = self.devtools.send("Performance.getMetrics")["metrics"]
        named = {metric["name"]: metric["value"] for metric in metrics}
        about = self.processes.send("SystemInfo.getProcessInfo")["processInfo"]
        # One renderer belongs to the page; a spare one, if there is any, is smaller.
        pages = [resident(process["id"]) for process in about if process["type"] == "renderer"]
        return {
            "heap_mb": named["JSHeapUsedSize"] / 2**20,
            "nodes": named["Nodes"],
            "listeners": named["JSEventListeners"],
            "page_mb": max(pages),
            "browser_mb": sum(resident(process["id"]) for process in about),
        }


@dataclass
class Hour:
    """Measurements during the visits."""

    back: float | None = None
    """Seconds from the server's return until the page worked again."""
    sizes: list[dict[str, float]] = field(default_factory=list)


def main(
    minutes: Annotated[float, typer.Option(min=1, help="Duration of the visits.")] = 60,
    port: Annotated[int, typer.Option(help="Port of the server.")] = 8799,
    keep: Annotated[bool, typer.Option(help="Write the results to bench/results.")] = True,
    shared: Annotated[
        bool, typer.Option(help="State that other programs use the machine.")
    ] = False,
) -> None:
    """Simulates visitors; prints the problems."""
    if CHROMIUM is None:
        typer.echo("there is no Chromium: apt-get install chromium", err=True)
        raise typer.Exit(2)
    hour, server = Hour(), Server(port)
    try:
        with TemporaryDirectory() as folder:
            sound = browsing(Path(folder), spoken=SPOKEN, quiet=QUIET)
            with sound as browser:
                size = {"width": 1080, "height": 1920}
                context = browser.new_context(permissions=["microphone"], viewport=size)
                wall = Wall(context.new_page())
                wall.page.goto(f"http://127.0.0.1:{port}/")
                visitors(wall, server, hour, 60 * minutes)
                states = wall.states()
                chromium = browser.version
    finally:
        server.stop()
    typer.echo(f"{wall.visits} visits, {wall.utterances} utterances, {len(wall.wrong)} wrong")
    for wrong in wall.wrong:
        typer.echo(f"wrong: {wrong}", err=True)
    if keep:
        about = {**facts(shared), "chromium": chromium, "minutes": minutes}
        write(wall, hour, states, about, sys.argv[1:])
    raise typer.Exit(bool(wall.wrong))


def write(
    wall: Wall, hour: Hour, states: dict[str, int], about: dict[str, object], options: list[str]
) -> None:
    """Writes a page and figures."""
    counted = {
        "visits": wall.visits,
        "utterances": wall.utterances,
        "unplugged": wall.unplugged,
        "read": wall.read,
        "back": "never" if hour.back is None else round(hour.back, 1),
    }
    rows = "\n".join(
        f"| {name} | {hour.sizes[0][key]:.4g} | {hour.sizes[-1][key]:.4g} "
        f"| {max(size[key] for size in hour.sizes):.4g} |"
        for key, name in NAMES.items()
    )
    page = PAGE.format(
        **about,
        **counted,
        spoken=SPOKEN,
        quiet=QUIET,
        forget=FORGET,
        wrong="; ".join(wall.wrong) or "none, and no error in the page",
        rows=rows,
        states=", ".join(f"{state} ({count})" for state, count in sorted(states.items())),
        command=" ".join(["python -m bench.kiosk", *options]),
    )
    figures = {**about, **counted, "wrong": wall.wrong, "states": states, "sizes": hour.sizes}
    save(f"{machine_stem()}-kiosk", figures, page, FOLDER)


def visitors(wall: Wall, server: Server, hour: Hour, seconds: float) -> None:
    """One visitor after another; the server is restarted twice."""
    from playwright.sync_api import Error as PlaywrightError

    began = said = time.monotonic()
    again = False

    def look() -> None:
        sizes = {**wall.size(), **server.size()}
        hour.sizes.append(sizes)
        shown = ", ".join(f"{name} {value:.4g}" for name, value in sizes.items())
        typer.echo(
            f"{(time.monotonic() - began) / 60:.0f} min: {wall.visits} visits, "
            f"{wall.utterances} utterances; {shown}"
        )

    while (now := time.monotonic()) < began + seconds or not again:
        try:
            wall.begin()
            if hour.back is None and now > began + seconds / 2:
                hour.back = before_a_visitor(wall, server)
            wall.end(touched=wall.visits % 2 == 0)
            if not again and now > began + 3 * seconds / 4:
                again = True
                before_nobody(wall, server)
        except PlaywrightError as error:  # something did not happen in time
            wall.wrong.append(f"visit {wall.visits}: {str(error).splitlines()[0]}")
            wall.page.reload()
            wall.shown("body[data-screen=start]")
        if wall.visits == 3 or (wall.visits > 3 and now > said + 60):
            said = now
            look()
    look()
    first, last = hour.sizes[0], hour.sizes[-1]
    for key, value in last.items():
        if value > MOST_GROWTH * first[key] + 1:
            wall.wrong.append(f"{NAMES[key]} grew from {first[key]:.4g} to {value:.4g}")


def before_a_visitor(wall: Wall, server: Server) -> float:
    """The page reports a missing server and recovers by itself; returns the seconds it took."""

    def stay() -> None:
        """Keeps the page from assuming that the visitor has left."""
        wall.page.keyboard.press("Shift")
        wall.page.wait_for_timeout(500)

    def comes(what: str, *states: str) -> None:
        until = time.monotonic() + PATIENCE
        while wall.page.get_attribute("body", "data-state") not in states:
            stay()
            if time.monotonic() > until:
                wall.wrong.append(f"the page did not {what}")
                return

    server.stop(stay)
    comes("say that the server is away", "offline")
    if wall.page.get_attribute("#stage", "data-kind") not in ("verdict", "unclear"):
        wall.wrong.append("the verdict did not stay while the server was away")
    wait = time.monotonic() + AWAY
    while time.monotonic() < wait:
        stay()
    server.start(stay)
    since = time.monotonic()
    comes("hear again after the server was back", "listening", "hearing")
    back = time.monotonic() - since
    typer.echo(f"server back; heard again {back:.1f} s later")
    return back


def before_nobody(wall: Wall, server: Server) -> None:
    """The start screen reports a missing server, and its return."""
    server.stop()
    wall.shown("body[data-ready=offline]")
    server.start()
    wall.shown("body[data-ready=yes]")
    typer.echo("server back; the start screen knows")


if __name__ == "__main__":
    typer.run(main)
