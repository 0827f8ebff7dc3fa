"""Rolling out a new model, server by server: signature, version in every event, rollback."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeser

pytest.importorskip("prometheus_client")
pytest.importorskip("websockets")
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from websockets.sync.client import ClientConnection, connect

from edgeser.bundle.paths import signature_path
from edgeser.serve.protocol import version_of
from edgeser.signing import sign
from tests import toy
from tests.serve.clients import get, serve_in_vain
from tests.serve.conftest import Start

PEM = serialization.Encoding.PEM
SECOND = np.random.default_rng(0).normal(0, 3000, 16_000).astype(np.int16).tobytes()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    key = ed25519.Ed25519PrivateKey.generate()
    plain = serialization.NoEncryption()
    private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain)
    public = key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "private.pem").write_bytes(private)
    (tmp_path / "public.pem").write_bytes(public)
    return tmp_path


def bundle(folder: Path, version: str) -> Path:
    path = folder / f"{version}.edgeser"
    toy.write_bundle(path, toy.manifest(version=version), toy.frontend(), toy.tensors())
    return path


def frames(socket: ClientConnection) -> list[dict[str, Any]]:
    """Those of a second of sound."""
    socket.send(SECOND)
    found: list[dict[str, Any]] = []
    while len(found) < 7:
        event = json.loads(socket.recv(timeout=20))
        found += [event] if event["type"] == "frame" else []
    return found


def test_a_stage_of_a_roll_out(start: Start, keys: Path) -> None:
    old, new = bundle(keys, "1.0"), bundle(keys, "1.1")
    trusted = ("--signed-by", str(keys / "public.pem"))
    for path in (old, new):
        sign(path, keys / "private.pem")
    # What nobody signed, or was changed since, serves nobody.
    unsigned = bundle(keys, "1.2")
    assert "is not signed" in serve_in_vain("--model", str(unsigned), *trusted)
    changed = bundle(keys, "1.3")
    signature_path(changed).write_bytes(signature_path(new).read_bytes())
    assert "it was changed later" in serve_in_vain("--model", str(changed), *trusted)

    stable, process = start("--model", str(old), *trusted)
    canary, _ = start("--model", str(new), *trusted)
    versions = [version_of(edgeser.load(path)) for path in (old, new)]
    for address, version in zip((stable, canary), versions, strict=True):
        with connect(f"ws://{address}/v1/stream") as socket:
            ready = json.loads(socket.recv(timeout=20))
            assert version.startswith(f"{ready['model']['version']}+")
            assert {frame["version"] for frame in frames(socket)} == {version}
        told = get(address, "/metrics")[1]
        assert f'model_version="{version.split("+")[0]}"' in told
        assert "edgeser_frames_total 7.0" in told

    # The next stage: the old server drains, and its client goes on with the new one.
    with connect(f"ws://{stable}/v1/stream") as socket:
        socket.recv(timeout=20)
        assert {frame["version"] for frame in frames(socket)} == {versions[0]}
        process.send_signal(signal.SIGTERM)
        list(socket)  # until it closes
        assert socket.close_code == 1001
    assert process.wait(20) == 0
    with connect(f"ws://{canary}/v1/stream") as socket:
        socket.recv(timeout=20)
        assert {frame["version"] for frame in frames(socket)} == {versions[1]}
