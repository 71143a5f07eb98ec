"""Hash a folder of pictures, to keep an evaluation set out of a dataset.

pairsieve hashes --pictures coco/val2017 --out coco.parquet
    hash every picture below a folder, in all orientations, with and without borders
pairsieve hashes --pictures coco/val2017 --out coco.parquet --config mine.yaml
    also write each picture's vector by the models of a config

Name the file in a config, and its pictures are found:
`filters.detectors.benchmark_pictures: {sets: {coco: coco.parquet}}`, with
`filters.rules.decontaminate: {action: drop}`. Vectors also find crops, where `cosine` is set there;
they are good for runs with the same models only.

A file that is no picture, or shows too little for a hash, is named and left out. The command makes
no request.

Exit status: 0 done, 1 some files have no hash, 2 there is no picture, or no such model.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.commands.options import add_no_plugins, add_set, make_verb_parser

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pairsieve.clip.encoder import Encoder

MAX_NAMED = 10


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = make_verb_parser("hashes", __doc__)
    parser.add_argument(
        "--pictures", required=True, metavar="DIR", help="a folder; pictures in folders below count"
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="the parquet file to write")
    parser.add_argument(
        "--config", metavar="FILE", help="also write vectors by the models of this config"
    )
    add_set(parser)
    add_no_plugins(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    from pairsieve.images.hash_file import write_hashes
    from pipeline.dataset.picture_hashes import hash_pictures
    from pipeline.orchestrate.config_file import ConfigError

    try:
        encoders = _encoders(options)
    except ConfigError as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 2
    hashes: list[bytes] = []
    vectors: dict[str, list[NDArray[np.float16]]] = {}
    for encoder in encoders:
        vectors[str(encoder.identity)] = []
    without: list[str] = []
    pictures = 0
    for picture in hash_pictures(options.pictures, encoders):
        pictures += 1
        hashes += picture.hashes
        for model, vector in picture.vectors.items():
            # As runs keep them: half as much memory.
            vectors[model].append(vector.astype("float16"))
        if not picture.hashes:
            without.append(picture.name)
    for name in without[:MAX_NAMED]:
        sys.stderr.write(f"pairsieve: {name}: no picture, or one that shows too little\n")
    if not hashes:
        sys.stderr.write(
            f"pairsieve: {options.pictures} holds no picture that has a hash; give a folder of "
            "pictures\n"
        )
        return 2
    number = write_hashes(options.out, hashes, vectors if options.config else None)
    by_models = f", vectors by {', '.join(sorted(vectors))}" if vectors else ""
    sys.stdout.write(
        f"{options.out}: {number} hashes of {pictures - len(without)} pictures{by_models}; "
        f"{len(without)} files have none\n"
    )
    return 1 if without else 0


def _encoders(options: argparse.Namespace) -> list[Encoder]:
    """The models of --config; none without it. Raises ConfigError."""
    if not options.config:
        return []
    from pipeline.dataset.encoders import load_all_encoders
    from pipeline.load_config import config_of

    return list(load_all_encoders(config_of(options)).values())
