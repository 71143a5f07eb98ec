"""Whom a run calls is never for data to say: one address on loopback stands wherever a library
might follow it.
"""

from __future__ import annotations

import io
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from demo.pictures import picture
from demo.scenes import Scene
from pipeline.commands.erase import main as erase
from tests.support.warcs import DATE

RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dcterms="http://purl.org/dc/terms/"'
CAPTION = "a star in red on a white background"


class Canary:
    """An address that nobody may call; `calls` counts connections, whatever is said over them."""

    def __init__(self) -> None:
        self.calls = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.calls += 1
            connection.close()

    def close(self) -> None:
        self._listener.close()


@contextmanager
def opened() -> Iterator[Canary]:
    found = Canary()
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def canary() -> Iterator[Canary]:
    with opened() as found:
        yield found
        assert found.calls == 0


def xmp(url: str) -> str:
    return (
        f'<?xpacket begin=""?><!DOCTYPE x [<!ENTITY e SYSTEM "{url}/entity"><!ENTITY % p SYSTEM "{url}/parameter"> %p;]>'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="{url} {url}/schema.xsd">'
        f'<rdf:RDF {RDF}><rdf:Description rdf:about="{url}/about" dcterms:provenance="{url}/manifest.c2pa" xmlns:cc="http://creativecommons.org/ns#">'
        f'<cc:license rdf:resource="{url}/licence"/><xmpRights:WebStatement xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/">{url}/terms'
        f'</xmpRights:WebStatement><rsl:rsl xmlns:rsl="https://rslstandard.org/rsl"><rsl:content url="{url}/p" server="{url}/olp"/></rsl:rsl>'
        f"</rdf:Description></rdf:RDF></x:xmpmeta>"
    )


def png(url: str, packed: bool) -> bytes:
    stream, text = io.BytesIO(), PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp(url), zip=packed)
    text.add_text("Source", f"{url}/source")
    picture(Scene("star", "red", "white"), Random(1), 128).save(stream, "PNG", pnginfo=text)
    return stream.getvalue()


def jpeg(url: str) -> bytes:
    stream = io.BytesIO()
    picture(Scene("star", "red", "white"), Random(2), 128).convert("RGB").save(
        stream, "JPEG", xmp=xmp(url).encode()
    )
    return stream.getvalue() + f"c2pa {url}".encode()


def webp(url: str) -> bytes:
    stream = io.BytesIO()
    Image.effect_noise((128, 128), 50).convert("RGB").save(stream, "WEBP", xmp=xmp(url).encode())
    return stream.getvalue()


def svg(url: str) -> bytes:
    return (
        f'<?xml-stylesheet href="{url}/style.xsl"?><!DOCTYPE svg SYSTEM "{url}/svg.dtd"><svg xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink"><image xlink:href="{url}/inner.png"/><use href="{url}/use.svg#a"/></svg>'
    ).encode()


def html(url: str) -> bytes:
    json_ld = json.dumps(
        {
            "@context": f"{url}/context",
            "@type": "ImageObject",
            "contentUrl": f"{url}/1.png",
            "license": f"{url}/licence",
        }
    )
    return (
        f'<!DOCTYPE html SYSTEM "{url}/html.dtd"><html manifest="{url}/manifest" lang=en><head profile="{url}/profile"><title>t</title>'
        f'<link rel=stylesheet href="{url}/style.css"><link rel=preload as=image href="{url}/preload.png"><link rel=license href="{url}/licence">'
        f'<link rel=license type="application/rsl+xml" href="{url}/licence.xml"><meta http-equiv=refresh content="0; url={url}/refresh">'
        f'<meta name=tdm-policy content="{url}/policy.json"><script type="application/ld+json">{json_ld}</script><script src="{url}/s.js"></script>'
        f'<script type="application/rsl+xml"><!DOCTYPE rsl SYSTEM "{url}/rsl.dtd"><rsl/></script></head><body itemscope itemtype="{url}/type">'
        f'<svg><image href="{url}/inner.png"/></svg><img src="{url}/direct.png" alt="{CAPTION}">'
        + "".join(
            f'<img src="https://pictures.example/{name}" alt="{CAPTION} {name}">'
            for name in ("a.png", "b.png", "c.jpg", "d.webp", "e.svgz")
        )
        + f'<base href="{url}/base/"><img src="below.png" alt="{CAPTION} below"></body></html>'
    ).encode()


