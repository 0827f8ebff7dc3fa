"""Compares larger and smaller models: ``python -m train curve``."""
