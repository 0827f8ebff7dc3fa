#!/usr/bin/env bash
# One command for a machine with an NVIDIA GPU: builds what it needs in a temporary folder, runs the
# GPU's tests, measures, writes bench/results/<gpu>.json and .md, and prints the tables last.
#
#   bash bench/gpu.sh [--out DIR] [--dry]
#
# Takes that machine's own Python (or $PYTHON) with torch, Triton, CMake, pybind11 and pytest, no
# network, and at most eight minutes: a part that fails or takes too long is said so in the tables.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec "${PYTHON:-python3}" -m bench.gpu "$@"
