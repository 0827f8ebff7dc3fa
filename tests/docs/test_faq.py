"""The program for several processes, which must be a file."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_processes_load_the_model_themselves(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "faq.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "judge.py").write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(tmp_path / "judge.py")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    said = re.findall(r"'(.+?)'", done.stdout)
    assert len(said) == 2
    assert said[0] == said[1]
