"""Tables of the studies."""

from collections.abc import Mapping


def table(rows: Mapping[str, Mapping[str, float]], first: str) -> str:
    """Rows of figures by name."""
    columns = list(next(iter(rows.values())))
    lines = [f"| {' | '.join([first, *columns])} |", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows.items():
        lines.append(f"| {' | '.join([name, *(f'{row[c]:.3f}' for c in columns)])} |")
    return "\n".join(lines)
