"""How much a run has to do: pages, pairs and rows, as far as they are known before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pairsieve.storage import files
from pipeline.config import Config
from pipeline.orchestrate.config_file import ConfigError
from pipeline.orchestrate.rates import Rates
from pipeline.orchestrate.results import Results

# Inputs whose size is asked for. The size of the others is their average.
SIZED_FILES = 20


@dataclass(frozen=True)
class Work:
    """How much there is to do.

    `known_rows`: the rows of earlier datasets, each of which is read once for all runs. `web`:
    pictures are requested from their hosts. `gpu`: an accelerator scores. `interval_s`: the time
    between two requests to a host.
    """

    pages: float
    pairs: float
    archived_files: float = 0
    web: bool = True
    gpu: bool = False
    interval_s: float = 1.0
    known_rows: float = 0


def work_of(
    config: Config, inputs: Sequence[str], rates: Rates, known: Sequence[str] = ()
) -> Work | None:
    """The work of a whole run, from the size of its archives; None if that is not known.

    Assumes that the archives are like those that were measured, and that no file of the earlier
    datasets in `known` has been read by a run before. Raises ConfigError for one that is no parquet
    file.
    """
    if config.input.kind != "archives":
        return None
    size = _bytes_of(inputs, config.input.options)
    if size is None:
        return None
    # Archives with pictures have fewer pages in as many bytes.
    if config.fetch.source == "archive":
        pages = size / rates.warc_bytes_per_page
    else:
        pages = size / rates.warc_bytes_per_page_alone
    work = _work(config, pages, pages * rates.pairs_per_page, rates)
    return replace(work, known_rows=_rows_of(known))


def work_left(results: Results, rates: Rates) -> Work | None:
    """Like `work_of`, but with the counted pages and pairs once extract is complete."""
    plan, extracted = results.plan, results.extracted
    if not extracted.complete:
        return work_of(plan.config, plan.inputs, rates, plan.known)
    counts = extracted.read_counts()
    return _work(plan.config, counts["page"].entered, counts["image"].kept, rates)


def _work(config: Config, pages: float, pairs: float, rates: Rates) -> Work:
    archive = config.fetch.source == "archive"
    archived_files = pages * rates.archived_files_per_page if archive else 0
    return Work(
        pages=pages,
        pairs=pairs,
        archived_files=archived_files,
        web=not archive,
        gpu=bool(config.score.accelerator),
        interval_s=config.fetch.min_interval_s,
    )


def _bytes_of(inputs: Sequence[str], options: files.Options) -> float | None:
    """The size of all archives; None when a store does not tell.

    Only some are asked for: a store answers slowly, and the archives of a crawl are alike.
    """
    sizes = [files.size_of(path, options) for path in _some(inputs)]
    if min(sizes) < 0:
        return None
    return sum(sizes) / len(sizes) * len(inputs)


def _rows_of(paths: Sequence[str]) -> float:
    """The rows of parquet files, from the footers of some. Raises ConfigError."""
    if not paths:
        return 0
    some = _some(paths)
    return sum(map(_rows_of_one, some)) / len(some) * len(paths)


def _rows_of_one(path: str) -> int:
    # pyarrow takes long to import, and most runs have no earlier datasets.
    import pyarrow as pa

    from pairsieve.links.tables import number_of_rows

    try:
        return number_of_rows(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ConfigError(
            f"{path} is no parquet file that can be read ({type(error).__name__}); it is among "
            "the earlier datasets of extract.known"
        ) from None


def _some(paths: Sequence[str]) -> Sequence[str]:
    """About SIZED_FILES of some files."""
    # Evenly from the whole list: files of one kind may lie together.
    return paths[:: max(1, len(paths) // SIZED_FILES)]
