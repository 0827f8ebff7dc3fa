"""``python -m edgeser``."""

from edgeser.cli import main

if __name__ == "__main__":  # a process that helps another imports this too
    main()
