"""Remove private results from a work directory: captions, pictures, scores.

pairsieve purge --work work/mine
    what is there, how old and how large
pairsieve purge --work work/mine --older-than 30 --yes
    results of more than 30 days
pairsieve purge --work work/mine --stage fetch --yes
    results of a stage, and of those behind it
pairsieve purge --work work/mine --pictures --yes
    stored pictures alone

Without --yes nothing is removed: the command says what would be. Keys of the ledger and robots.txt
files stay. What is removed is done again by a later run that needs it. Exit status: 0 done, 2 there
is nothing to choose from.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

STAGES = ("extract", "fetch", "score", "publish")
RESULT = re.compile(r"[0-9a-f]{16}")  # a fingerprint; folders of other names are not ours
DAY_S = 86_400.0


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="pairsieve purge",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--work", required=True, metavar="DIR", help="the work directory of a run")
    parser.add_argument(
        "--older-than",
        type=float,
        metavar="DAYS",
        help="results that were last written so many days ago",
    )
    parser.add_argument(
        "--stage",
        action="append",
        default=[],
        choices=STAGES,
        help="results of a stage; may be given again",
    )
    parser.add_argument(
        "--pictures",
        action="store_true",
        help="stored pictures, and not the results that they belong to",
    )
    parser.add_argument(
        "--yes",
        action="store_true",
        help="remove; without it the command only says what it would remove",
    )
    return parser


@dataclass(frozen=True)
class Held:
    """A folder of a work directory: its size in bytes, and how long ago anything in it was
    written.
    """

    path: str
    stage: str
    size: int
    age_s: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    from pairsieve.storage import files
    from pairsieve.storage.lock import InUse
    from pipeline.dataset.writer import alone_in

    held = list(_held(options.work, options.pictures))
    if not held:
        sys.stderr.write(
            f"pairsieve: {options.work} holds no {'pictures' if options.pictures else 'results'}; "
            "give the --work of a run\n"
        )
        return 2
    chosen = [one for one in held if _is_chosen(one, options)]
    for one in held:
        what = "remove" if one in chosen else "keep"
        sys.stdout.write(f"{what:<8}{_size(one.size):>10}{_age(one.age_s):>12}  {one.path}\n")
    if options.yes and chosen:
        try:
            with alone_in(options.work):
                for one in chosen:
                    files.remove_tree(one.path)
        except InUse as error:
            sys.stderr.write(f"pairsieve: {error}\n")
            return 2
    waiting = (
        "would be removed (--yes does it)"
        if chosen
        else "chosen: give --older-than, --stage or --pictures"
    )
    done = "removed" if options.yes and chosen else waiting
    sys.stdout.write(
        f"{len(chosen)} of {len(held)}, {_size(sum(one.size for one in chosen))}, {done}\n"
    )
    return 0


def _is_chosen(held: Held, options: argparse.Namespace) -> bool:
    by_age = options.older_than is None or held.age_s > options.older_than * DAY_S
    first = min((STAGES.index(stage) for stage in options.stage), default=None)
    by_stage = first is None or STAGES.index(held.stage) >= first
    return (
        by_age
        and by_stage
        and (options.older_than is not None or first is not None or options.pictures)
    )


def _held(work: str, pictures: bool) -> Iterator[Held]:
    from pairsieve.storage import files

    for stage in STAGES:
        for name in filter(RESULT.fullmatch, files.folders_in(files.join(work, stage))):
            folder = files.join(work, stage, name)
            if pictures:
                folder = files.join(folder, "pictures")
                if not files.exists(folder):
                    continue
            yield Held(
                folder,
                stage,
                files.size_of_folder(folder),
                time.time() - files.last_written(folder),
            )


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _age(seconds: float) -> str:
    return f"{seconds / DAY_S:.1f} days"
