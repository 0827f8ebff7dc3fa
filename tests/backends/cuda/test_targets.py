"""Names of GPU targets and what they compile to."""

from __future__ import annotations

import pytest

from edgeser.backends.cuda.targets import capability, resolve
from edgeser.errors import BackendError


def test_names_stand_for_targets() -> None:
    assert resolve(["jetson-orin"]) == ("sm_87",)
    assert resolve(["blackwell", "ampere"]) == ("sm_80", "sm_86", "sm_100", "sm_120")
    assert resolve(["ptx", "ada", "sm_89", "ada"]) == ("sm_89", "ptx_80")


def test_all_is_everything() -> None:
    assert resolve(["all"]) == (
        *("sm_80", "sm_86", "sm_87", "sm_89", "sm_90", "sm_100", "sm_110", "sm_120"),
        "ptx_80",
    )


@pytest.mark.parametrize("name", ["", "pascal", "sm_70", "ALL", "sm_87 "])
def test_unknown_names_are_named_with_those_that_there_are(name: str) -> None:
    with pytest.raises(BackendError, match=r"jetson-orin, jetson-thor, ampere.*sm_120, ptx_80"):
        resolve(["ada", name])


def test_capabilities() -> None:
    assert [capability(target) for target in ("sm_87", "sm_110", "ptx_80")] == [87, 110, 80]
