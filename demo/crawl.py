"""Makes the demonstration crawl: `python -m demo.crawl --out configs/demo/crawl.warc.gz`.

It is one WARC file with about a hundred generated pages and their pictures. Every outcome of the
flow occurs in it. All random choices come from one seed, so the order of the calls decides what the
file holds.
"""

from __future__ import annotations

import argparse
import gzip
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from random import Random
from uuid import UUID

from PIL import Image
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from demo.pictures import picture
from demo.scenes import COLOURS, SENTENCES, SPECIAL, THINGS, Scene, caption

SEED = 20261123
SIDE = 160  # pixels of a picture
DATE = "2026-11-01T12:00:00Z"
GALLERY_PAGES = {"en": 44, "de": 14, "fr": 12, "es": 12}
HOSTS = {
    "en": "shapes.example",
    "de": "bilder.example",
    "fr": "images.example",
    "es": "fotos.example",
}
WRONG_SHARE = 0.12  # of the captions in galleries
FORMATS = ("JPEG", "JPEG", "JPEG", "WEBP", "PNG")
SUFFIXES = {"JPEG": "jpg", "WEBP": "webp", "PNG": "png"}

Header = tuple[str, str]


@dataclass(frozen=True)
class Resource:
    """A response of the crawl."""

    url: str
    content_type: str
    body: bytes
    headers: tuple[Header, ...] = ()
    status: str = "200 OK"


@dataclass(frozen=True)
class Figure:
    """An `<img>`: the reference as the page writes it, and the alt text."""

    source: str
    alt: str


@dataclass
class Crawl:
    """The responses in crawl order, and the source of all random choices."""

    random: Random
    resources: list[Resource] = field(default_factory=list)

    def page(
        self,
        url: str,
        figures: Sequence[Figure],
        *,
        language: str = "en",
        head: str = "",
        tail: str = "",
        headers: Sequence[Header] = (),
    ) -> None:
        """Add a page that shows some figures."""
        images = "\n".join(
            f'<figure><img src="{escape(figure.source)}" alt="{escape(figure.alt)}"></figure>'
            for figure in figures
        )
        title = '<meta charset="utf-8"><title>Pictures</title>'
        start = f'<!doctype html>\n<html lang="{language}"><head>{title}{head}</head>\n'
        body = f"{start}<body>{images}{tail}</body></html>\n"
        self.resources.append(
            Resource(url, "text/html; charset=utf-8", body.encode(), tuple(headers))
        )

    def image(
        self,
        url: str,
        scene: Scene,
        *,
        side: int = SIDE,
        kind: str = "JPEG",
        headers: Sequence[Header] = (),
    ) -> str:
        """Add a picture and return its URL."""
        content = encoded(picture(scene, self.random, side), kind)
        self.resources.append(Resource(url, f"image/{kind.lower()}", content, tuple(headers)))
        return url

    def caption(self, scene: Scene, language: str = "en") -> str:
        return caption(scene, language, self.random)

    def scene(self) -> Scene:
        colour, ground = self.random.sample(sorted(COLOURS), 2)
        return Scene(self.random.choice(sorted(THINGS)), colour, ground)


def encoded(image: Image.Image, kind: str) -> bytes:
    """Encode a picture in a format."""
    buffer = io.BytesIO()
    if kind == "PNG":
        # 32 colours keep the file of the demonstration small.
        image.quantize(32).save(buffer, "PNG", optimize=True)
    else:
        image.save(buffer, kind, quality=85)
    return buffer.getvalue()


def galleries(crawl: Crawl) -> None:
    """Add ordinary pages in four languages, with relative URLs.

    Most captions are true and some are wrong. One pair is on several pages.
    """
    for language in SENTENCES:
        host = HOSTS[language]
        scene = crawl.scene()
        shared = Figure(
            crawl.image(f"https://{host}/pictures/shared.jpg", scene),
            crawl.caption(scene, language),
        )
        for number in range(GALLERY_PAGES[language]):
            figures = list(_gallery(crawl, host, language, number))
            if number % 9 == 8:
                figures.append(shared)
            crawl.page(f"https://{host}/gallery/{number}.html", figures, language=language)


def _gallery(crawl: Crawl, host: str, language: str, number: int) -> Iterator[Figure]:
    """Add the pictures of a page, and yield its figures."""
    for position in range(crawl.random.randint(1, 3)):
        scene = crawl.scene()
        kind = crawl.random.choice(FORMATS)
        name = f"{number}-{position}.{SUFFIXES[kind]}"
        crawl.image(f"https://{host}/pictures/{name}", scene, kind=kind)
        is_wrong = crawl.random.random() < WRONG_SHARE
        described = crawl.scene() if is_wrong else scene
        yield Figure(f"../pictures/{name}", crawl.caption(described, language))


