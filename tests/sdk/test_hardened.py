"""The extension is built with hardening flags."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from edgeser import _kernels


@pytest.fixture(scope="module")
def told() -> str:
    """The output of readelf for the extension."""
    if sys.platform != "linux" or shutil.which("readelf") is None:
        pytest.skip("needs Linux and readelf")
    command = ["readelf", "--wide", "--program-headers", "--dynamic", "--dyn-syms"]
    text = subprocess.run(
        [*command, _kernels.__file__], check=True, capture_output=True, text=True
    ).stdout
    if "__asan_init" in text or "__tsan_init" in text:
        pytest.skip("built with a sanitizer, which stands in their place")
    return text


def test_what_the_loader_has_done_can_no_longer_be_changed(told: str) -> None:
    """Full RELRO: all symbols are bound at start, and their table is read-only."""
    assert "GNU_RELRO" in told
    assert "BIND_NOW" in told


def test_nothing_written_is_executed(told: str) -> None:
    (stack,) = (line for line in told.splitlines() if "GNU_STACK" in line)
    assert stack.split()[-2] == "RW"
    assert not [line for line in told.splitlines() if " LOAD " in line and "RWE" in line]
    assert "TEXTREL" not in told


def test_stacks_are_guarded_and_copies_checked(told: str) -> None:
    assert "__stack_chk_fail" in told
    assert "__memcpy_chk" in told
    assert "__snprintf_chk" in told


def test_no_library_is_looked_for_where_it_was_built(told: str) -> None:
    assert "(RPATH)" not in told
    assert "(RUNPATH)" not in told
