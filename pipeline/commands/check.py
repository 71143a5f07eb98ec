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
pairsieve check --dataset s3://data/mine --runner=FlinkRunner --flink_master=...
    on a cluster: options that are not listed here go to Beam, as those of `pairsieve run` do

The command looks at every row for: disease names and medical words of the shipped lists, personal
data, medical pictures, faces with any of these, captions about children, rows that are tagged as
documents, rows that were taken out before (--tombstones, by default DATASET.erased), domains that
have opted out, and missing provenance. Personal data are looked for twice: by the filter's own
patterns, and by those of Presidio (second_detector) where the extra `presidio` is installed; the
output says whether it is. The list holds captions and addresses: it is for those who decide. The
command makes no request; a browser loads a picture of the list when somebody opens it. Adopted
datasets can be checked too.

Exit status: 0 within the limits, 1 above them, 2 the dataset could not be checked, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.commands.options import (
    add_dataset,
    add_log_and_patience,
    add_no_plugins,
    add_set,
    add_work,
    make_verb_parser,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from filters.detector import Observe
    from pairsieve.clip.encoder import Encoder
    from pairsieve.records.manifest import Manifest
    from pairsieve.search.example import Example
    from pairsieve.search.sources import Source
    from pipeline.config import Config
    from transforms.review.review import MedicalByVector, Review, ReviewSettings, VectorModel


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
    add_log_and_patience(parser)
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
    parser = make_parser()
    # What this parser does not know goes to Beam.
    options, beam_arguments = parser.parse_known_args(arguments)
    from pairsieve.erasure.list_file import UnreadableList
    from pairsieve.erasure.tombstones import NoTombstones
    from pairsieve.storage import files
    from pairsieve.storage.marked import NotOurs
    from pipeline.dataset.manifest import NoSuchDataset, read_manifest
    from pipeline.dataset.review import over, review_page
    from pipeline.load_config import config_of
    from pipeline.monitoring.logs import configure_logging, shows_bars
    from pipeline.orchestrate.config_file import ConfigError
    from pipeline.orchestrate.engine import JobFailed, make_engine
    from pipeline.orchestrate.review_job import review_dataset
    from transforms.review.findings import RISKS

    configure_logging(options.log)
    dataset = options.dataset
    out = options.out or f"{dataset.rstrip('/')}.check.html"
    limits: dict[str, float] = {}
    try:
        engine = make_engine(
            beam_arguments, list(parser._option_string_actions), options.patience * 60
        )
        manifest = read_manifest(dataset)
        config = config_of(options) if options.config else None
        if config is not None:
            limits.update(config.publish.release_limits)
        limits.update(_limits(options.limit, RISKS))
        settings = _settings(options, manifest, config)
        shards = _shards(manifest, settings)
        review = review_dataset(engine, settings, shards, f"{out}.job", shows_bars(options.log))
    except (NoSuchDataset, NoTombstones, ConfigError, UnreadableList, NotOurs) as error:
        return _fail(str(error), 2)
    except (JobFailed, OSError) as error:
        return _fail(str(error), 2)
    except KeyboardInterrupt as error:
        return _fail(f"interrupted: {error or 'nothing goes on running'}", 130)
    too_many = over(review, limits)
    page = review_page(manifest.name or dataset, review, too_many)
    files.write_private(out, page)
    sys.stdout.writelines(_summary(review, settings, too_many))
    sys.stdout.write(f"{out}: {review.rows:,} rows looked at\n")
    return 1 if too_many else 0


def _summary(review: Review, settings: ReviewSettings, too_many: Sequence[str]) -> Iterator[str]:
    """The lines of what was found, of the second detector, and of what is above its limit."""
    from transforms.review.findings import RISKS

    for kind in RISKS:
        yield f"{kind:<20}{review.counts[kind]:>10,}\n"
    yield f"{_second_detector_note(settings)}\n"
    for line in too_many:
        yield f"above the limit: {line}\n"


def _fail(message: str, status: int) -> int:
    """Print an error, and return the exit status."""
    sys.stderr.write(f"pairsieve: {message}\n")
    return status


def _second_detector_note(settings: ReviewSettings) -> str:
    if settings.has_second:
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


def _settings(
    options: argparse.Namespace, manifest: Manifest, config: Config | None
) -> ReviewSettings:
    """What the options have the check look for.

    All lists are read once here, so that one which cannot be read is known before the job starts.
    Raises NoTombstones, UnreadableList, NoSuchDataset, OSError.
    """
    from importlib.util import find_spec

    from filters.privacy.presidio_patterns import PACKAGE
    from pairsieve.storage import files
    from pipeline.dataset.review import medical_words_of
    from pipeline.dataset.sidecar import needed_private_results
    from transforms.review.findings import MedicalWords
    from transforms.review.review import ReviewSettings, load_reviewer

    folder = options.tombstones or f"{options.dataset.rstrip('/')}.erased"
    # A folder that was named must be there; the default one may not.
    has_tombstones = options.tombstones or files.exists(folder)
    examples = [_example(path) for path in options.image]
    hashes: list[bytes] = []
    for example in examples:
        hashes += example.pdq
    medical = MedicalWords()
    vectors = None
    if config is not None:
        medical = medical_words_of(config.filters)
        vectors = _medical_by_vector(manifest, config)
    settings = ReviewSettings(
        dataset=options.dataset,
        columns=manifest.columns,
        private=needed_private_results(options.work, options.dataset, manifest),
        tombstones=folder if has_tombstones else "",
        opt_outs=tuple(options.opt_out),
        example_hashes=tuple(hashes),
        example_digests=frozenset(example.sha256 for example in examples),
        has_second=find_spec(PACKAGE) is not None,
        medical=medical,
        vectors=vectors,
    )
    load_reviewer(settings)
    return settings


def _example(path: str) -> Example:
    """The hashes of an example picture. Raises NoSuchDataset, OSError."""
    from pairsieve.search.example import read_example
    from pairsieve.storage import files
    from pipeline.dataset.manifest import NoSuchDataset

    with files.open_read(path) as stream:
        read = read_example(stream.read(), [])
    if not isinstance(read, tuple):
        raise NoSuchDataset(f"{path} is no picture that can be read ({read.reason})")
    # Without models there are no pixels.
    example, _ = read
    return example


def _shards(manifest: Manifest, settings: ReviewSettings) -> list[Source]:
    """The shards, with their vectors only where these are looked at."""
    from pairsieve.search.sources import sources

    shards = sources(manifest)
    if settings.vectors is None:
        return [replace(shard, vectors="") for shard in shards]
    return shards


def _medical_by_vector(manifest: Manifest, config: Config) -> MedicalByVector | None:
    """Settings to find medical pictures by published vectors; None where there are none."""
    from filters.medical.picture import MedicalPicture
    from filters.registry import build_detectors
    from pairsieve.search.sources import sources
    from pipeline.dataset.encoders import load_encoders
    from transforms.review.review import MedicalByVector

    spaces = {shard.space for shard in sources(manifest) if shard.vectors}
    if not spaces:
        return None
    settings = config.filters.detectors.get(MedicalPicture.name, {})
    (detector,) = build_detectors({MedicalPicture.name: settings})
    observe = detector.load()
    encoders = load_encoders(config, manifest)
    models = {space: _vector_model(encoders[space], observe) for space in sorted(spaces)}
    return MedicalByVector(models, settings)


def _vector_model(encoder: Encoder, observe: Observe) -> VectorModel:
    """What workers need of a model that looks at vectors only: the vectors of all prompts."""
    from filters.subjects import Embedding
    from transforms.review.review import VectorModel

    prompts: dict[tuple[str, ...], NDArray[np.float32]] = {}

    def vectors_of(texts: tuple[str, ...]) -> NDArray[np.float32]:
        prompts[texts] = encoder.prompts(texts)
        return prompts[texts]

    # Asked about any vector, the detector shows which prompts it needs.
    (any_vector,) = encoder.texts(["a picture"])
    observe(Embedding(any_vector, vectors_of, encoder.logit_scale))
    return VectorModel(prompts, encoder.logit_scale)
