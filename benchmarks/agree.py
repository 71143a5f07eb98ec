"""Compares reading and extraction with others on the same file: a check, not a race.

    python benchmarks/agree.py FILE.warc.gz [--wat FILE.warc.wat.gz]

- warcio's own index: the same records at the same offsets;
- html5lib: the same `img[src][alt]` on every page, in the same order;
- cc2dataset's rule on WAT links (`IMG@/src` with an alt): the same (page, src, alt);
- our reading of the WAT: the same pairs as from the WARC.

Prints for each comparison how many differ, with one example. The exit status is 1 if any differ.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
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
from pipeline.load_config import load_config
from pipeline.orchestrate.config_file import CONFIGS
from pipeline.orchestrate.job_settings import Jobs
from pipeline.orchestrate.plan import make_plan
from pipeline.orchestrate.results import Results
from transforms.extractor import make_extractor

NAMESPACE = "{http://www.w3.org/1999/xhtml}"
MAX_PAGE_BYTES = 10_000_000
MAX_MEMBER_BYTES = 1 << 30
SPLIT_BYTES = 1_000_000
Row = tuple[str, str]
"""(src, alt) of an image, as the page wrote them."""
Rows = Counter[object]
"""What is compared: each row with the number of times that it occurs."""


def main() -> int:
    """Compare and print. Returns 0 if all agree, else 1."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("warc")
    parser.add_argument("--wat", help="the WAT file of the same crawl")
    options = parser.parse_args()
    pages = list(_pages(options.warc))
    agree = [
        _compare(
            "record offsets, with warcio's index",
            _our_offsets(options.warc),
            Counter(_index_offsets(options.warc)),
        ),
        _compare(
            "img[src][alt], with html5lib", _rows(pages, _our_rows), _rows(pages, _html5lib_rows)
        ),
    ]
    if options.wat:
        agree += _compare_wat(options.warc, options.wat, pages)
    return 0 if all(agree) else 1


def _compare_wat(warc: str, wat: str, pages: Sequence[Page]) -> list[bool]:
    """Compare the WAT file with the pages, by cc2dataset's rule and by ours."""
    ours: Rows = Counter()
    for page in pages:
        for src, alt in _our_rows(page):
            # A WAT has no entry for an empty alt.
            if alt:
                ours[page.url, src, alt] += 1
    addresses = {page.url for page in pages}
    return [
        _compare(
            "(page, src, alt), with cc2dataset's rule on the WAT",
            ours,
            Counter(_wat_links(wat, addresses)),
        ),
        _compare("pairs, with our reading of the WAT", _pairs(warc), _pairs(wat)),
    ]


def _compare(what: str, ours: Rows, theirs: Rows) -> bool:
    """Print how two sides differ, and tell whether they agree."""
    missing = theirs - ours
    more = ours - theirs
    print(
        f"{what}: {ours.total():,} ours, {theirs.total():,} theirs, {missing.total()} missing, "
        f"{more.total()} more"
    )
    for name, rows in (("missing", missing), ("more", more)):
        for row in list(rows)[:1]:
            print(f"  {name}: {row}")
    return not missing and not more


def _pages(path: str) -> Iterator[Page]:
    settings = ReadSettings(MAX_PAGE_BYTES, locate=False)
    for split in split_file(path, None, {}):
        for item in read_split(split, settings):
            if isinstance(item, Page):
                yield item


def _our_offsets(path: str) -> Rows:
    """Count (offset, type, address) of every record, read in splits of a megabyte as by workers."""
    offsets: Rows = Counter()
    for split in split_file(path, SPLIT_BYTES, {}):
        with open(path, "rb") as stream:  # noqa: PTH123 - may be any path
            start = next_start(stream, split.start) if split.start else 0
            end = next_start(stream, split.end) if split.end else None
            # No record begins in this split.
            if start is None:
                continue
            for member in read_members(stream, start, end, MAX_MEMBER_BYTES):
                record = first_record(member)
                offsets[record.offset, record.warc_type, record.url] += 1
    return offsets


def _index_offsets(path: str) -> Iterator[object]:
    """Yield the same rows from `warcio index`."""
    with tempfile.NamedTemporaryFile("r") as output:
        Indexer(["offset", "warc-type", "warc-target-uri"], [path], output.name).process_all()
        for line in output:
            row = json.loads(line)
            # Old writers put an address into angle brackets.
            address = row.get("warc-target-uri", "").strip("<>")
            yield int(row["offset"]), row["warc-type"], address


def _rows(pages: Sequence[Page], read: Callable[[Page], list[Row]]) -> Rows:
    """Count (page, position on the page, src, alt)."""
    rows: Rows = Counter()
    for page in pages:
        for position, (src, alt) in enumerate(read(page)):
            rows[page.url, position, src, alt] += 1
    return rows


def _our_rows(page: Page) -> list[Row]:
    """Return src and alt of every image, as often as the page shows it."""
    parsed: ParsedPage = parse_page(page)
    rows = []
    for node in parsed.tree.css("img[src][alt]"):
        # The parser has None for an attribute without a value.
        attributes = node.attributes
        rows.append(((attributes["src"] or "").strip(), attributes["alt"] or ""))
    return rows


def _html5lib_rows(page: Page) -> list[Row]:
    """Return the same by html5lib."""
    tree = html5lib.parse(to_utf8(page.payload, page.content_type), transport_encoding="utf-8")
    rows = []
    for node in tree.iter(f"{NAMESPACE}img"):
        attributes = node.attrib
        if "src" in attributes and "alt" in attributes:
            rows.append((attributes["src"].strip(), attributes["alt"]))
    return rows


def _wat_links(path: str, addresses: set[str]) -> Iterator[object]:
    """Yield (page, src, alt) by cc2dataset's rule: the path is IMG@/src, with a url and an alt."""
    with open(path, "rb") as stream:  # noqa: PTH123 - may be any path
        for record in ArchiveIterator(stream):
            if record.rec_type != "metadata":
                continue
            address = record.rec_headers.get_header("WARC-Target-URI")
            if address not in addresses:
                continue
            envelope = json.loads(record.content_stream().read())["Envelope"]
            payload = envelope.get("Payload-Metadata", {})
            response = payload.get("HTTP-Response-Metadata", {})
            for link in response.get("HTML-Metadata", {}).get("Links", ()):
                if link["path"] == "IMG@/src" and "url" in link and "alt" in link:
                    # A WAT keeps entities as the page wrote them.
                    yield address, unescape(link["url"]), unescape(link["alt"])


def _pairs(path: str) -> Rows:
    """Count the pairs that the demonstration's config makes of a file."""
    given = {
        "output": "/nonexistent/out",
        "work": "/nonexistent/work",
        "input": {"files": (path,)},
    }
    plan = make_plan(load_config(CONFIGS / "demo.yaml", ["extract.images=plain"], given))
    job = Jobs(Results(plan), 1).extract("")
    extract = make_extractor(job.settings, needing(plan.detectors, Needs.PAGE))
    pairs: Rows = Counter()
    for page in _pages(path):
        for result in extract(page):
            if isinstance(result, Pair):
                pairs[
                    result.page_url,
                    result.url,
                    result.caption,
                    result.record_offset,
                    result.record_id,
                ] += 1
    return pairs


if __name__ == "__main__":
    sys.exit(main())
