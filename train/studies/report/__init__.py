"""What is measured of the default model, and how it is shown: ``python -m train report``."""
