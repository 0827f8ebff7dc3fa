"""What a larger or smaller model would bring: ``python -m train curve``."""
