"""Markdown tables for the studies."""

from collections.abc import Mapping


def table(rows: Mapping[str, Mapping[str, float]], first: str) -> str:
    """A Markdown table: a row per name, with three decimals; ``first`` heads the names."""
    columns = list(next(iter(rows.values())))
    lines = [f"| {' | '.join([first, *columns])} |", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows.items():
        lines.append(f"| {' | '.join([name, *(f'{row[c]:.3f}' for c in columns)])} |")
    return "\n".join(lines)
