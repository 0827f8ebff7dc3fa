"""Streams on an NVIDIA GPU, without PyTorch, Triton or a compiler on the device.

``factory.py`` makes an engine of a bundle, ``front_end.py`` chooses what runs its front end, which
is ``own_front_end.py`` where it can be; ``engine.py`` steps streams and brings them back when the
GPU fails, ``runtime.py`` has the graph of one step. ``launcher.py`` launches what ``edgeser
compile`` made and ``index.py`` lists.
``device.py`` is the interface to the driver, and ``driver.py`` the only file that calls it.
``triton`` has the kernels themselves, and is needed only to compile them.
"""
