"""Backends execute a model: one package for each kind of device.

``interface.py`` defines a backend. ``cpu`` is the compiled core of ``csrc``, ``cuda``
an NVIDIA GPU with kernels in Triton, and ``tensorrt`` runs the front end there.
"""
