"""What the command says at the end: a table of what was kept and why the rest was not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pairsieve.records.outcome import Unit, UnitCounts

Counts = Mapping[str, Mapping[Unit, UnitCounts]]


def table(counts: Counts) -> str:
    """One line a stage and unit, then one for each reason."""
    lines = [("stage", "unit", "in", "kept", "dropped", "quarantined"), *_lines(counts)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(_cell(cell, widths[i], i) for i, cell in enumerate(line)).rstrip()
        for line in lines
    )


def _cell(text: str, width: int, column: int) -> str:
    return text.ljust(width) if column < 2 else text.rjust(width)


def _lines(counts: Counts) -> Iterator[tuple[str, ...]]:
    for stage, units in counts.items():
        for unit, c in units.items():
            yield (
                stage,
                unit,
                str(c.entered),
                str(c.kept),
                str(sum(c.dropped.values())),
                str(sum(c.quarantined.values())),
            )
            yield from (
                ("", f"  {reason}", "", "", str(number), "")
                for reason, number in c.dropped.items()
                if number
            )
            yield from (
                ("", f"  {reason}", "", "", "", str(number))
                for reason, number in c.quarantined.items()
                if number
            )


def last_line(place: str, stages: Sequence[str], counts: Counts) -> str:
    """The one line that a script may read: where the dataset is and what it holds, or which stages
    are done.
    """
    if "publish" not in stages:
        return f"{place}: {', '.join(stages)} done, nothing is published yet"
    samples = counts["publish"]["sample"]
    dropped, quarantined = (
        sum(reasons.values()) for reasons in (samples.dropped, samples.quarantined)
    )
    return f"{place}: {samples.kept} kept, {dropped} dropped, {quarantined} quarantined"
