"""Compares the GPU kernels with PyTorch and with the hardware's limits: ``bash bench/gpu.sh``.

``plan.py`` lists the parts and their time limits, ``worker.py`` runs a part in its own process,
``judge.py`` compares the results with the goals.
"""