def without_licence_files(url: str) -> bytes:
    """The same page with other pictures, which are asked for."""
    return (
        html(url)
        .replace(b"application/rsl+xml", b"text/x")
        .replace(b"pictures.example", b"open.example")
    )


def record(
    url: str,
    kind: str,
    body: bytes,
    told: dict[str, str],
    headers: list[tuple[str, str]],
    status: str = "200 OK",
) -> bytes:
    stream = io.BytesIO()
    writer = WARCWriter(stream, gzip=True)
    http = (
        StatusAndHeaders(status, headers, protocol="HTTP/1.1")
        if kind in ("response", "revisit")
        else None
    )
    writer.write_record(
        writer.create_warc_record(
            url,
            kind,
            payload=io.BytesIO(body),
            http_headers=http,
            warc_headers_dict={"WARC-Date": DATE, **told},
        )
    )
    return stream.getvalue()


def crawl(url: str) -> bytes:
    told = {
        "WARC-Refers-To-Target-URI": f"{url}/refers",
        "WARC-Profile": f"{url}/profile",
        "WARC-Warcinfo-ID": f"<{url}/info>",
        "WARC-Filename": f"{url}/f",
    }
    linked = [
        ("Link", f'<{url}/l.xml>; rel="license"; type="application/rsl+xml"'),
        ("Link", f'<{url}/c>; rel="describedby"'),
        ("tdm-policy", f"{url}/p"),
    ]
    pictures = {
        "a.png": png(url, False),
        "b.png": png(url, True),
        "c.jpg": jpeg(url),
        "d.webp": webp(url),
        "e.svgz": svg(url),
    }
    return b"".join(
        [
            record(f"{url}/warcinfo", "warcinfo", f"conformsTo: {url}/spec\r\nrobots: {url}/robots\r\n".encode(), {}, []),
            record("https://site.example/", "response", html(url), told, [("Content-Type", "text/html"), *linked[1:], ("Refresh", f"0; url={url}")]),
            record("https://other.example/", "response", without_licence_files(url), {}, [("Content-Type", "text/html")]),
            *(
                record(f"https://{host}/{name}", "response", body, told, [("Content-Type", "image/png"), *(linked if name == "a.png" else [])])
                for host in ("pictures.example", "open.example")
                for name, body in pictures.items()
            ),
            record("https://pictures.example/z.png", "response", b"", {}, [("Location", f"{url}/moved")], "302 Found"),
            record("https://pictures.example/y.png", "revisit", b"", told, [("Content-Type", "image/png")]),
        ]
    )  # fmt: skip


def counts(ran) -> dict:
    return json.loads((ran.output / "manifest.json").read_text())["counts"]


def test_an_archive_full_of_addresses(canary, run_demo, tmp_path):
    (tmp_path / "crawl.warc.gz").write_bytes(crawl(canary.url))
    detectors = [
        "filters.detectors.c2pa={}",
        "filters.detectors.content_sha1={}",
        "score.detect_margin=1",
    ]
    settings = [argument for setting in detectors for argument in ("--set", setting)]
    ran = run_demo("--input", str(tmp_path / "crawl.warc.gz"), *settings, folder=tmp_path)
    assert ran.status == 0, ran.printed
    told = counts(ran)["fetch"]["pair"]
    assert told["kept"] >= 3, "pictures were read, and what stands in them"
    assert canary.calls == 0


