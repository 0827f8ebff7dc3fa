"""The tests that ``pytest -m "not slow"`` skips: they train, compile, wait, or start programs.

The table has paths under ``tests/``. A single test can have the mark ``pytest.mark.slow`` instead.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

SLOW = {
    "cli/archive/test_job.py": "starts a cluster",
    "bench": "measures",
    "capi": "builds the C library",
    "sdk/test_one_core.py": "builds the C library",
    "cli/test_analyze_folders.py": "starts programs",
    "cli/test_backend.py": "starts programs",
    "cli/test_commands.py": "starts programs",
    "cli/test_compile.py": "compiles kernels",
    "cli/test_engine_bar.py": "starts programs",
    "cli/test_export.py": "starts programs",
    "cli/test_full_disk.py": "starts programs",
    "cli/test_jobs.py": "starts programs",
    "cli/test_manners.py": "starts programs",
    "cli/test_strange_bundles.py": "starts programs",
    "docs/test_blocks.py": "runs every program of the site",
    "docs/test_figures.py": "draws",
    "docs/test_phone.py": "starts a browser",
    "examples": "starts programs",
    "export": "exports graphs with PyTorch",
    "backends/cuda/test_driver.py": "builds a stand-in for a driver",
    "backends/cuda/test_own_front_end.py": "interprets kernels",
    "backends/cuda/test_targets.py": "compiles kernels",
    "kernels/test_tacn.py": "interprets kernels",
    "kernels/test_triton.py": "interprets kernels",
    "kernels/test_triton_compile.py": "compiles kernels",
    "kernels/test_triton_front_end.py": "interprets kernels",
    "microphone/test_sound_server.py": "waits for a sound server",
    "project/test_markers.py": "collects all tests in a program of its own",
    "sdk/test_goes_nowhere.py": "traces programs",
    "sdk/test_nothing_grows.py": "hears hours",
    "sdk/test_process.py": "waits for programs",
    "sdk/test_threads.py": "waits for threads",
    "serve/test_attacks.py": "measures",
    "serve/test_metrics.py": "starts servers",
    "serve/test_page.py": "starts a browser",
    "serve/test_page_faults.py": "starts a browser",
    "serve/test_page_labels.py": "starts a browser",
    "serve/test_page_visits.py": "starts a browser",
    "backends/tensorrt": "builds engines",
    "serve/test_rollout.py": "starts servers",
    "serve/test_server.py": "starts servers, and hears them in real time",
    "serve/test_workers.py": "starts and kills many processes",
    "train": "trains",
    "tritonserver/test_repository.py": "exports graphs, and hears many streams",
    "tritonserver/test_server.py": "starts a server",
}

_TESTS = Path(__file__).parent


def is_slow(path: Path) -> bool:
    """Whether the tests in this file are slow."""
    if not path.is_relative_to(_TESTS):
        return False
    inside = PurePosixPath(path.relative_to(_TESTS).as_posix())
    return any(str(part) in SLOW for part in (inside, *inside.parents))
