"""Hash a folder of pictures, to keep an evaluation set out of a dataset.

pairsieve hashes --pictures coco/val2017 --out coco.parquet
    hash every picture below a folder, in all orientations, with and without borders

Name the file in a config, and its pictures are found:
`filters.detectors.benchmark_pictures: {sets: {coco: coco.parquet}}`, with
`filters.rules.decontaminate: {action: drop}`.

A file that is no picture, or shows too little for a hash, is named and left out. The command makes
no request.

Exit status: 0 done, 1 some files have no hash, 2 there is no picture.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pipeline.commands.options import make_verb_parser

MAX_NAMED = 10


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = make_verb_parser("hashes", __doc__)
    parser.add_argument(
        "--pictures", required=True, metavar="DIR", help="a folder; pictures in folders below count"
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="the parquet file to write")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    from pairsieve.images.hash_file import write_hashes
    from pipeline.dataset.picture_hashes import hash_pictures

    hashes: list[bytes] = []
    without: list[str] = []
    pictures = 0
    for name, of_picture in hash_pictures(options.pictures):
        pictures += 1
        hashes += of_picture
        if not of_picture:
            without.append(name)
    for name in without[:MAX_NAMED]:
        sys.stderr.write(f"pairsieve: {name}: no picture, or one that shows too little\n")
    if not hashes:
        sys.stderr.write(
            f"pairsieve: {options.pictures} holds no picture that has a hash; give a folder of "
            "pictures\n"
        )
        return 2
    number = write_hashes(options.out, hashes)
    sys.stdout.write(
        f"{options.out}: {number} hashes of {pictures - len(without)} pictures; {len(without)} "
        "files have none\n"
    )
    return 1 if without else 0
