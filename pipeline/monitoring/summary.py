"""Formats what a run prints at the end: what was kept, and why the rest was not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pairsieve.records.outcome import Unit, UnitCounts

Counts = Mapping[str, Mapping[Unit, UnitCounts]]
HEAD = ("stage", "unit", "in", "kept", "dropped", "quarantined")


def table(counts: Counts) -> str:
    """One line for each stage and unit, with a line for each reason below it."""
    rows = [HEAD, *_rows(counts)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        # Two columns of names, then numbers.
        cells = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
        cells += [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _rows(counts: Counts) -> Iterator[tuple[str, ...]]:
    for stage, units in counts.items():
        for unit, of_unit in units.items():
            dropped = sum(of_unit.dropped.values())
            quarantined = sum(of_unit.quarantined.values())
            numbers = (of_unit.entered, of_unit.kept, dropped, quarantined)
            yield (stage, unit, *map(str, numbers))
            for reason, number in of_unit.dropped.items():
                if number:
                    yield ("", f"  {reason}", "", "", str(number), "")
            for reason, number in of_unit.quarantined.items():
                if number:
                    yield ("", f"  {reason}", "", "", "", str(number))


def last_line(place: str, stages: Sequence[str], counts: Counts) -> str:
    """One line for scripts: where the dataset is and what it holds, or which stages are done."""
    if "publish" not in stages:
        return f"{place}: {', '.join(stages)} done, nothing is published yet"
    samples = counts["publish"]["sample"]
    dropped = sum(samples.dropped.values())
    quarantined = sum(samples.quarantined.values())
    return f"{place}: {samples.kept} kept, {dropped} dropped, {quarantined} quarantined"
