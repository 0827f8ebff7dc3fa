"""Writes a bundle. The same contents always give the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from edgeser.bundle.manifest import FORMAT
from edgeser.bundle.reader import parse_bundle
from edgeser.errors import BundleError
from edgeser.files import write_whole

COMMENT = b"edgeser sha256:"
"""The zip comment is this and the SHA-256 of manifest.json in hex: what names the whole bundle."""

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold: a bundle has no date


def write_bundle(
    path: str | os.PathLike[str],
    manifest: Mapping[str, Any],
    frontend: bytes,
    tensors: Mapping[str, npt.NDArray[np.float32]],
) -> str:
    """Write ``path`` and return the model's hash (SHA-256 of its manifest, in hex).

    The file appears under its name only when it is complete.

    Args:
        path: of the file; an existing one is replaced.
        manifest: the JSON object; ``format`` and ``members`` are added here.
        frontend: the serialised ONNX graph of the front end, all of its weights inside.
        tensors: name to float32 array, as ``edgeser.bundle.tensors.expected_shapes`` lists them,
            and those of the front end's layers if the manifest has layers.

    Raises:
        BundleError: the reader would refuse the bundle; nothing is written.
        OSError: it cannot be written; an existing file stays.
    """
    contents = {
        "frontend.onnx": bytes(frontend),
        "kernels.safetensors": save(
            {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}
        ),
    }
    full = dict(manifest)
    full["format"] = FORMAT
    full["members"] = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in contents.items()
    }
    try:
        text = json.dumps(full, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BundleError(f"the manifest cannot be written as JSON: {error}") from None
    head = (text + "\n").encode("utf-8")
    digest = hashlib.sha256(head).hexdigest()

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.comment = COMMENT + digest.encode("ascii")
        for name, data in {"manifest.json": head, **contents}.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3  # Unix wherever it was written: the bytes must not tell
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)
    parse_bundle(buffer.getvalue())
    write_whole(path, buffer.getbuffer())
    return digest
