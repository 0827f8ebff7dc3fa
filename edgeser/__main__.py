"""``python -m edgeser``."""

from edgeser.cli import main

main()