def rights(crawl: Crawl) -> None:
    """Add opt-outs in four forms, and pages with a licence.

    The forms are a meta element, the page's header, a TDM reservation, and the picture's header.
    """
    scenes = [crawl.scene() for _ in range(6)]
    borrowed = _reserved_pages(crawl, scenes[:3])
    own_scene = scenes[3]
    own = crawl.image(
        "https://artist.example/own.jpg", own_scene, headers=[("x-robots-tag", "noai")]
    )
    crawl.page("https://artist.example/own.html", [Figure(own, crawl.caption(own_scene))])
    # A picture that one page reserves is reserved, wherever else it is shown.
    crawl.page("https://copies.example/borrowed.html", [borrowed])
    _licensed_page(crawl, scenes[4:])


def _reserved_pages(crawl: Crawl, reserved: Sequence[Scene]) -> Figure:
    """Add three pages with a picture each that they reserve; the first one's picture."""
    urls = [
        crawl.image(f"https://artist.example/{number}.jpg", scene)
        for number, scene in enumerate(reserved)
    ]
    figures = [Figure(url, crawl.caption(scene)) for url, scene in zip(urls, reserved, strict=True)]
    crawl.page(
        "https://artist.example/meta.html",
        figures[:1],
        head='<meta name="robots" content="NoAI, noimageai">',
    )
    crawl.page(
        "https://artist.example/header.html",
        figures[1:2],
        headers=[("X-Robots-Tag", "gptbot: noimageai")],
    )
    crawl.page(
        "https://artist.example/tdm.html",
        figures[2:],
        head='<meta name="tdm-reservation" content="1">',
    )
    return Figure(urls[0], figures[0].alt)


def _licensed_page(crawl: Crawl, licensed: Sequence[Scene]) -> None:
    urls = [
        crawl.image(f"https://commons.example/{number}.jpg", scene)
        for number, scene in enumerate(licensed)
    ]
    licence = (
        '<p><a rel="license" href="https://creativecommons.org/licenses/by/4.0/">CC BY 4.0</a></p>'
    )
    figures = [Figure(url, crawl.caption(scene)) for url, scene in zip(urls, licensed, strict=True)]
    crawl.page("https://commons.example/", figures, tail=licence)


def medical(crawl: Crawl) -> None:
    """Add medical pictures, with and without words that say so, and a clinic's harmless logo."""
    declared = (
        '<script type="application/ld+json">{"@context": "https://schema.org", '
        '"@type": "MedicalWebPage"}</script>'
    )
    for number, name in enumerate(["chest_xray", "hand_xray", "before_after", "before_after"]):
        scene = Scene(name)
        url = crawl.image(f"https://clinic.example/cases/{number}.jpg", scene)
        crawl.page(
            f"https://clinic.example/cases/{number}.html",
            [Figure(url, crawl.random.choice(SPECIAL[name]["en"]))],
            head=declared,
        )
    # Neither page nor caption says that these are medical.
    silent = crawl.image("https://leaks.example/a/2013-11.jpg", Scene("before_after"))
    crawl.page("https://leaks.example/a/", [Figure(silent, "drawing of a smiling face")])
    bare = crawl.image("https://blog.example/ribs.jpg", Scene("chest_xray"))
    crawl.page("https://blog.example/ribs.html", [Figure(bare, "my new wallpaper")])
    logo = Scene("cross", "green", "white")
    logo_url = crawl.image("https://clinic.example/logo.png", logo, kind="PNG")
    crawl.page("https://clinic.example/", [Figure(logo_url, crawl.caption(logo))], head=declared)
    portrait = crawl.image("https://people.example/portrait.jpg", Scene("face"))
    crawl.page("https://people.example/", [Figure(portrait, "a portrait of a person")])


def personal(crawl: Crawl) -> None:
    """Add captions with an e-mail address and phone numbers."""
    for number, extra in enumerate(
        ["call +49 30 901820", "mail ana.silva (at) example (dot) org", "Tel. (202) 456-1111"]
    ):
        scene = crawl.scene()
        url = crawl.image(f"https://ads.example/{number}.jpg", scene)
        crawl.page(
            f"https://ads.example/{number}.html", [Figure(url, f"{crawl.caption(scene)}, {extra}")]
        )


def dropped(crawl: Crawl) -> None:
    """Add what extract, fetch and score drop or quarantine."""
    scene = crawl.scene()
    words = crawl.caption(scene)
    good = crawl.image("https://odds.example/good.jpg", scene)
    _bad_references(crawl, good, words)
    _bad_pictures(crawl, scene, words)
    _odd_pages(crawl, words)


