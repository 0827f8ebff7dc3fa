"""The licence of a derived model: its parent's, and that of the added recordings."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from train.data.manifest import CorpusError

SHARE_ALIKE = ("odbl", "cc-by-sa", "cc-by-nc-sa", "gpl", "agpl", "lgpl", "mpl", "eupl")
"""Prefixes (lower case) of licences that derived works must keep."""
NO_DERIVATIVES = re.compile(r"^CC-BY(-NC)?-ND\b", re.IGNORECASE)
PART = re.compile(r"^[A-Za-z0-9][A-Za-z0-9.+-]*$")


def licence_of(parent: str, added: str | None) -> str:
    """An SPDX expression: all of the parent's parts, then the added ones that it lacks.

    Raises CorpusError for an addition that is not an SPDX expression, that forbids derived works,
    or that would restrict what the parent's licence keeps open.
    """
    parts = _parts(parent)
    if added is None:
        if not parts:
            raise CorpusError("the parent names no licence: give one with --licence")
        return parent
    if not added.strip():
        raise CorpusError("no licence is given: expected one like CC-BY-4.0, or leave it out")
    for part in _parts(added):
        closed = part.lower() in ("proprietary", "licenseref-proprietary", "unlicensed", "none")
        kept = [p for p in parts if p.lower().startswith(SHARE_ALIKE)]
        if closed and kept:
            raise CorpusError(
                f"the licence cannot be {part!r}: the parent's weights are under {parent}, and "
                f"what is made of them stays under {' and '.join(kept)}. Leave --licence out, or "
                "give that of your recordings; what you do not pass on, you need not publish"
            )
        if NO_DERIVATIVES.match(part):
            raise CorpusError(f"recordings under {part} must not be made into anything else")
        if not PART.match(part):
            raise CorpusError(
                f"{part!r} is no licence's SPDX name: expected one like CC-BY-4.0, or several "
                "joined by AND; a licence of your own is LicenseRef-NAME"
            )
        spelled = "LicenseRef-Proprietary" if closed else part
        if spelled.lower() not in {p.lower() for p in parts}:
            parts.append(spelled)
    return " AND ".join(parts)


def notices_of(
    parent: Mapping[str, Any], recordings: int, speakers: int, added: Sequence[str]
) -> list[str]:
    """The parent's notices, the note about further training, and the user's own."""
    whose = f" ({speakers} speaker{'s' * (speakers != 1)})" if speakers else ""
    from_ = " ".join(str(parent.get(key, "")) for key in ("name", "version")).strip() or "a model"
    own = f"Trained further from {from_}, on {recordings} recordings by its maker{whose}."
    return list(dict.fromkeys([*parent.get("notices", ()), own, *added]))


def _parts(expression: str) -> list[str]:
    return [part.strip() for part in re.split(r"\s+AND\s+", expression.strip()) if part.strip()]
