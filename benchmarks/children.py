"""How many rows about children are found, and how many others are flagged, by language.

    python -m benchmarks.children [--held-out] [--wordnet DIR] [--captions FILE]

The rows are the frozen sets of tests/filters/sets/children: 200 about children and 200 traps in
eight languages, of which every second one is held out, and 30 sentences of WordNet. `--held-out`
shows by name what was wrong among the held-out rows too; look at it when nobody tunes any more.
--wordnet reads WordNet's `data.*` files (Debian: wordnet-base, /usr/share/wordnet) and shows which of
its 44,000 example sentences with no disease in them are flagged. --captions reads a file of
everyday captions, one a line.

A row is judged in the language that extraction finds, and without faces. "Found" and "false" are rows
that the rule `children` tags or drops by default. "Dropped with a face" is what it drops where the
picture has a face.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.wordnet import wordnet_sets
from filters.children.text import make_child_judge
from tests.support.child_rows import (
    LANGUAGES,
    OUTSIDE,
    ChildRow,
    child_rows,
    decided,
    evidence_of,
    language_code,
)

SHOWN = 12  # rows by name, of each kind
ROUNDS = 3
SIGNS = ("child_signs", "page_types", "page_child_headlines", "child_urls")
HEAD = ("language", "found", "held out", "dropped with a face", "of", "false", "held out", "of")


def is_flagged(row: ChildRow) -> bool:
    """Whether the rule tags or drops a row."""
    return decided(row) != "publish"


def share(rows: Sequence[ChildRow], is_so: Callable[[ChildRow], bool] = is_flagged) -> float:
    """Share of some rows; 0 of none."""
    return sum(map(is_so, rows)) / len(rows) if rows else 0.0


def split(rows: Iterable[ChildRow]) -> tuple[list[ChildRow], list[ChildRow]]:
    """The rows about children, and the traps."""
    listed = list(rows)
    children = [row for row in listed if row.is_about_a_child]
    return children, [row for row in listed if not row.is_about_a_child]


def table_line(name: str, rows: Iterable[ChildRow]) -> str:
    """One row of the table."""
    children, traps = split(rows)
    with_face = share(children, lambda row: decided(row, faces=1) == "drop")
    cells = [
        name, f"{share(children):.3f}", f"{share(_held_out(children)):.3f}", f"{with_face:.3f}",
        str(len(children)), f"{share(traps):.3f}", f"{share(_held_out(traps)):.3f}",
        str(len(traps)),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _held_out(rows: Sequence[ChildRow]) -> list[ChildRow]:
    return [row for row in rows if row.held_out]


def wrong_lines(name: str, rows: Iterable[ChildRow], show_held_out: bool) -> Iterator[str]:
    """The rows that were judged wrongly, by name."""
    children, traps = split(rows)
    missed = [row for row in children if not is_flagged(row)]
    false = [row for row in traps if is_flagged(row)]
    for what, wrong in (("missed", missed), ("false", false)):
        shown = [_described(row) for row in wrong if show_held_out or not row.held_out][:SHOWN]
        if shown:
            yield f"{name} {what}: {'; '.join(shown)}"


def _described(row: ChildRow) -> str:
    """A row, with the language that extraction finds, and the signs."""
    evidence = evidence_of(row)
    signs = {name: evidence[name] for name in SIGNS if evidence[name]}
    return f"{row.caption!r} ({language_code(row.caption) or '?'}, {signs or 'no sign'})"


def outside_lines(name: str, texts: Sequence[str]) -> Iterator[str]:
    """Which English texts of others have a clear sign."""
    judge = make_child_judge().judge
    flagged = [text for text in texts if judge(text, "en").clear]
    yield f"{name}: {len(flagged) / len(texts):.4f} of {len(texts)} have a clear sign"
    step = max(1, len(flagged) // SHOWN)
    yield f"{name}, every {step}th: {'; '.join(flagged[::step])}"


def cost_line(rows: Sequence[ChildRow]) -> str:
    """Time of a caption."""
    judge = make_child_judge().judge
    captions = [(row.caption, language_code(row.caption)) for row in rows]
    for caption, code in captions:
        judge(caption, code)  # the lists are read at the first use
    times: list[float] = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for caption, code in captions:
            judge(caption, code)
        times.append((time.process_time() - started) / len(captions) * 1e6)
    return f"{min(times):.1f} us of processor time a caption"


def lines(arguments: argparse.Namespace) -> Iterator[str]:
    """Everything that is printed."""
    rows = {name: list(child_rows(name)) for name in LANGUAGES}
    listed = [row for of_language in rows.values() for row in of_language]
    outside = list(child_rows(OUTSIDE))
    yield f"| {' | '.join(HEAD)} |\n{'|---' * len(HEAD)}|"
    for name in LANGUAGES:
        yield table_line(name, rows[name])
    yield table_line("all", listed)
    yield table_line("WordNet", outside)
    for name in LANGUAGES:
        yield from wrong_lines(name, rows[name], arguments.held_out)
    yield from wrong_lines("WordNet", outside, arguments.held_out)
    children, traps = split(listed)
    yield f"goal children_recall {share(children):.3f} >= 0.9"
    yield f"goal children_false {share(traps):.3f} <= 0.01"
    if arguments.wordnet:
        everyday = wordnet_sets(arguments.wordnet)["everyday_wordnet"]
        yield from outside_lines("WordNet's sentences", everyday)
    if arguments.captions:
        given = arguments.captions.read_text("utf-8").splitlines()
        yield from outside_lines("captions of others", [line for line in given if line])
    yield cost_line(listed)


def main(arguments: Iterable[str] | None = None) -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--quick", action="store_true", help="without effect; all of it is quick")
    parser.add_argument("--wordnet", type=Path, metavar="DIR")
    parser.add_argument("--captions", type=Path, metavar="FILE")
    for line in lines(parser.parse_args(list(arguments) if arguments is not None else None)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
