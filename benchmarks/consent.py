"""Checks through the command that every no is obeyed and that no yes is taken for a no.

    python -m benchmarks.consent [--quick]

Each reservation is served in each form by a site. Each case (benchmarks/consent_cases.py) is a host
of its own on loopback (127.1.x.y): its robots.txt, its other files, the page as a crawl holds it,
the answer that carries the picture, and the picture's file. `--quick` is the same: it takes well
under a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pyarrow.parquet as pq
from aiohttp import web
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from benchmarks.consent_cases import Case, cases
from demo.pictures import picture
from demo.scenes import Scene
from pairsieve.web.reservations import RESERVATIONS
from pipeline.commands.run import main as run

CAPTION = "a star in red on a white background"
PICTURE_PATH = "/img/star.jpg"
DETECTORS = "{page_rights: {}, response_rights: {}, picture_metadata: {}, c2pa: {}}"
START_S = 60.0  # the longest that starting or ending the site may take
ORIGIN = "{origin}"  # stands in a case for the origin of its host


def picture_of(case: Case, origin: str) -> bytes:
    """Make a JPEG with everything that the case puts into it."""
    options = {}
    if case.xmp:
        contents = case.xmp.replace(ORIGIN, origin)
        rdf = (
            f'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{contents}</rdf:RDF>'
        )
        options["xmp"] = f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{rdf}</x:xmpmeta>'.encode()
    stream = io.BytesIO()
    image = picture(Scene("star", "red", "white"), Random(1), 128).convert("RGB")
    image.save(stream, "JPEG", **options)
    body = stream.getvalue() + case.appended
    if not case.signed:
        return body
    label, use = case.signed.split()
    return sign(body, label, use)


def sign(body: bytes, label: str, use: str) -> bytes:
    """Add a C2PA manifest of one assertion, by the reference library and a certificate of tests."""
    import c2pa  # type: ignore[import-untyped]

    from tests.support.c2pa_signer import SOURCE, make_signer

    created = {
        "label": "c2pa.actions",
        "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": SOURCE}]},
    }
    assertion = {"label": label, "data": {"entries": {"cawg.ai_training": {"use": use}}}}
    manifest = {
        "claim_generator": "consent",
        "format": "image/jpeg",
        "title": "t",
        "ingredients": [],
        "assertions": [created, assertion],
    }
    signed = io.BytesIO()
    signer = make_signer()  # type: ignore[no-untyped-call]
    c2pa.Builder(json.dumps(manifest)).sign(signer, "image/jpeg", io.BytesIO(body), signed)
    return signed.getvalue()


def host_of_case(number: int) -> str:
    """Return the loopback address of a case."""
    return f"127.1.{number // 250}.{number % 250 + 1}"


def response_of(case: Case, path: str, origin: str) -> web.Response:
    """Answer a request to the host of a case."""
    if path == "/robots.txt":
        robots = case.robots.replace(ORIGIN, origin)
        return web.Response(status=case.robots_status, body=robots.encode())
    if path == PICTURE_PATH:
        headers = [("Content-Type", "image/jpeg")]
        headers += [(name, value.replace(ORIGIN, origin)) for name, value in case.answer_headers]
        return web.Response(body=picture_of(case, origin), headers=headers)
    text, kind = case.files.get(path, ("404", "404"))
    # A type of digits is a status.
    if kind.isdecimal():
        return web.Response(status=int(kind))
    return web.Response(body=text.encode(), headers={"Content-Type": kind})


@contextmanager
def served(all_cases: Sequence[Case], requests: Counter[str]) -> Iterator[int]:
    """Serve every case at its address; yield the port that they share.

    `requests` counts the requests by host and path.
    """
    by_host = {host_of_case(number): case for number, case in enumerate(all_cases)}

    async def answer(request: web.Request) -> web.Response:
        host = request.host.partition(":")[0]
        requests[f"{host}{request.path}"] += 1
        return response_of(by_host[host], request.path, f"http://{request.host}")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    async def start() -> int:
        await runner.setup()
        # The first host gets any free port, and the others the same one.
        port = 0
        for host in by_host:
            await web.TCPSite(runner, host, port).start()
            port = port or int(runner.addresses[0][1])
        return port

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield asyncio.run_coroutine_threadsafe(start(), loop).result(START_S)
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(START_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(START_S)
    loop.close()


def crawl(all_cases: Sequence[Case], port: int) -> bytes:
    """Make a WARC file with a page of each host."""
    stream = io.BytesIO()
    writer = WARCWriter(stream, gzip=True)
    for number, case in enumerate(all_cases):
        image = f'<img src="{PICTURE_PATH}" alt="{CAPTION}">'
        page = f"<html><head>{case.head}</head><body>{image}</body></html>"
        headers = [("Content-Type", "text/html"), *case.page_headers]
        record = writer.create_warc_record(
            f"http://{host_of_case(number)}:{port}/page.html",
            "response",
            payload=io.BytesIO(page.encode()),
            http_headers=StatusAndHeaders("200 OK", headers, protocol="HTTP/1.1"),
        )
        writer.write_record(record)
    return stream.getvalue()


def run_command(folder: Path, all_cases: Sequence[Case], port: int) -> int:
    """Run the command over a crawl of all cases; return its exit status."""
    warc = folder / "crawl.warc.gz"
    warc.write_bytes(crawl(all_cases, port))
    settings = [
        "fetch.source=web",
        "fetch.contact=https://example.org",
        f"fetch.ports=[{port}]",
        "fetch.allow_networks=[127.0.0.0/8]",
        "fetch.min_interval_s=0",
        "filters.detectors={page_rights: {}, response_rights: {}, picture_metadata: {}, c2pa: {}}",
        "filters.rules={rights: {profile: respect}}",
        "publish.max_quarantine=1",
    ]
    arguments = ["--input", str(warc)]
    arguments += ["--output", str(folder / "out"), "--work", str(folder / "work")]
    arguments += ["--direct_num_workers=1", "--log", "quiet"]
    for setting in settings:
        arguments += ["--set", setting]
    return run(arguments)


def published_hosts(output: Path) -> set[str]:
    """Return the hosts whose picture is in the dataset."""
    hosts = set()
    for path in output.glob("dataset/*/*.parquet"):
        for url in pq.read_table(path, columns=["URL"])["URL"].to_pylist():
            host_and_port = url.split("/")[2]
            hosts.add(host_and_port.partition(":")[0])
    return hosts


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command once over all cases; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="the same: all cases take less than a minute"
    )
    parser.parse_args(arguments)
    all_cases = list(cases())
    requests = Counter[str]()
    with tempfile.TemporaryDirectory() as name, served(all_cases, requests) as port:
        folder = Path(name)
        status = run_command(folder, all_cases, port)
        published = published_hosts(folder / "out")
    if status:
        return status
    _report(all_cases, published, requests)
    return 0


def _report(all_cases: Sequence[Case], published: set[str], requests: Counter[str]) -> None:
    """Print the cases of each row, every wrong result, and the goals."""
    numbers = Counter[str]()
    missed = []
    over_strict = []
    for number, case in enumerate(all_cases):
        host = host_of_case(number)
        name = f"{case.row}: {case.variant}"
        is_published = host in published
        was_requested = requests[f"{host}{PICTURE_PATH}"] > 0
        numbers[case.row] += 1
        if case.published and not is_published:
            over_strict.append(name)
        # A no that can be read before the request must prevent the request.
        if not case.published and (is_published or (case.needs_no_request and was_requested)):
            missed.append(name)
    for row, number in numbers.items():
        print(f"{row:28} {number:4} cases")
    for title, names in (("missed", missed), ("over-strict", over_strict)):
        for name in names:
            print(f"{title}: {name}")
    without_case = [row.name for row in RESERVATIONS if row.name not in numbers]
    print(
        f"{len(all_cases)} cases of {len(numbers)} signals; without a case: "
        f"{', '.join(without_case) or 'none'}"
    )
    print(f"goal signals_missed {len(missed) + len(without_case)} <= 0")
    print(f"goal over_strict {len(over_strict)} <= 0")


if __name__ == "__main__":
    sys.exit(main())
