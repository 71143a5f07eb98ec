"""Whether reading and extraction agree with others on the same file: a check, not a race.

    python benchmarks/agree.py FILE.warc.gz [--wat FILE.warc.wat.gz]

- warcio's own index: the same records at the same offsets;
- html5lib: the same `img[src][alt]` on every page, in the same order;
- cc2dataset's rule on WAT links (`IMG@/src` with an alt): the same (page, src, alt);
- our reading of the WAT: the same pairs as of the WARC.

Prints what differs by kind, and one example of each; ends with status 1 if anything does.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from html import unescape

import html5lib
from warcio.archiveiterator import ArchiveIterator
from warcio.indexer import Indexer

from filters.detector import Needs
from filters.registry import needing
from pairsieve.records.page import Page
from pairsieve.records.pair import Pair
from pairsieve.warc.member_records import first_record
from pairsieve.warc.members import next_start, read_members
from pairsieve.warc.reader import ReadSettings, read_split
from pairsieve.warc.splits import split_file
from pairsieve.web.html import ParsedPage, parse_page
from pairsieve.web.text import to_utf8
from pipeline.config import load_config
from pipeline.orchestrate.config_file import CONFIGS
from pipeline.orchestrate.job_settings import Jobs
from pipeline.orchestrate.plan import make_plan
from pipeline.orchestrate.results import Results
from transforms.extractor import make_extractor

NAMESPACE = "{http://www.w3.org/1999/xhtml}"
Row = tuple[str, str]


def main() -> int:
    """Compare, print, and say by the exit status whether all agree."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("warc")
    parser.add_argument("--wat", help="the WAT file of the same crawl")
    options = parser.parse_args()
    found = list(_pages(options.warc))
    agree = [
        _compare(
            "record offsets, with warcio's index",
            _offsets(options.warc),
            Counter(_index_offsets(options.warc)),
        )
    ]
    agree.append(
        _compare("img[src][alt], with html5lib", _rows(found, _ours), _rows(found, _html5lib))
    )
    if options.wat:
        pages = {page.url for page in found}
        ours: Counter[object] = Counter(
            (page.url, *row) for page in found for row in _ours(page) if row[1]
        )
        agree.append(
            _compare(
                "(page, src, alt), with cc2dataset's rule on the WAT",
                ours,
                Counter(_wat_links(options.wat, pages)),
            )
        )
        agree.append(
            _compare(
                "pairs, with our reading of the WAT", _pairs(options.warc), _pairs(options.wat)
            )
        )
    return 0 if all(agree) else 1


def _compare(what: str, ours: Counter[object], others: Counter[object]) -> bool:
    missing, more = others - ours, ours - others
    print(
        f"{what}: {sum(ours.values()):,} ours, {sum(others.values()):,} theirs, {missing.total()} "
        f"missing, {more.total()} more"
    )
    for name, rows in (("missing", missing), ("more", more)):
        for row in list(rows)[:1]:
            print(f"  {name}: {row}")
    return not missing and not more


def _pages(path: str) -> Iterator[Page]:
    for split in split_file(path, None, {}):
        yield from (
            page
            for page in read_split(split, ReadSettings(10_000_000, locate=False))
            if isinstance(page, Page)
        )


def _offsets(path: str) -> Counter[object]:
    """Offset, type and address of every record, read in splits of a megabyte as workers do."""
    found: Counter[object] = Counter()
    for split in split_file(path, 1_000_000, {}):
        with open(path, "rb") as stream:  # noqa: PTH123 - may be any path
            start = next_start(stream, split.start) if split.start else 0
            end = next_start(stream, split.end) if split.end else None
            members = read_members(stream, start, end, 1 << 30) if start is not None else ()
            found.update(
                (record.offset, record.warc_type, record.url)
                for record in map(first_record, members)
            )
    return found


def _index_offsets(path: str) -> Iterator[object]:
    """The same by `warcio index`."""
    with tempfile.NamedTemporaryFile("r") as output:
        Indexer(["offset", "warc-type", "warc-target-uri"], [path], output.name).process_all()
        for line in output:
            row = json.loads(line)
            yield int(row["offset"]), row["warc-type"], row.get("warc-target-uri", "").strip("<>")


def _rows(pages: list[Page], read: Callable[[Page], list[Row]]) -> Counter[object]:
    return Counter(
        (page.url, number, *row) for page in pages for number, row in enumerate(read(page))
    )


def _ours(page: Page) -> list[Row]:
    """Raw references and alts of every image, as often as they stand on the page."""
    parsed: ParsedPage = parse_page(page)
    return [
        ((a["src"] or "").strip(), a["alt"] or "")
        for node in parsed.tree.css("img[src][alt]")
        if (a := node.attributes)
    ]


def _html5lib(page: Page) -> list[Row]:
    tree = html5lib.parse(to_utf8(page.payload, page.content_type), transport_encoding="utf-8")
    found = (node.attrib for node in tree.iter(f"{NAMESPACE}img"))
    return [(a["src"].strip(), a["alt"]) for a in found if "src" in a and "alt" in a]


def _wat_links(path: str, pages: set[str]) -> Iterator[object]:
    """cc2dataset's rule: links whose path is IMG@/src, with a url and an alt."""
    with open(path, "rb") as stream:  # noqa: PTH123 - may be any path
        for record in ArchiveIterator(stream):
            if record.rec_type != "metadata":
                continue
            url = record.rec_headers.get_header("WARC-Target-URI")
            html = (
                json.loads(record.content_stream().read())["Envelope"]
                .get("Payload-Metadata", {})
                .get("HTTP-Response-Metadata", {})
            )
            for link in html.get("HTML-Metadata", {}).get("Links", ()) if url in pages else ():
                if link["path"] == "IMG@/src" and "url" in link and "alt" in link:
                    # a WAT keeps entities as the page wrote them
                    yield url, unescape(link["url"]), unescape(link["alt"])


def _pairs(path: str) -> Counter[object]:
    """(page, URL, caption) of the pairs that the demonstration's config makes of a file."""
    given = {"output": "/nonexistent/out", "work": "/nonexistent/work", "input": {"files": (path,)}}
    plan = make_plan(load_config(CONFIGS / "demo.yaml", ["extract.images=plain"], given))
    extract = make_extractor(
        Jobs(Results(plan), 1).extract("").settings, needing(plan.detectors, Needs.PAGE)
    )
    pairs = (pair for page in _pages(path) for pair in extract(page) if isinstance(pair, Pair))
    return Counter(
        (pair.page_url, pair.url, pair.caption, pair.record_offset, pair.record_id)
        for pair in pairs
    )


if __name__ == "__main__":
    sys.exit(main())
