"""The kernels for GPUs, in Triton: one file a kernel, importable only where Triton is.

Nothing that runs a model imports these. ``edgeser compile`` turns them into machine code that needs
no Triton, and torch runs them directly for training, tests and measurements; ``host.py`` is how.
Each is held against ``edgeser/reference/kernels.py`` by ``tests/kernels/tester.py``.
"""
