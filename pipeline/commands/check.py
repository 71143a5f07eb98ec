"""Search a dataset for personal and medical data before it is released.

pairsieve check --dataset runs/mine
    a review list beside the dataset: runs/mine.check.html
pairsieve check --dataset runs/mine --opt-out registry.csv
    domains, URLs, accounts and hashes that have opted out
pairsieve check --dataset runs/mine --image photo.jpg
    and copies of example pictures
pairsieve check --dataset runs/mine --config my.yaml
    and medical pictures by published embeddings; limits of the config
pairsieve check --dataset runs/mine --limit medical_words=0.02
    a share of the rows that may bear a kind of finding

Every row is looked at: disease names and medical words of the shipped lists, personal data, medical
pictures, faces with any of these, rows that were taken out before (--tombstones, by default
DATASET.erased), domains that have opted out, missing provenance. The list holds captions and
addresses: it is for those who decide. Nothing is requested; a picture is loaded when somebody opens
it. Works on adopted datasets too. Exit status: 0 within the limits, 1 above them, 2 it could not be
checked.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.commands.config_options import add_no_plugins

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pairsieve.records.manifest import Manifest
    from pipeline.config import Config
    from pipeline.dataset.review import Looked, Scores


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="pairsieve check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--dataset",
        required=True,
        metavar="DIR",
        help="the output directory of a run, or a dataset that was adopted",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="where the review list goes (default: DATASET.check.html beside the dataset)",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="the dataset's config: its limits (publish.release_limits), and its models",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="a.b=value",
        help="change one setting of the config",
    )
    add_no_plugins(parser)
    parser.add_argument(
        "--tombstones",
        metavar="DIR",
        help="what was taken out (default: DATASET.erased, where it is there)",
    )
    parser.add_argument(
        "--opt-out",
        action="append",
        default=[],
        metavar="FILE",
        help="a registry of refusals, as the rule opt_outs reads it; may be given again",
    )
    parser.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="FILE",
        help="an example picture; may be given again",
    )
    parser.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="KIND=SHARE",
        help="of the rows; may be given again",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    from pairsieve.erasure.list_file import UnreadableList
    from pairsieve.erasure.tombstones import NoTombstones
    from pairsieve.storage import files
    from pairsieve.storage.shards import shard_paths
    from pipeline.config import config_of
    from pipeline.dataset.manifest import NoSuchDataset, read_manifest
    from pipeline.dataset.review import RISKS, review, review_page
    from pipeline.orchestrate.config_file import ConfigError

    try:
        manifest = read_manifest(options.dataset)
        config = config_of(options) if options.config else None
        limits = {
            **(config.publish.release_limits if config else {}),
            **_limits(options.limit, RISKS),
        }
        scores = _scores(options.dataset, manifest, config) if config else None
        found = review(
            options.dataset,
            shard_paths(manifest),
            _looked(options),
            manifest.columns,
            scores,
        )
    except (NoSuchDataset, NoTombstones, ConfigError, UnreadableList, OSError) as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 2
    over = found.over(limits)
    out = options.out or f"{options.dataset.rstrip('/')}.check.html"
    files.write_private(out, review_page(manifest.name or options.dataset, found, over))
    sys.stdout.write("".join(f"{kind:<20}{found.counts[kind]:>10,}\n" for kind in RISKS))
    sys.stdout.write(
        "".join(f"above the limit: {line}\n" for line in over)
        + f"{out}: {found.rows:,} rows looked at\n"
    )
    return 1 if over else 0


def _limits(given: Sequence[str], known: Mapping[str, float]) -> dict[str, float]:
    from filters.registry import nearest
    from pipeline.orchestrate.config_file import ConfigError

    found = {}
    for one in given:
        kind, _, share = one.partition("=")
        if kind not in known:
            raise ConfigError(f"--limit {one}: {nearest(kind, known)}")
        try:
            found[kind] = float(share)
        except ValueError:
            raise ConfigError(
                f"--limit {one}: write it as {kind}=0.01, a share of the rows"
            ) from None
    return found


def _looked(options: argparse.Namespace) -> Looked:
    from pairsieve.erasure.opt_outs import read_opt_outs
    from pairsieve.erasure.tombstones import read_tombstones
    from pairsieve.search.example import read_example
    from pairsieve.storage import files
    from pipeline.dataset.manifest import NoSuchDataset
    from pipeline.dataset.review import Looked

    folder = options.tombstones or f"{options.dataset.rstrip('/')}.erased"
    stones = read_tombstones(folder) if options.tombstones or files.exists(folder) else None
    opted_out, _ = read_opt_outs(dict.fromkeys(options.opt_out, "auto"), skip_unreadable=False)
    hashes, digests = list[bytes](), set[str]()
    for path in options.image:
        with files.open_read(path) as stream:
            example = read_example(stream.read(), [])
        if not isinstance(example, tuple):
            raise NoSuchDataset(f"{path} is no picture that can be read ({example.reason})")
        hashes += example[0].pdq
        digests.add(example[0].sha256)
    return Looked(stones, opted_out, hashes, frozenset(digests))


def _scores(dataset: str, manifest: Manifest, config: Config) -> Scores | None:
    """How medical pictures are by their published vectors; None where there are none."""
    from filters.medical.picture import MedicalPicture
    from filters.registry import build_detectors
    from filters.subjects import Embedding
    from pairsieve.search.sources import read_vectors, sources
    from pipeline.dataset.encoders import load_encoders

    shards = {source.path: source for source in sources(manifest) if source.vectors}
    if not shards:
        return None
    encoders = load_encoders(config, manifest)
    (detector,) = build_detectors(
        {MedicalPicture.name: config.filters.detectors.get(MedicalPicture.name, {})}
    )
    observe = detector.load()

    def scores(path: str) -> Iterator[float]:
        encoder = encoders[shards[path].space]
        for vector in read_vectors(dataset, shards[path]):
            evidence = observe(Embedding(vector, encoder.prompts, encoder.logit_scale))
            yield float(evidence["medical_picture_score"])  # type: ignore[arg-type]

    return scores
