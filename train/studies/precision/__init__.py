"""The effect of lower precision in the front end and the kernels: ``python -m train precision``."""
