"""``edgeser``, and ``python -m edgeser``."""

from edgeser.interrupts import ends_at_once


def main() -> None:
    """Runs the command line, which is imported only here."""
    with ends_at_once():
        from edgeser.cli import main as run
    run()


if __name__ == "__main__":  # a process that helps another imports this too
    main()
