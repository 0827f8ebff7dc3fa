"""Whether the kiosk's page is as good after an hour of visitors as after the first.

    python -m bench.kiosk
    python -m bench.kiosk --minutes 2

Chromium shows the page of a real ``edgeser serve`` and hears speech and pauses. Visitor after
visitor begins, speaks, and either touches "Done" or just goes. In the middle the server is stopped
and started again, in front of a visitor. Exits with 1 and says what was wrong, if anything was: a
visitor who was not heard, something of the last one that was left, an error, memory that grows.
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

SPOKEN, QUIET, FORGET = 6.0, 8.0, 5.0  # seconds: pauses are long enough to be forgotten in
PATIENCE = 60.0  # seconds for anything that must happen
AWAY = 5.0  # seconds that the server is gone
MOST_GROWTH = 1.25  # times what there was after the first visits, and one MiB or node
LEFT = """['before', 'what', 'after', 'state', 'spoken', 'utterances'].map(
(id) => document.getElementById(id).textContent).join('')"""
NOISE = ("ERR_CONNECTION_REFUSED", "WebSocket connection")  # what browsers note of an absent server


class Server:
    """One that can be stopped and started again at its port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.start()

    def start(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """And wait until it answers, with something to do meanwhile."""
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
        """Whether it is there."""
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """As Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE)

    @property
    def megabytes(self) -> float:
        """Resident."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


@dataclass
class Wall:
    """The page where it hangs, and all that was wrong with it."""

    page: Any
    wrong: list[str] = field(default_factory=list)
    visits: int = 0
    utterances: int = 0

    def __post_init__(self) -> None:
        self.page.set_default_timeout(1000 * PATIENCE)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("console", self._note)
        self.devtools = self.page.context.new_cdp_session(self.page)
        self.devtools.send("Performance.enable")

    def _note(self, message: Any) -> None:
        if message.type == "error" and not any(noise in message.text for noise in NOISE):
            self.wrong.append(f"console: {message.text}")

    def shown(self, selector: str) -> None:
        """Wait for it, without a handle: that would keep what the page has let go."""
        self.page.locator(selector).first.wait_for()

    def begin(self) -> None:
        """A yes, and an utterance that is heard."""
        self.visits += 1
        self.page.click("#begin")
        self.shown("#utterances li")

    def end(self, *, touched: bool) -> None:
        """Go, with a touch of "Done" or without a word; nothing may be left."""
        self.utterances += self.page.locator("#utterances li").count()
        if touched:
            self.page.click("#done")
        self.shown("body[data-screen=start]")
        if left := self.page.evaluate(LEFT):
            self.wrong.append(f"left of visit {self.visits}: {left!r}")
        self.page.wait_for_timeout(1000)  # as quick as a second touch of "Done" is no visitor

    def size(self) -> dict[str, float]:
        """What the page holds once what is garbage is gone."""
        self.devtools.send("HeapProfiler.collectGarbage")
        metrics = self.devtools.send("Performance.getMetrics")["metrics"]
        named = {metric["name"]: metric["value"] for metric in metrics}
        return {
            "heap_mb": named["JSHeapUsedSize"] / 2**20,
            "nodes": named["Nodes"],
            "listeners": named["JSEventListeners"],
        }


def main(
    minutes: Annotated[float, typer.Option(min=1, help="How long visitors come.")] = 60,
    port: Annotated[int, typer.Option(help="Where to serve.")] = 8799,
) -> None:
    """Let visitors come; say what was wrong."""
    if CHROMIUM is None:
        typer.echo("there is no Chromium: apt-get install chromium", err=True)
        raise typer.Exit(2)
    server = Server(port)
    try:
        with TemporaryDirectory() as folder:
            sound = browsing(Path(folder), spoken=SPOKEN, quiet=QUIET)
            with sound as browser:
                size = {"width": 1080, "height": 1920}
                context = browser.new_context(permissions=["microphone"], viewport=size)
                wall = Wall(context.new_page())
                wall.page.goto(f"http://127.0.0.1:{port}/")
                visitors(wall, server, 60 * minutes)
    finally:
        server.stop()
    typer.echo(f"{wall.visits} visits, {wall.utterances} utterances, {len(wall.wrong)} wrong")
    for wrong in wall.wrong:
        typer.echo(f"wrong: {wrong}", err=True)
    raise typer.Exit(bool(wall.wrong))


def visitors(wall: Wall, server: Server, seconds: float) -> None:
    """One after the other; the server is away once, in the middle."""
    began = said = time.monotonic()
    first: dict[str, float] = {}
    restarted = False
    while (now := time.monotonic()) < began + seconds or not restarted:
        wall.begin()
        if not restarted and now > began + seconds / 2:
            restarted = True
            restart(wall, server)
        wall.end(touched=wall.visits % 2 == 0)
        if wall.visits == 3 or (wall.visits > 3 and now > said + 60):
            said = now
            sizes = wall.size()
            first = first or sizes
            shown = ", ".join(f"{name} {value:.4g}" for name, value in sizes.items())
            typer.echo(
                f"{(now - began) / 60:.0f} min: {wall.visits} visits, {wall.utterances} "
                f"utterances; page {shown}; server {server.megabytes:.0f} MB"
            )
    last = wall.size()
    for name, value in last.items():
        if value > MOST_GROWTH * first[name] + 1:
            wall.wrong.append(f"the page's {name} grew from {first[name]:.4g} to {value:.4g}")


def restart(wall: Wall, server: Server) -> None:
    """The page says so, and hears again by itself."""
    verdict = wall.page.inner_text("#what")
    server.stop()
    wall.shown("body[data-state=offline]")
    if wall.page.inner_text("#what") != verdict:
        wall.wrong.append("the verdict did not stay while the server was away")

    def stay() -> None:
        """Or the visitor would be taken for one who has gone."""
        wall.page.keyboard.press("Shift")
        wall.page.wait_for_timeout(500)

    wait = time.monotonic() + AWAY
    while time.monotonic() < wait:
        stay()
    server.start(stay)
    since = time.monotonic()
    while wall.page.get_attribute("body", "data-state") not in ("listening", "hearing"):
        stay()
        if time.monotonic() > since + PATIENCE:
            wall.wrong.append("the page did not hear again after the server was back")
            return
    typer.echo(f"server back; heard again {time.monotonic() - since:.1f} s later")


if __name__ == "__main__":
    typer.run(main)
