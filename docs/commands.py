"""The command line's page: every command's options, as Typer itself writes them down.

``generated.py`` writes it to ``_generated/commands.md``, which ``commands.md`` includes. What
is on the page is what the parser takes.
"""

from __future__ import annotations

import re
import subprocess
import sys

from edgeser.cli.exit_codes import SUMMARY


def written() -> str:
    """Markdown, a section a command, the options of ``edgeser`` itself first."""
    command = [sys.executable, "-m", "typer", "edgeser.cli", "utils", "docs", "--name", "edgeser"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    text = done.stdout.replace("# `edgeser`", "## `edgeser`", 1)
    # The sections themselves say what each command is, and in whole sentences.
    text = re.sub(r"^\*\*Commands\*\*:.*?(?=^## )", "", text, flags=re.DOTALL | re.MULTILINE)
    first, *others = re.split(r"(?=^## )", text, flags=re.MULTILINE)[1:]
    # That every command ends with the exit codes is of use in a terminal, and is once enough here.
    text = first + "".join(part.replace(SUMMARY, "").rstrip() + "\n\n" for part in others)
    # In prose two hyphens would become a dash: options that a sentence names are code as well.
    prose_and_code = text.split("`")
    prose_and_code[::2] = [re.sub(r"--[a-z-]+", r"`\g<0>`", part) for part in prose_and_code[::2]]
    return "`".join(prose_and_code)
