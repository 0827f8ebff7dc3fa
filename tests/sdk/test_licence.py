"""Loading a bundle states the limits of its licence."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

import edgeser
from edgeser.loading import is_commercial
from tests import toy


def test_a_non_commercial_licence_is_shown(tmp_path: Path) -> None:
    manifest = {**toy.manifest(), "licence": "CC-BY-NC-SA-4.0 AND Apache-2.0"}
    toy.write_bundle(tmp_path / "x.edgeser", manifest, toy.frontend(), toy.tensors())
    with pytest.warns(edgeser.LicenceNotice, match=r"CC-BY-NC-SA-4\.0 .*: not for commercial use"):
        edgeser.load(tmp_path / "x.edgeser")


def test_the_bundled_model_is_free() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        edgeser.load()


@pytest.mark.parametrize(
    ("licence", "commercial"),
    [
        ("Apache-2.0", True),
        ("ODbL-1.0 AND Apache-2.0", True),
        ("CC-BY-4.0", True),
        ("CC-BY-NC-4.0", False),
        ("Apache-2.0 AND cc by-nc-sa 4.0", False),
        ("NCSA", True),
    ],
)
def test_which_licences(licence: str, commercial: bool) -> None:
    assert is_commercial(licence) == commercial
