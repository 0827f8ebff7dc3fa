"""The paper's tables and figures on open data: ``python -m train reproduce``."""
