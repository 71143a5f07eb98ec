"""Remove private results from a work directory: captions, pictures, scores.

pairsieve purge --work work/mine
    list results with their size and age
pairsieve purge --work work/mine --older-than 30 --yes
    remove results of more than 30 days
pairsieve purge --work work/mine --stage fetch --yes
    remove results of a stage, and of the stages after it
pairsieve purge --work work/mine --pictures --yes
    remove stored pictures alone

Without --yes the command removes nothing, and says what it would remove. The secret of the ledger's
keys and robots.txt files stay. A later run that needs a removed result makes it again. The hashes
of the pairs of earlier datasets (extract.known) are results of extract.

Exit status: 0 done, 2 there is nothing to choose from.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.commands.options import make_verb_parser

STAGES = ("extract", "fetch", "score", "compare", "publish")
FOLDERS = (*((stage, stage) for stage in STAGES), ("known", "extract"))
"""Folders of a work directory, and the stage whose results they hold."""

RESULT = re.compile(r"[0-9a-f]{16}")
"""A fingerprint; folders of other names are not ours."""
DAY_S = 86_400.0


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = make_verb_parser("purge", __doc__)
    parser.add_argument("--work", required=True, metavar="DIR", help="the work directory of a run")
    parser.add_argument(
        "--older-than",
        type=float,
        metavar="DAYS",
        help="choose results in which nothing was written for this many days",
    )
    parser.add_argument(
        "--stage",
        action="append",
        default=[],
        choices=STAGES,
        help="choose results of a stage and of those after it; may be given again",
    )
    parser.add_argument(
        "--pictures",
        action="store_true",
        help="choose stored pictures, and not the results that they belong to",
    )
    parser.add_argument(
        "--yes",
        action="store_true",
        help="remove; without it the command only says what it would remove",
    )
    return parser


@dataclass(frozen=True)
class ResultFolder:
    """A result's folder; `age_s` is the time since anything in it was written."""

    path: str
    stage: str
    size_bytes: int
    age_s: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    folders = list(_result_folders(options.work, options.pictures))
    if not folders:
        what = "pictures" if options.pictures else "results"
        sys.stderr.write(f"pairsieve: {options.work} holds no {what}; give the --work of a run\n")
        return 2
    chosen = [folder for folder in folders if _is_chosen(folder, options)]
    for folder in folders:
        what = "remove" if folder in chosen else "keep"
        size, age = _size(folder.size_bytes), _age(folder.age_s)
        sys.stdout.write(f"{what:<8}{size:>10}{age:>12}  {folder.path}\n")
    removes = bool(options.yes and chosen)
    if removes and not _remove(options.work, chosen):
        return 2
    if removes:
        outcome = "removed"
    elif chosen:
        outcome = "would be removed (--yes does it)"
    else:
        outcome = "chosen: give --older-than, --stage or --pictures"
    size = _size(sum(folder.size_bytes for folder in chosen))
    sys.stdout.write(f"{len(chosen)} of {len(folders)}, {size}, {outcome}\n")
    return 0


def _remove(work: str, chosen: Sequence[ResultFolder]) -> bool:
    """Remove the folders; False where another command works there."""
    from pairsieve.storage import files
    from pairsieve.storage.lock import InUse
    from pipeline.dataset.writer import alone_in

    try:
        with alone_in(work):
            for folder in chosen:
                files.remove_tree(folder.path)
    except InUse as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return False
    return True


def _is_chosen(folder: ResultFolder, options: argparse.Namespace) -> bool:
    """Whether all criteria that were given choose a folder; without any, none is chosen."""
    if options.older_than is None and not options.stage and not options.pictures:
        return False
    if options.older_than is not None and folder.age_s <= options.older_than * DAY_S:
        return False
    if options.stage:
        # Results of later stages were made from those of this one.
        first = min(STAGES.index(stage) for stage in options.stage)
        return STAGES.index(folder.stage) >= first
    return True


def _result_folders(work: str, pictures: bool) -> Iterator[ResultFolder]:
    """The folders of all results, or of the pictures in them."""
    from pairsieve.storage import files

    for folder, stage in FOLDERS:
        for name in files.folders_in(files.join(work, folder)):
            if not RESULT.fullmatch(name):
                continue
            path = files.join(work, folder, name)
            if pictures:
                path = files.join(path, "pictures")
                if not files.exists(path):
                    continue
            age_s = time.time() - files.last_written(path)
            yield ResultFolder(path, stage, files.size_of_folder(path), age_s)


def _size(size_bytes: int) -> str:
    if size_bytes >= 1e9:
        return f"{size_bytes / 1e9:.1f} GB"
    return f"{size_bytes / 1e6:.1f} MB"


def _age(seconds: float) -> str:
    return f"{seconds / DAY_S:.1f} days"
