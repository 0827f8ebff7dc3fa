"""The server of the wheel ``nvidia-pytriton``, started on a repository.

It wants NumPy below 2, so it has an environment of its own, of the same version of Python as this
one; ``EDGESER_TRITON_ENV`` says where. ``.ci/tritonserver`` makes one. It runs this checkout.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path

import tritonclient.grpc

import edgeser
from edgeser import _kernels

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def find_wheel() -> Path | None:
    """The packages of the server's environment; None if there is none."""
    given = os.environ.get("EDGESER_TRITON_ENV")
    if not given:
        return None
    packages = Path(given) / "lib" / f"python{VERSION}" / "site-packages"
    return packages if (packages / "pytriton" / "tritonserver").is_dir() else None


class Server:
    """A process group on its own port; it is killed with all children."""

    def __init__(self, packages: Path, repository: Path, folder: Path) -> None:
        self._packages, self._repository, self._folder = packages, repository, folder
        self._name = f"edgeser-{uuid.uuid4().hex[:12]}"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        self.log = folder / "server.log"
        self._lay_out()

    def start(self, *models: str) -> None:
        """Start, and wait until it is ready."""
        wheel = self._packages / "pytriton" / "tritonserver"
        command = [
            str(wheel / "bin" / "tritonserver"),
            *("--model-repository", str(self._repository)),
            *("--model-control-mode", "explicit"),
            *(option for model in models for option in ("--load-model", model)),
            *("--backend-directory", str(self._folder / "backends")),
            *("--backend-config", f"python,shm-region-prefix-name={self._name}"),
            *("--grpc-address", "127.0.0.1", "--grpc-port", str(self.port)),
            *("--allow-http", "false", "--allow-metrics", "false"),
            *("--disable-auto-complete-config", "--exit-timeout-secs", "5"),
        ]
        environment = {
            **os.environ,
            "LD_LIBRARY_PATH": str(self._packages / "nvidia_pytriton.libs"),
            "PATH": f"{self._packages.parents[2] / 'bin'}:{os.environ['PATH']}",
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until = time.monotonic() + 60
        with self.client() as client:
            while time.monotonic() < until and self._process.poll() is None:
                try:
                    if all(map(client.is_model_ready, models)):
                        return
                except tritonclient.grpc.InferenceServerException:
                    pass
                time.sleep(0.2)
        self.kill()
        raise RuntimeError(self.log.read_text(errors="replace")[-4000:])

    def kill(self) -> None:
        """End it in the midst of whatever it does."""
        if self._process is not None:
            with suppress(ProcessLookupError):  # it ended by itself, and its log says why
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for left in Path("/dev/shm").glob(f"{self._name}*"):  # what a killed one cannot clean up
            left.unlink(missing_ok=True)

    def client(self) -> tritonclient.grpc.InferenceServerClient:
        return tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{self.port}")

    def _lay_out(self) -> None:
        """The Python backend with this Python's stub, and this package where it finds it."""
        wheel = self._packages / "pytriton" / "tritonserver"
        python = self._folder / "backends" / "python"
        shutil.copytree(wheel / "backends" / "python", python)
        stub = "triton_python_backend_stub"
        shutil.copy(wheel / "python_backend_stubs" / VERSION / stub, python / stub)
        (python / stub).chmod(0o755)
        site = python / "edgeser"  # beside the server's own module: it reads no PYTHONPATH
        site.mkdir()
        for path in Path(edgeser.__file__).parent.iterdir():
            (site / path.name).symlink_to(path)
        kernels = Path(_kernels.__file__)
        if not (site / kernels.name).exists():  # of an editable installation it lies elsewhere
            (site / kernels.name).symlink_to(kernels)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def why_not() -> str | None:
    """Why the server cannot run here."""
    if importlib.util.find_spec("tritonclient") is None:
        return "tritonclient is not installed"
    if find_wheel() is None:
        return "EDGESER_TRITON_ENV names no environment with nvidia-pytriton: see .ci/tritonserver"
    return None
