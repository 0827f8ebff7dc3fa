#!/usr/bin/env bash
# One command for a machine with an NVIDIA GPU: builds what it needs in a temporary folder, runs the
# GPU's tests, measures, writes bench/results/<gpu>.json and .md, and prints the tables last.
#
#   bash bench/gpu.sh [test] [measure] [--out DIR] [--cache DIR] [--dry]
#
# `test` and `measure` do only that; without either, both are done. Takes that machine's own Python
# (or $PYTHON) with torch, Triton, CMake, pybind11 and pytest, no network, and at most eight
# minutes. Figures are printed and saved as they come; a part that fails or takes too long leaves
# what it has, and is said so in the tables. Ends with 1 if nothing could be done or a test failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec "${PYTHON:-python3}" -m bench.gpu "$@"
