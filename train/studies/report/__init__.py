"""Helpers that the studies share: test conditions, tables and figures."""
