"""Pages that are hard to read, for benchmarks/hostile.py."""

from __future__ import annotations

from benchmarks.hostile_shapes import Shape, numbered, repeated
from pairsieve.records.page import Origin, Page
from pairsieve.web.cost import is_costly


def page_shapes() -> dict[str, Shape]:
    """Return pages that are hard for a parser, for a walk over its tree, or for detectors.

    The HTML standard makes a parser reconstruct open formatting elements, for instance, which may
    take quadratic time.
    """
    image = b"<img src=a.jpg alt='some words'>"
    # Attributes with different names.
    attributes = [b"a%d " % number for number in range(200_000)]
    return {
        "formatting elements": numbered(b"<font a=%d>"),
        "formatting elements and paragraphs": numbered(b"<font a=%d><p>"),
        "formatting elements, then paragraphs": lambda n: (
            b"<p>" + numbered(b"<b a=%d>")(n // 2) + b"<p>a" * (n // 2)
        ),
        "formatting elements of many attributes": lambda n: numbered(
            b"<i " + b"".join(attributes[:30]) + b"b=%d><p>"
        )(n // 8),
        "misnested": lambda n: numbered(b"<b a=%d><div>")(n // 8) + b"</b>" * n,
        "misnested, two kinds": lambda n: (
            numbered(b"<b a=%d><i>")(n // 4) + b"<div>" * (n // 4) + b"</b></i>" * n
        ),
        "links and blocks": numbered(b"<a href=%d><div>"),
        "nested blocks": repeated(b"<div>"),
        "paragraphs in nested blocks": repeated(b"<div>", b"<p>"),
        "ends in nested blocks": repeated(b"<div>", b"</p>"),
        "ends in nested drawings": lambda n: b"<svg>" + b"<g>" * n + b"</x>" * n,
        "lists": repeated(b"<ul><li>"),
        "tables": repeated(b"<table><tr><td>"),
        "text in tables": lambda n: b"<table>" + b"<b>x" * n,
        "attributes of one element": lambda n: (
            b"<img " + b"".join(attributes[: 5 * n]) + b"alt='some words' src=a>"
        ),
        "attributes of the body": numbered(b"<body a%d=1>"),
        "images": lambda n: image * n,
        "distinct images": numbered(b"<img src=%d.jpg alt='some words'>"),
        "images of one picture": lambda n: b"<picture>" + b"<source srcset='a 1x'>" * n + image * n,
        "images in noscripts": lambda n: b"<noscript>" * (n // 10) + image * n,
        "images in nested blocks": lambda n: b"<div>" * n + image * n,
        "a long base": lambda n: (
            b"<base href='http://a.example/" + b"x" * (100 * n) + b"/'>" + image * (n // 8)
        ),
        "a base": lambda n: (
            b"<base href='http://a.example/"
            + b"x" * 7_900
            + b"/'>"
            + numbered(b"<img src=%d alt='some words'>")(n)
        ),
        "a long srcset": lambda n: b"<img alt='some words' srcset='" + b"a 1x," * (10 * n) + b"'>",
        "a long alt": lambda n: b"<img src=a alt='" + b"word " * (10 * n) + b"'>",
        "alts of entities": lambda n: b"".join(
            b"<img src=a alt='%d &amp;%s'>" % (number, b"amp;" * 900) for number in range(n // 100)
        ),
        "alts of combining marks": lambda n: b"".join(
            b"<img src=a alt='%d a%s'>" % (number, "\u0316\u0301".encode() * 900)
            for number in range(n // 100)
        ),
        "JSON-LD": lambda n: (
            b'<script type="application/ld+json">[' + b'{"@type":"A"},' * n + b"1]</script>"
        ),
        "deep JSON-LD": lambda n: (
            b'<script type="application/ld+json">' + b"[" * n + b"]" * n + b"</script>"
        ),
        "scripts of JSON-LD": lambda n: (
            b'<script type="application/ld+json">{"@type":"A"}</script>' * n
        ),
        "licences in figures": lambda n: (
            numbered(b"<figure><a rel=license href=%d></a>")(n // 4) + image * n
        ),
        "microdata": numbered(b"<b itemtype=%d><p>"),
        "words of microdata": lambda n: b"<p itemtype='" + b"http://schema.org/A " * n + b"'>",
        "a long title": lambda n: b"<title>" + b"word " * (20 * n) + b"</title>",
        "headings": lambda n: b"<h1>fracture of the skull</h1>" * n,
        "a long meta": lambda n: b"<meta name=robots content='" + b"noai, " * (20 * n) + b"'>",
        "metas": repeated(b"<meta name=robots content=noai>"),
        "an agent's meta": lambda n: b"<meta name=robots content='" + b"a.b " * (20 * n) + b"'>",
        "comments": repeated(b"<!--", b"-->"),
        "less-than signs": repeated(b"<"),
        "quotation marks": repeated(b"<a ='\">"),
    }


def page_of(make: Shape, n: int) -> Page:
    """Make a page of a shape."""
    headers = (("Content-Type", "text/html; charset=utf-8"),)
    return Page("https://a.example/", headers, make(n), Origin("a", 0, "", ""))


def cheap_page_of(make: Shape, n: int) -> Page:
    """Make the largest page of a shape that a worker reads itself, and not in a child process."""
    while n > 1 and is_costly(make(n)):
        n = n * 9 // 10
    return page_of(make, n)