def _bad_references(crawl: Crawl, good: str, words: str) -> None:
    """Add image elements whose URL or caption is not accepted."""
    references = [
        "data:image/png;base64,AAAA",
        "javascript:void(0)",
        "icon.svg",
        "moving.gif",
        "https://tracker.example/p.png",
        "https://" + "a" * 61 + ".example/p.png",
        "http://[broken/p.png",
        good + "?" + "x" * 2000,
    ]
    crawl.page(
        "https://odds.example/references.html",
        [Figure(reference, words) for reference in references],
    )
    # Empty, too short, too long.
    alts = ("", "dog", "x" * 2001)
    crawl.page("https://odds.example/captions.html", [Figure(good, alt) for alt in alts])


def _bad_pictures(crawl: Crawl, scene: Scene, words: str) -> None:
    """Add pictures that are missing, broken, too small, too thin or of another format."""
    whole = encoded(picture(scene, crawl.random, SIDE), "JPEG")
    broken = {
        "truncated.jpg": whole[: len(whole) // 2],
        "empty.jpg": b"",
        "drawing.png": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        "moving.webp": encoded(picture(scene, crawl.random, SIDE), "GIF"),
        "noise.jpg": bytes(crawl.random.randrange(256) for _ in range(2000)),
        "hairline.png": encoded(Image.new("RGB", (2, 3000), "red"), "PNG"),
    }
    crawl.resources += [
        Resource(f"https://odds.example/{name}", "image/jpeg", body)
        for name, body in broken.items()
    ]
    crawl.resources.append(
        Resource("https://odds.example/gone.jpg", "text/plain", b"gone", status="404 Not Found")
    )
    crawl.image("https://odds.example/tiny.jpg", scene, side=24)
    names = [*broken, "gone.jpg", "tiny.jpg", "never-crawled.jpg"]
    crawl.page("https://odds.example/broken.html", [Figure(name, words) for name in names])


def _odd_pages(crawl: Crawl, words: str) -> None:
    """Add pages with a base, in another encoding, that moved, and without a body."""
    based = (
        '<base href="https://odds.example/deep/"><body><img src="../good.jpg" '
        f'alt="{escape(words)} &#8211; again">'
    )
    crawl.resources.append(Resource("https://odds.example/based.html", "text/html", based.encode()))
    latin = (
        '<meta charset="iso-8859-1"><img src="/good.jpg" alt="ein schöner Überblick über Größen">'
    )
    crawl.resources.append(
        Resource("https://odds.example/latin.html", "text/html", latin.encode("latin-1"))
    )
    crawl.resources.append(
        Resource(
            "https://odds.example/moved.html", "text/html", b"moved", status="301 Moved Permanently"
        )
    )
    crawl.resources.append(Resource("https://odds.example/nothing.html", "text/html", b""))


def make_crawl() -> list[Resource]:
    """Make all responses, in crawl order."""
    crawl = Crawl(Random(SEED))
    galleries(crawl)
    rights(crawl)
    medical(crawl)
    personal(crawl)
    dropped(crawl)
    return crawl.resources


def write_warc(resources: Sequence[Resource], path: Path) -> None:
    """Write the crawl with one gzip member for each record.

    Two broken records follow: one with a wrong length, and one that is cut off.
    """
    buffer = io.BytesIO()
    writer = WARCWriter(buffer, gzip=True)
    for number, resource in enumerate(resources):
        headers = [
            ("Content-Type", resource.content_type),
            *resource.headers,
            ("Content-Length", str(len(resource.body))),
        ]
        record = writer.create_warc_record(
            resource.url,
            "response",
            payload=io.BytesIO(resource.body),
            http_headers=StatusAndHeaders(resource.status, headers, protocol="HTTP/1.1"),
            warc_headers_dict={
                "WARC-Date": DATE,
                "WARC-Record-ID": f"<urn:uuid:{UUID(int=number)}>",
            },
        )
        writer.write_record(record)
    pages = (resource for resource in resources if resource.content_type.startswith("text/html"))
    body = next(pages).body
    record_bytes = _raw_record(body)
    true_length = f"Content-Length: {len(body)}".encode()
    wrong_length = record_bytes.replace(true_length, b"Content-Length: 30", 1)
    # A fixed time in the gzip header keeps the bytes the same.
    cut_off = gzip.compress(record_bytes, mtime=0)[: len(record_bytes) // 4]
    path.write_bytes(buffer.getvalue() + gzip.compress(wrong_length, mtime=0) + cut_off)


def _raw_record(body: bytes) -> bytes:
    """Write a record without WARCWriter, which would correct the length."""
    named = (
        f"WARC-Target-URI: https://broken.example/\r\nWARC-Date: {DATE}\r\nWARC-Record-ID: "
        f"<urn:uuid:{UUID(int=0)}>\r\n"
    )
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\n{named}Content-Type: application/http; "
        "msgtype=response\r\n"
    )
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + http + b"\r\n\r\n"


def main() -> None:
    """Write the crawl."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="WARC file to write")
    write_warc(make_crawl(), parser.parse_args().out)


if __name__ == "__main__":
    main()