def test_a_dataset_whose_metadata_are_addresses(canary, run_demo, tmp_path):
    told = {
        b"pandas": json.dumps({"index_columns": [canary.url]}).encode(),
        b"iceberg.schema": canary.url.encode(),
        b"": canary.url.encode(),
    }
    fields = [
        pa.field("URL", pa.string(), metadata={"source": canary.url}),
        pa.field("TEXT", pa.string()),
        pa.field("similarity", pa.float64()),
    ]
    table = pa.table(
        [[f"{canary.url}/p.png"], [CAPTION], [0.9]], schema=pa.schema(fields, metadata=told)
    )
    pq.write_table(table, tmp_path / "links.parquet")
    settings = [
        "--set",
        "fetch.source=web",
        "--set",
        "fetch.contact=https://example.org",
        "--set",
        "input.kind=pairs",
        "--stages",
        "extract",
    ]
    ran = run_demo("--input", str(tmp_path / "links.parquet"), *settings, folder=tmp_path)
    assert ran.status == 0, ran.printed


@pytest.mark.parametrize(
    "name", ["{url}/a.warc.gz", "simplecache::{url}/a.warc.gz", "zip://a::{url}/a.zip"]
)
def test_an_index_that_names_addresses(name, canary, run_demo, tmp_path):
    row = {"filename": name.format(url=canary.url), "offset": "0", "length": "100"}
    (tmp_path / "rows.cdxj").write_text(f"com,example)/ 20260101000000 {json.dumps(row)}\n")
    ran = run_demo(
        "--input",
        str(tmp_path / "rows.cdxj"),
        "--set",
        "input.kind=index",
        "--stages",
        "extract",
        folder=tmp_path,
    )
    assert "unreadable_BadIndex" in ran.printed


def test_a_request_that_names_an_address(canary, demo_run, tmp_path, capsys):
    (tmp_path / "requests.jsonl").write_text(json.dumps({"image": f"{canary.url}/me.jpg"}))
    assert (
        erase(
            [
                "--dataset",
                str(demo_run.output),
                "--requests",
                str(tmp_path / "requests.jsonl"),
                "--dry-run",
            ]
        )
        == 2
    )
    assert "nothing is fetched from an address" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "stage", "unit"),
    [
        ("ReachingPage", "extract", "page"),
        ("Reaching", "publish", "sample"),
        ("ReachingResponse", "fetch", "pair"),
        ("ReachingContent", "fetch", "pair"),
        ("ReachingImage", "score", "pair"),
        ("ReachingEmbedding", "score", "pair"),
        ("ReachingEvidence", "publish", "sample"),
    ],
)
def test_a_detector_that_calls_somebody_is_found_out(
    kind, stage, unit, canary, run_demo, demo_detectors, tmp_path
):
    (tmp_path / "crawl.warc.gz").write_bytes(crawl(canary.url))
    detectors = {
        **demo_detectors,
        f"tests.support.reaching_detectors:{kind}": {"port": canary.port},
    }
    settings = [
        "--set",
        f"filters.detectors={json.dumps(detectors)}",
        "--set",
        "publish.max_quarantine=1",
        "--set",
        "score.detect_margin=1",
    ]
    crawled = ["--input", str(tmp_path / "crawl.warc.gz")]
    if stage == "publish":
        # Detectors look there at what rules ask about, and at all that is published. So they have
        # the demonstration, of which something is.
        crawled = []
    ran = run_demo(*crawled, *settings, folder=tmp_path)
    assert set(counts(ran)[stage][unit]["quarantined"]) == {"error:NetworkForbidden"}
    assert counts(ran)["publish"]["sample"]["kept"] == 0
    assert canary.calls == 0


@pytest.fixture(scope="module")
def demo_detectors():
    from pipeline.load_config import load_config
    from pipeline.orchestrate.config_file import CONFIGS

    config = load_config(
        CONFIGS / "demo.yaml", given={"output": "/nonexistent/out", "work": "/nonexistent/work"}
    )
    return {name: dict(options) for name, options in config.filters.detectors.items()}
