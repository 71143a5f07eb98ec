"""Search a dataset on the command line: by words, address, picture or meaning.

pairsieve search --dataset runs/mine "red car"
    captions and addresses that hold all words
pairsieve search --dataset runs/mine --image photo.jpg
    the same picture, also turned or encoded anew
pairsieve search --dataset runs/mine --image photo.jpg --config C
    also pictures that look like it (needs published embeddings)
pairsieve search --dataset runs/mine --meaning "a knee" --config C
    pictures that show it, whatever their captions say
pairsieve search --dataset runs/mine --url URL | --page URL | --domain a.example
    an image, a page, or all images of a domain

Words are found in any case, with and without accents, and in other forms (car, cars). Words in
quotes are a phrase. A row with a word behind - is left out. All criteria must match.
`pairsieve index` makes the index.

Exit status: 0 something was found, 1 nothing was found, 2 the dataset could not be searched.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.commands.extras import lacks
from pipeline.commands.options import add_dataset, add_no_plugins, add_set, make_verb_parser

if TYPE_CHECKING:
    from pairsieve.clip.encoder import Encoder
    from pairsieve.search.find import Query, Results, Search

WIDTHS = (("similarity", 10), ("subset", 8), ("domain", 26), ("TEXT", 60))
"""Columns of the table, and their widths in letters."""
MAX_URL_LETTERS = 2_000
FILTERS = ("domain", "licence", "subset", "language", "tag")


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = make_verb_parser("search", __doc__)
    parser.add_argument("words", nargs="?", default="", help="words of captions and addresses")
    add_dataset(parser, "the dataset that was indexed")
    parser.add_argument("--index", metavar="DIR", help="its index (default: DATASET.index)")
    parser.add_argument("--image", metavar="FILE", help="an example picture")
    parser.add_argument("--meaning", metavar="TEXT", help="what a picture shows")
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="the dataset's config, for the models that made its vectors",
    )
    add_set(parser)
    add_no_plugins(parser)
    parser.add_argument("--url", default="", help="an image's URL")
    parser.add_argument("--page", default="", help="a page's URL")
    for name in FILTERS:
        parser.add_argument(
            f"--{name}", action="append", default=[], help=f"only this {name}; may be given again"
        )
    parser.add_argument(
        "--sort",
        default="best",
        choices=("best", "similarity"),
        help="best match first, or most similar pair first (default: best)",
    )
    parser.add_argument(
        "--number",
        type=int,
        default=20,
        metavar="N",
        help="how many rows to show, at most 100 (default: 20)",
    )
    parser.add_argument(
        "--result-page", type=int, default=1, metavar="N", help="which page of them (default: 1)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    if lacks("search"):
        return 2
    from pairsieve.search.find import NO_WORDS, check_version, open_search
    from pairsieve.search.index import BadIndex
    from pairsieve.web.places import NotAPlace
    from pipeline.commands.index import index_of
    from pipeline.dataset.manifest import NoSuchDataset, read_manifest
    from pipeline.orchestrate.config_file import ConfigError

    try:
        search = open_search(options.index or index_of(options.dataset))
        check_version(search.contents, read_manifest(options.dataset))
        results = _search(search, options)
    except (BadIndex, NoSuchDataset, ConfigError, NotAPlace) as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 2
    if results.reason == NO_WORDS:
        sys.stderr.write(
            "pairsieve: nothing was looked for: the words hold no letter, digit or symbol\n"
        )
    lines = _json_lines(results) if options.json else _table(results)
    sys.stdout.writelines(lines)
    if not options.json:
        sys.stdout.writelines(_same_addresses(search, options.url or options.page))
    return 0 if results.total else 1


def _search(search: Search, options: argparse.Namespace) -> Results:
    """Search by meaning, by picture, or by words. Raises NoSuchDataset, ConfigError, BadIndex."""
    from pipeline.dataset.encoders import load_encoders
    from pipeline.dataset.manifest import NoSuchDataset, read_manifest
    from pipeline.load_config import config_of

    query = _query(options)
    if not options.image and not options.meaning:
        return search.by_words(query)
    encoders: dict[str, Encoder] = {}
    if options.config:
        encoders = load_encoders(config_of(options), read_manifest(options.dataset))
    if not options.meaning:
        return _search_by_picture(search, query, options.image, encoders)
    if not encoders:
        raise NoSuchDataset(
            "--meaning needs the models that made the vectors: give --config, the one the "
            "dataset was made with"
        )
    return search.by_meaning(query, lambda space: encoders[space].texts([options.meaning]))


def _search_by_picture(
    search: Search, query: Query, path: str, encoders: dict[str, Encoder]
) -> Results:
    from pairsieve.search.example import read_example
    from pairsieve.storage import files
    from pipeline.dataset.manifest import NoSuchDataset

    squares = [encoder.square for encoder in encoders.values()]
    try:
        with files.open_read(path) as stream:
            example = read_example(stream.read(), squares)
    except OSError as error:
        raise NoSuchDataset(
            f"the example picture cannot be read ({type(error).__name__})"
        ) from None
    if not isinstance(example, tuple):
        raise NoSuchDataset(f"the example is no picture that can be read ({example.reason})")
    hashes, pixels = example
    # Without models only the same picture is found.
    if not encoders:
        return search.by_picture(query, hashes, None)
    pixels_of = dict(zip(encoders, pixels, strict=True))
    return search.by_picture(
        query, hashes, lambda space: encoders[space].pictures(pixels_of[space])
    )


def _query(options: argparse.Namespace) -> Query:
    from pairsieve.search.find import Query

    # The index has the domain of an image under its host.
    exact = {"host" if name == "domain" else name: getattr(options, name) for name in FILTERS}
    return Query(
        options.words,
        options.url,
        options.page,
        exact,
        options.sort,
        options.result_page,
        options.number,
    )


def _json_lines(results: Results) -> Iterator[str]:
    for hit in results.hits:
        row = {"why": hit.why, "score": round(hit.score, 4), **hit.row}
        yield json.dumps(row, ensure_ascii=False) + "\n"


def _table(results: Results) -> Iterator[str]:
    """Two lines a row: its columns, and below them its URL."""
    names = [f"{name:<{width}}" for name, width in WIDTHS]
    yield "  ".join([*names, "found as"]).rstrip() + "\n"
    for hit in results.hits:
        _, _, behind_scheme = hit.row.get("URL", "").partition("://")
        domain, _, _ = behind_scheme.partition("/")
        row: dict[str, Any] = {**hit.row, "domain": domain}
        cells = [_cell(row.get(name), width) for name, width in WIDTHS]
        yield "  ".join([*cells, hit.why]).rstrip() + "\n"
        url = _cell(row.get("URL"), MAX_URL_LETTERS)
        yield " " * 12 + url.rstrip() + "\n"
    yield f"{len(results.hits)} of {results.total:,}\n"


def _same_addresses(search: Search, url: str) -> Iterator[str]:
    """Addresses that most likely show the same as the one that was searched for."""
    for one in search.same_addresses(url):
        option = "--url" if one.kind == "image_url" else "--page"
        address = _cell(one.url, MAX_URL_LETTERS).rstrip()
        yield f"the same address? {option} {address} ({one.rows:,})\n"


def _cell(value: object, width: int) -> str:
    """A value cut to a width; what strangers wrote cannot change the terminal."""
    from pairsieve.web.shown import plain

    text = f"{value:.3f}" if isinstance(value, float) else plain(str(value or ""), width - 1)
    return f"{text:<{width}}"
