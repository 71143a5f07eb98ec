"""Make the demonstration crawl: `python -m demo.crawl --out configs/demo/crawl.warc.gz`.

About a hundred generated pages with their pictures in one WARC file, seeded, with every outcome of
the flow once or more.
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
SIDE = 160
DATE = "2026-11-01T12:00:00Z"
GALLERY_PAGES = {"en": 44, "de": 14, "fr": 12, "es": 12}
HOSTS = {
    "en": "shapes.example",
    "de": "bilder.example",
    "fr": "images.example",
    "es": "fotos.example",
}
FORMATS = ("JPEG", "JPEG", "JPEG", "WEBP", "PNG")
SUFFIXES = {"JPEG": "jpg", "WEBP": "webp", "PNG": "png"}

Header = tuple[str, str]


@dataclass(frozen=True)
class Resource:
    """One response of the crawl."""

    url: str
    content_type: str
    body: bytes
    headers: tuple[Header, ...] = ()
    status: str = "200 OK"


@dataclass(frozen=True)
class Figure:
    """An `<img>`: the reference as written, and the alt text."""

    source: str
    alt: str


@dataclass
class Crawl:
    """Resources in crawl order."""

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
            f'<figure><img src="{escape(f.source)}" alt="{escape(f.alt)}"></figure>'
            for f in figures
        )
        start = f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8"><title>Pictures</title>{head}</head>\n'
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
        """Add a picture and give its URL."""
        content = encoded(picture(scene, self.random, side), kind)
        self.resources.append(Resource(url, f"image/{kind.lower()}", content, tuple(headers)))
        return url

    def caption(self, scene: Scene, language: str = "en") -> str:
        return caption(scene, language, self.random)

    def scene(self) -> Scene:
        colour, ground = self.random.sample(sorted(COLOURS), 2)
        return Scene(self.random.choice(sorted(THINGS)), colour, ground)


def encoded(image: Image.Image, kind: str) -> bytes:
    """The bytes of a picture in a format."""
    buffer = io.BytesIO()
    image.quantize(32).save(buffer, "PNG", optimize=True) if kind == "PNG" else image.save(
        buffer, kind, quality=85
    )
    return buffer.getvalue()


def galleries(crawl: Crawl) -> None:
    """Ordinary pages in four languages: true captions, now and then a wrong one, a duplicate, a
    relative URL.
    """
    for language in SENTENCES:
        host, scene = HOSTS[language], crawl.scene()
        shared = Figure(
            crawl.image(f"https://{host}/pictures/shared.jpg", scene),
            crawl.caption(scene, language),
        )
        for number in range(GALLERY_PAGES[language]):
            figures = [
                *_gallery(crawl, host, language, number),
                *([shared] if number % 9 == 8 else []),
            ]
            crawl.page(f"https://{host}/gallery/{number}.html", figures, language=language)


def _gallery(crawl: Crawl, host: str, language: str, number: int) -> Iterator[Figure]:
    for place in range(crawl.random.randint(1, 3)):
        scene, kind = crawl.scene(), crawl.random.choice(FORMATS)
        name = f"{number}-{place}.{SUFFIXES[kind]}"
        crawl.image(f"https://{host}/pictures/{name}", scene, kind=kind)
        wrong = crawl.random.random() < 0.12
        yield Figure(
            f"../pictures/{name}", crawl.caption(crawl.scene() if wrong else scene, language)
        )


def rights(crawl: Crawl) -> None:
    """Opt-outs by meta element, by the page's header, by TDM reservation and by the picture's own
    header; a licence.
    """
    scenes = [crawl.scene() for _ in range(6)]
    urls = [
        crawl.image(f"https://artist.example/{n}.jpg", scene) for n, scene in enumerate(scenes[:3])
    ]
    figures = [Figure(url, crawl.caption(scene)) for url, scene in zip(urls, scenes, strict=False)]
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
    own = crawl.image(
        "https://artist.example/own.jpg", scenes[3], headers=[("x-robots-tag", "noai")]
    )
    crawl.page("https://artist.example/own.html", [Figure(own, crawl.caption(scenes[3]))])
    # A picture that one page reserves is reserved, wherever else it is shown.
    crawl.page("https://copies.example/borrowed.html", [Figure(urls[0], figures[0].alt)])
    free = [
        crawl.image(f"https://commons.example/{n}.jpg", scene) for n, scene in enumerate(scenes[4:])
    ]
    licence = (
        '<p><a rel="license" href="https://creativecommons.org/licenses/by/4.0/">CC BY 4.0</a></p>'
    )
    crawl.page(
        "https://commons.example/",
        [Figure(u, crawl.caption(s)) for u, s in zip(free, scenes[4:], strict=True)],
        tail=licence,
    )


def medical(crawl: Crawl) -> None:
    """Radiographs and before/after pairs on a clinic's pages, one radiograph with nothing said
    about it, a harmless clinic logo.
    """
    declared = '<script type="application/ld+json">{"@context": "https://schema.org", "@type": "MedicalWebPage"}</script>'
    for number, name in enumerate(["chest_xray", "hand_xray", "before_after", "before_after"]):
        scene = Scene(name)
        url = crawl.image(f"https://clinic.example/cases/{number}.jpg", scene)
        crawl.page(
            f"https://clinic.example/cases/{number}.html",
            [Figure(url, crawl.random.choice(SPECIAL[name]["en"]))],
            head=declared,
        )
    silent = crawl.image("https://leaks.example/a/2013-11.jpg", Scene("before_after"))
    crawl.page("https://leaks.example/a/", [Figure(silent, "drawing of a smiling face")])
    bare = crawl.image("https://blog.example/ribs.jpg", Scene("chest_xray"))
    crawl.page("https://blog.example/ribs.html", [Figure(bare, "my new wallpaper")])
    logo = Scene("cross", "green", "white")
    crawl.page(
        "https://clinic.example/",
        [
            Figure(
                crawl.image("https://clinic.example/logo.png", logo, kind="PNG"),
                crawl.caption(logo),
            )
        ],
        head=declared,
    )
    portrait = crawl.image("https://people.example/portrait.jpg", Scene("face"))
    crawl.page("https://people.example/", [Figure(portrait, "a portrait of a person")])


def personal(crawl: Crawl) -> None:
    """Captions with an e-mail address and a phone number."""
    for number, extra in enumerate(
        ["call +49 30 901820", "mail ana.silva (at) example (dot) org", "Tel. (202) 456-1111"]
    ):
        scene = crawl.scene()
        url = crawl.image(f"https://ads.example/{number}.jpg", scene)
        crawl.page(
            f"https://ads.example/{number}.html", [Figure(url, f"{crawl.caption(scene)}, {extra}")]
        )


def not_taken(crawl: Crawl) -> None:
    """Image elements that no rule lets in, and pictures that are missing, broken, too small or of
    another kind.
    """
    scene = crawl.scene()
    words = crawl.caption(scene)
    good = crawl.image("https://odds.example/good.jpg", scene)
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
    crawl.page(
        "https://odds.example/captions.html", [Figure(good, alt) for alt in ("", "dog", "x" * 2001)]
    )
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
    based = f'<base href="https://odds.example/deep/"><body><img src="../good.jpg" alt="{escape(words)} &#8211; again">'
    crawl.resources.append(Resource("https://odds.example/based.html", "text/html", based.encode()))
    umlauts = '<meta charset="iso-8859-1"><img src="/good.jpg" alt="ein schöner Überblick über Größen">'.encode(
        "latin-1"
    )
    crawl.resources.append(Resource("https://odds.example/latin.html", "text/html", umlauts))
    crawl.resources.append(
        Resource(
            "https://odds.example/moved.html", "text/html", b"moved", status="301 Moved Permanently"
        )
    )
    crawl.resources.append(Resource("https://odds.example/nothing.html", "text/html", b""))


def make_crawl() -> list[Resource]:
    """Everything, in crawl order."""
    crawl = Crawl(Random(SEED))
    for part in (galleries, rights, medical, personal, not_taken):
        part(crawl)
    return crawl.resources


def write_warc(resources: Sequence[Resource], path: Path) -> None:
    """One gzip member a record; then one record that lies about its length, and one that is cut
    off.
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
    page = next(resource for resource in resources if resource.content_type.startswith("text/html"))
    raw = _raw_record(page.body)
    lying = raw.replace(f"Content-Length: {len(page.body)}".encode(), b"Content-Length: 30", 1)
    members = [gzip.compress(lying, mtime=0), gzip.compress(raw, mtime=0)[: len(raw) // 4]]
    path.write_bytes(buffer.getvalue() + b"".join(members))


def _raw_record(body: bytes) -> bytes:
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
