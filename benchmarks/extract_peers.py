"""The loops that benchmarks/extract.py compares with: a bare one, and those of other libraries."""

from __future__ import annotations

from itertools import islice

from bs4 import BeautifulSoup
from fastwarc.warc import ArchiveIterator, WarcRecordType
from resiliparse.parse.html import HTMLTree
from resiliparse.parse.html.node import ElementNode
from selectolax.lexbor import LexborHTMLParser
from warcio.archiveiterator import ArchiveIterator as WarcioIterator

SOUP_PAGES = 100


def bare_loop(path: str) -> int:
    """Count images with FastWARC and Lexbor: no Python over these two libraries can be faster."""
    number = 0
    for record in ArchiveIterator(path, record_types=WarcRecordType.response):
        for node in LexborHTMLParser(record.reader.read()).css("img[src][alt]"):
            attributes = node.attributes
            _ = attributes["src"], attributes["alt"]
            number += 1
    return number


def with_resiliparse(path: str) -> int:
    """Count images with FastWARC and resiliparse's own parser.

    It walks over the tree, because resiliparse's collections need quadratic time.
    """
    number = 0
    for record in ArchiveIterator(path, record_types=WarcRecordType.response):
        document = HTMLTree.parse_from_bytes(record.reader.read()).document
        for node in document or ():
            if not isinstance(node, ElementNode) or node.tag != "img":
                continue
            if node.getattr("src") is not None and node.getattr("alt") is not None:
                number += 1
    return number


def with_soup(path: str) -> int:
    """Count images with warcio and BeautifulSoup, as Fondant read Common Crawl.

    It is slow, so it reads SOUP_PAGES pages.
    """
    number = 0
    with open(path, "rb") as stream:  # noqa: PTH123 - may be any path
        responses = (record for record in WarcioIterator(stream) if record.rec_type == "response")
        for record in islice(responses, SOUP_PAGES):
            soup = BeautifulSoup(record.content_stream().read(), "html.parser")
            for tag in soup.find_all("img", src=True, alt=True):
                _ = tag["src"], tag["alt"]
                number += 1
    return number
