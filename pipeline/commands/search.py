"""Search a dataset on the command line: by words, address, picture or meaning.

pairsieve search --dataset runs/mine "red car"
    captions and addresses that hold all words
pairsieve search --dataset runs/mine --image photo.jpg
    the same picture, turned or encoded anew
pairsieve search --dataset runs/mine --image photo.jpg --config C
    and what looks like it (needs published embeddings)
pairsieve search --dataset runs/mine --meaning "a knee" --config C
    what a picture shows, whatever its caption says
pairsieve search --dataset runs/mine --url URL | --page URL | --domain a.example

Words in quotes are a phrase; a word behind - must not be there. `pairsieve index` makes the index.
Exit status: 0 something was found, 1 nothing was, 2 it could not be searched.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.commands.config_options import add_no_plugins
from pipeline.commands.extras import lacks

if TYPE_CHECKING:
    from pairsieve.search.find import Query, Results, Search

WIDTHS = (("similarity", 10), ("subset", 8), ("domain", 26), ("TEXT", 60))


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="pairsieve search",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("words", nargs="?", default="", help="words of captions and addresses")
    parser.add_argument(
        "--dataset", required=True, metavar="DIR", help="the dataset that was indexed"
    )
    parser.add_argument("--index", metavar="DIR", help="its index (default: DATASET.index)")
    parser.add_argument("--image", metavar="FILE", help="an example picture")
    parser.add_argument("--meaning", metavar="TEXT", help="what a picture shows")
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="the dataset's config, for the models that made its vectors",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="a.b=value",
        help="change one setting of the config",
    )
    add_no_plugins(parser)
    parser.add_argument("--url", default="", help="an image's URL")
    parser.add_argument("--page", default="", help="a page's URL")
    for name in ("domain", "licence", "subset", "language", "tag"):
        parser.add_argument(
            f"--{name}", action="append", default=[], help=f"only this {name}; may be given again"
        )
    parser.add_argument(
        "--sort",
        default="best",
        choices=("best", "similarity"),
        help="best match first, or most similar pair first",
    )
    parser.add_argument(
        "--number",
        type=int,
        default=20,
        metavar="N",
        help="how many are shown, at most 100 (default: 20)",
    )
    parser.add_argument(
        "--result-page", type=int, default=1, metavar="N", help="which page of them (default: 1)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    if lacks("search"):
        return 2
    from pairsieve.search.find import check_version, open_search
    from pairsieve.search.index import BadIndex
    from pipeline.commands.index import index_of
    from pipeline.dataset.manifest import NoSuchDataset, read_manifest
    from pipeline.orchestrate.config_file import ConfigError

    try:
        search = open_search(options.index or index_of(options.dataset))
        check_version(search.contents, read_manifest(options.dataset))
        found = _find(search, options)
    except (BadIndex, NoSuchDataset, ConfigError) as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 2
    sys.stdout.writelines(_json(found) if options.json else _table(found))
    return 0 if found.total else 1


def _find(search: Search, options: argparse.Namespace) -> Results:
    from pairsieve.search.example import read_example
    from pairsieve.storage import files
    from pipeline.config import config_of
    from pipeline.dataset.encoders import load_encoders
    from pipeline.dataset.manifest import NoSuchDataset, read_manifest

    query = _query(options)
    if not options.image and not options.meaning:
        return search.by_words(query)
    encoders = (
        load_encoders(config_of(options), read_manifest(options.dataset)) if options.config else {}
    )
    if options.meaning:
        if not encoders:
            raise NoSuchDataset(
                "--meaning needs the models that made the vectors: give --config, the one the "
                "dataset was made with"
            )
        return search.by_meaning(query, lambda space: encoders[space].texts([options.meaning])[0])
    try:
        with files.open_read(options.image) as stream:
            example = read_example(stream.read(), [encoder.square for encoder in encoders.values()])
    except OSError as error:
        raise NoSuchDataset(
            f"the example picture cannot be read ({type(error).__name__})"
        ) from None
    if not isinstance(example, tuple):
        raise NoSuchDataset(f"the example is no picture that can be read ({example.reason})")
    pixels = dict(zip(encoders, example[1], strict=True))
    return search.by_picture(
        query,
        example[0],
        (lambda space: encoders[space].pictures([pixels[space]])[0]) if encoders else None,
    )


def _query(options: argparse.Namespace) -> Query:
    from pairsieve.search.find import Query

    exact = {
        "host": options.domain,
        **{name: getattr(options, name) for name in ("licence", "subset", "language", "tag")},
    }
    return Query(
        options.words,
        options.url,
        options.page,
        exact,
        options.sort,
        options.result_page,
        options.number,
    )


def _json(found: Results) -> Iterator[str]:
    return (
        json.dumps({"why": hit.why, "score": round(hit.score, 4), **hit.row}, ensure_ascii=False)
        + "\n"
        for hit in found.hits
    )


def _table(found: Results) -> Iterator[str]:
    yield "  ".join([f"{name:<{width}}" for name, width in WIDTHS] + ["found as"]).rstrip() + "\n"
    for hit in found.hits:
        row: dict[str, Any] = {
            **hit.row,
            "domain": hit.row.get("URL", "").partition("://")[2].partition("/")[0],
        }
        cells = [_cell(row.get(name), width) for name, width in WIDTHS]
        yield (
            "  ".join([*cells, hit.why]).rstrip()
            + "\n"
            + " " * 12
            + _cell(row.get("URL"), 2_000).rstrip()
            + "\n"
        )
    yield f"{len(found.hits)} of {found.total:,}\n"


def _cell(value: object, width: int) -> str:
    from pairsieve.web.shown import plain

    text = f"{value:.3f}" if isinstance(value, float) else plain(str(value or ""), width - 1)
    return f"{text:<{width}}"
