"""The GPU kernels beside PyTorch and beside what bounds them: ``bash bench/gpu.sh``.

``plan.py`` says what is done and for how long, ``part.py`` does one part of it in a process of its
own, ``judge.py`` holds what came of it against what is wanted.
"""
