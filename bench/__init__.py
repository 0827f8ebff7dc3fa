"""Compares edgeser with other libraries, on one machine in one run: ``python -m bench``."""
