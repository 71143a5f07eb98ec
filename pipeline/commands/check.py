"""Search a dataset for personal and medical data before it is released.

pairsieve check --dataset runs/mine
    write a review list beside the dataset: runs/mine.check.html
pairsieve check --dataset runs/mine --opt-out registry.csv
    also look for domains, URLs, accounts and hashes that have opted out
pairsieve check --dataset runs/mine --image photo.jpg
    also look for copies of an example picture
pairsieve check --dataset runs/mine --config my.yaml
    also look for medical pictures by published embeddings; apply the config's limits, and count
    medical words as its rules do
pairsieve check --dataset runs/mine --work work/mine
    also look at the private columns: faces, and medical pictures, beside other findings
pairsieve check --dataset runs/mine --limit medical_words=0.02
    allow a kind of finding in 2 % of the rows

The command looks at every row for: disease names and medical words of the shipped lists, personal
data, medical pictures, faces with any of these, captions about children, rows that are tagged as
documents, rows that were taken out before (--tombstones, by default DATASET.erased), domains that
have opted out, and missing provenance. Personal data are looked for twice: by the filter's own
patterns, and by those of Presidio (second_detector) where the extra `presidio` is installed; the
output says whether it is. The list holds captions and addresses: it is for those who decide. The
command makes no request; a browser loads a picture of the list when somebody opens it. Adopted
datasets can be checked too.

Exit status: 0 within the limits, 1 above them, 2 the dataset could not be checked.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.commands.options import (
    add_dataset,
    add_no_plugins,
    add_set,
    add_work,
    make_verb_parser,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pairsieve.records.manifest import Manifest
    from pipeline.config import Config
    from pipeline.dataset.review import Reviewer, Scores


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = make_verb_parser("check", __doc__)
    add_dataset(parser, "the output directory of a run, or an adopted dataset")
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
    add_set(parser)
    add_no_plugins(parser)
    parser.add_argument(
        "--tombstones",
        metavar="DIR",
        help="tombstones of rows that were taken out (default: DATASET.erased, if it exists)",
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
    add_work(parser)
    parser.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="KIND=SHARE",
        help="the share of the rows that may have a kind of finding; may be given again",
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
    from pipeline.dataset.review import RISKS, MedicalWords, review, review_page
    from pipeline.dataset.sidecar import needed_private_results
    from pipeline.orchestrate.config_file import ConfigError

    dataset = options.dataset
    try:
        manifest = read_manifest(dataset)
        limits: dict[str, float] = {}
        scores = None
        words = MedicalWords()
        if options.config:
            config = config_of(options)
            limits.update(config.publish.release_limits)
            words = MedicalWords.of_filters(config.filters)
            scores = _vector_scores(dataset, manifest, config)
        limits.update(_limits(options.limit, RISKS))
        private = needed_private_results(options.work, dataset, manifest)
        reviewer = replace(_reviewer(options, private), medical=words)
        result = review(dataset, shard_paths(manifest), reviewer, manifest.columns, scores)
    except (NoSuchDataset, NoTombstones, ConfigError, UnreadableList, OSError) as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 2
    too_many = result.over(limits)
    out = options.out or f"{dataset.rstrip('/')}.check.html"
    files.write_private(out, review_page(manifest.name or dataset, result, too_many))
    sys.stdout.writelines(f"{kind:<20}{result.counts[kind]:>10,}\n" for kind in RISKS)
    sys.stdout.write(f"{_second_detector_note(reviewer)}\n")
    sys.stdout.writelines(f"above the limit: {line}\n" for line in too_many)
    sys.stdout.write(f"{out}: {result.rows:,} rows looked at\n")
    return 1 if too_many else 0


def _second_detector_note(reviewer: Reviewer) -> str:
    if reviewer.second is not None:
        return "second detector of personal data: the patterns of Presidio"
    return (
        "second detector of personal data: none. Presidio is not installed, so the patterns that "
        "the filter uses have checked themselves: pip install 'pairsieve[presidio]'"
    )


def _limits(given: Sequence[str], kinds: Mapping[str, float]) -> dict[str, float]:
    """The values of --limit. Raises ConfigError."""
    from filters.registry import nearest
    from pipeline.orchestrate.config_file import ConfigError

    limits = {}
    for text in given:
        kind, _, share = text.partition("=")
        if kind not in kinds:
            raise ConfigError(f"--limit {text}: {nearest(kind, kinds)}")
        try:
            limits[kind] = float(share)
        except ValueError:
            raise ConfigError(
                f"--limit {text}: write it as {kind}=0.01, a share of the rows"
            ) from None
    return limits


def _reviewer(options: argparse.Namespace, private: str) -> Reviewer:
    """What the options have the check look for.

    Raises NoTombstones, UnreadableList, NoSuchDataset, OSError.
    """
    from filters.privacy.presidio_patterns import load_presidio_patterns
    from pairsieve.erasure.opt_outs import read_opt_outs
    from pairsieve.erasure.tombstones import read_tombstones
    from pairsieve.search.example import read_example
    from pairsieve.storage import files
    from pipeline.dataset.manifest import NoSuchDataset
    from pipeline.dataset.review import Reviewer

    folder = options.tombstones or f"{options.dataset.rstrip('/')}.erased"
    # A folder that was named must be there; the default one may not.
    has_tombstones = options.tombstones or files.exists(folder)
    stones = read_tombstones(folder) if has_tombstones else None
    opted_out, _ = read_opt_outs(dict.fromkeys(options.opt_out, "auto"), skip_unreadable=False)
    hashes, digests = list[bytes](), set[str]()
    for path in options.image:
        with files.open_read(path) as stream:
            example = read_example(stream.read(), [])
        if not isinstance(example, tuple):
            raise NoSuchDataset(f"{path} is no picture that can be read ({example.reason})")
        hashes += example[0].pdq
        digests.add(example[0].sha256)
    second = load_presidio_patterns()
    return Reviewer(stones, opted_out, hashes, frozenset(digests), second, private)


def _vector_scores(dataset: str, manifest: Manifest, config: Config) -> Scores | None:
    """How medical pictures are by their published vectors; None where no vectors were published."""
    from filters.medical.picture import MedicalPicture
    from filters.registry import build_detectors
    from filters.subjects import Embedding
    from pairsieve.search.sources import read_vectors, sources
    from pipeline.dataset.encoders import load_encoders

    shards = {source.path: source for source in sources(manifest) if source.vectors}
    if not shards:
        return None
    encoders = load_encoders(config, manifest)
    name = MedicalPicture.name
    (detector,) = build_detectors({name: config.filters.detectors.get(name, {})})
    observe = detector.load()

    def scores(path: str) -> Iterator[float]:
        encoder = encoders[shards[path].space]
        for vector in read_vectors(dataset, shards[path]):
            evidence = observe(Embedding(vector, encoder.prompts, encoder.logit_scale))
            yield float(evidence["medical_picture_score"])  # type: ignore[arg-type]

    return scores
