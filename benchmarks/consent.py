"""Whether every no is heard, and no yes is taken for one: each reservation in each form, served by
a site, through the command.

    python -m benchmarks.consent [--quick]

Each case is a host of its own on loopback (127.1.x.y): its robots.txt, its other files, the page as
a crawl holds it, the answer that carries the picture, and the picture's file. What each case has to
end in is written here from the specifications that docs/consent.md names. `--quick` is the same: it
takes well under a minute.
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
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import pyarrow.parquet as pq
from aiohttp import web
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from demo.pictures import Scene, picture
from pairsieve.web.reservations import META_OR_HEADER, RESERVATIONS
from pipeline.commands.run import main as run

CAPTION = "a star in red on a white background"
PATH = "/img/star.jpg"
START_S = 60.0  # the longest that starting or ending the site may take
Headers = tuple[tuple[str, str], ...]
RSL = '<rsl xmlns="https://rslstandard.org/rsl"><content url="{url}"><license>{terms}</license></content></rsl>'
RSL_TYPE = "application/rsl+xml"
PERMITS, PROHIBITS = (
    '<permits type="usage">all</permits>',
    '<prohibits type="usage">ai-train</prohibits>',
)
PLUS = "http://ns.useplus.org/ldf/vocab/"
SIGNATURE = "c2pa_not_allowed"


NO_LINES = (
    "Content-Signal: ai-train=no",
    "Content-Usage: /img/\ttrain-ai=n",
    "Content-Usage: bots=n",
    "Content-Usage: tdm=n",
    "Content-Usage: /%69mg/ ai=n",
    "Content-Usage: train-ai=perhaps",
    "DisallowAITraining: /",
    "TDM-Reservation: 1",
)
OTHER_LINES = (
    "Content-Usage: /other/ train-ai=n",
    "Content-Signal: search=no, ai-train=yes",
    "Content-Usage: search=n",
    "DisallowAITraining: /other/",
)
ADDRESSED = (
    ("no", "GPTBot", "noindex", False),
    ("other case", "gptbot", "NONE", False),
    ("twice", "CCBot", "nofollow, noimageindex", False),
    ("yes", "GPTBot", "nofollow", True),
    ("other scope", "bingbot", "noindex", True),
    ("unreadable", "GPTBot", "noindexing", True),
    ("absent", "GPTBot", "", True),
)


@dataclass(frozen=True)
class Case:
    """One host: what it says where, and whether its picture may be published."""

    row: str
    variant: str
    published: bool
    robots: str = ""
    robots_status: int = 200
    files: dict[str, tuple[str, str]] = field(default_factory=dict)
    page_headers: Headers = ()
    head: str = ""
    answer_headers: Headers = ()
    xmp: str = ""
    appended: bytes = b""
    signed: str = ""

    @property
    def needs_no_request(self) -> bool:
        """Whether the no stands where it has to be heard before the picture is asked for."""
        return not self.published and not (
            self.answer_headers or self.xmp or self.appended or self.signed
        )


def cases() -> Iterator[Case]:
    """Every row of the table in every form."""
    yield from _robots_cases()
    yield from _site_file_cases()
    yield from _rsl_cases()
    for row in RESERVATIONS:
        if row.grammar == META_OR_HEADER:
            yield from _directive_cases(row.name, row.means == "no")
    yield from _field_cases()
    yield from _picture_cases()


def _robots_cases() -> Iterator[Case]:
    lines = {
        "robots_disallowed": ("Disallow: /img/", "Allow: /", "pairsieve"),
        "robots_ai_disallowed": ("Disallow: /img/", "Allow: /", "GPTBot"),
        "robots_ai_reserved": ("Content-Usage: train-ai=n", "Content-Usage: train-ai=y", "*"),
    }
    for row, (no, yes, agent) in lines.items():
        yield Case(row, "absent", True, "User-agent: *\nAllow: /")
        yield Case(row, "yes", True, f"User-agent: {agent}\n{yes}")
        yield Case(row, "no", False, f"User-agent: {agent}\n{no}")
        yield Case(row, "unreadable", False, "", robots_status=500)
        yield Case(row, "twice", False, f"User-agent: {agent}\n{yes}\n\nUser-agent: {agent}\n{no}")
        yield Case(
            row,
            "other case",
            False,
            f"USER-AGENT: {agent.upper()}\n{no.partition(':')[0].upper()}:{no.partition(':')[2]}",
        )
        yield Case(row, "other scope", True, f"User-agent: Bingbot\n{no}")
        yield Case(row, "byte order mark", False, f"\ufeffUser-agent: {agent}\r\n{no}\r\n")
    for line in NO_LINES:
        yield Case("robots_ai_reserved", f"no, {line}", False, f"User-agent: *\n{line}")
    for line in OTHER_LINES:
        yield Case("robots_ai_reserved", f"other scope, {line}", True, f"User-agent: *\n{line}")


def _site_file_cases() -> Iterator[Case]:
    def tdm(location: str, answer: object) -> str:
        return json.dumps([{"location": location, "tdm-reservation": answer}])

    path, kind = "/.well-known/tdmrep.json", "application/json"
    files = {
        "tdmrep_reserved": (path, kind, tdm("/", 1), tdm("/", 0), "[", tdm("/", 0)[:-1] + ", " + tdm("/img/", 1)[1:], tdm("/other/", 1)),
        "ai_txt_disallowed": ("/ai.txt", "text/plain", "User-Agent: *\nDisallow: *.jpg", "User-Agent: *\nAllow: *.jpg", "",
                              "User-Agent: *\nDisallow: *.png\nUser-Agent: *\nDisallow: *.jpg", "User-Agent: *\nDisallow: *.txt"),
        "trust_txt_reserved": ("/trust.txt", "text/plain", "datatrainingallowed=no", "datatrainingallowed=yes", "datatrainingallowed=?",
                               "datatrainingallowed=yes\ndatatrainingallowed=no", "member=https://other.example/"),
    }  # fmt: skip
    for row, (at, mime, no, yes, unreadable, twice, other) in files.items():
        yield Case(row, "absent", True)
        yield Case(row, "yes", True, files={at: (yes, mime)})
        yield Case(row, "no", False, files={at: (no, mime)})
        yield Case(
            row,
            "unreadable",
            False,
            files={at: (unreadable or "503", mime if unreadable else "503")},
        )
        yield Case(row, "twice", False, files={at: (twice, mime)})
        other_case = (
            no.upper() if row == "trust_txt_reserved" else no.replace("User-Agent", "user-agent")
        )
        yield Case(row, "other case", False, files={at: (other_case, mime)})
        yield Case(row, "other scope", True, files={at: (other, mime)})
        yield Case(
            row,
            "a page in its place",
            True,
            files={at: ("<!doctype html><title>Not found</title>", "text/html")},
        )
    yield Case(
        "trust_txt_reserved",
        "well known",
        False,
        files={"/.well-known/trust.txt": ("datatrainingallowed=no", "text/plain")},
    )
    yield Case("tdmrep_reserved", "escapes", False, files={path: (tdm("/%69mg/*.jpg$", 1), kind)})


def _rsl_cases() -> Iterator[Case]:
    named: dict[str, Case] = {
        "robots.txt": Case("rsl_reserved", "", True, robots="License: {origin}/l.xml"),
        "page": Case(
            "rsl_reserved", "", True, head=f'<link rel=license type="{RSL_TYPE}" href="/l.xml">'
        ),
        "answer": Case(
            "rsl_reserved",
            "",
            True,
            answer_headers=(("Link", f'<{{origin}}/l.xml>; rel="license"; type="{RSL_TYPE}"'),),
        ),
    }
    texts = {
        "yes": (True, RSL.format(url="/", terms=PERMITS)),
        "no": (False, RSL.format(url="/", terms=PROHIBITS)),
        "paid": (False, RSL.format(url="/", terms=PERMITS + '<payment type="purchase"/>')),
        "twice": (False, RSL.format(url="/", terms=PERMITS + PROHIBITS)),
        "other case": (False, RSL.format(url="/", terms=PROHIBITS.replace("ai-train", "AI-Train"))),
        "other scope": (True, RSL.format(url="/other/", terms=PROHIBITS)),
    }
    for place, case in named.items():
        for variant, (published, text) in texts.items():
            yield replace(
                case,
                variant=f"{variant}, {place}",
                published=published,
                files={"/l.xml": (text, RSL_TYPE)},
            )
        for variant, text in (("unreadable", "<rsl"), ("absent", "404")):
            yield replace(
                case,
                row="rsl_unreadable",
                variant=f"{variant}, {place}",
                published=False,
                files={"/l.xml": (text, text)},
            )
    for variant, (published, text) in texts.items():
        if variant != "other scope":
            yield Case(
                "rsl_reserved",
                f"{variant}, inside the page",
                published,
                head=f'<script type="{RSL_TYPE}">{text}</script>',
            )
    yield Case(
        "rsl_unreadable", "inside the page", False, head=f'<script type="{RSL_TYPE}">no</script>'
    )
    yield Case("rsl_reserved", "no, XMP", False, xmp=RSL.format(url="x", terms=PROHIBITS))


def _directive_cases(word: str, is_no: bool) -> Iterator[Case]:
    """A no to indexes is none here: the profile is `respect`."""
    kept = not is_no
    yield Case(word, "absent", True, head='<meta name="robots" content="index, follow">')
    yield Case(word, "yes", True, page_headers=(("X-Robots-Tag", "all"),))
    yield Case(word, "no, meta element", kept, head=f'<meta name="robots" content="{word}">')
    yield Case(word, "no, page's header", kept, page_headers=(("X-Robots-Tag", word),))
    yield Case(word, "no, answer's header", kept, answer_headers=(("X-Robots-Tag", word),))
    yield Case(
        word,
        "twice",
        kept,
        answer_headers=(("X-Robots-Tag", "nofollow"), ("X-Robots-Tag", f"noarchive, {word}")),
    )
    yield Case(word, "other case", kept, head=f'<META NAME="ROBOTS" CONTENT="{word.upper()}">')
    yield Case(word, "other scope", True, head=f'<meta name="description" content="{word}">')
    yield Case(
        word,
        "unreadable",
        True,
        page_headers=(("X-Robots-Tag", f"{word}x, max-image-preview:none"),),
    )


def _field_cases() -> Iterator[Case]:
    fields = {
        "tdm_reserved": [("tdm-reservation", "1", "0", "1, 1", "maybe", True)],
        "content_usage_no_ai": [
            (
                "Content-Usage",
                "train-ai=n",
                "train-ai=y",
                "train-ai=y, train-genai=n",
                "search=perhaps",
                True,
            ),
            (
                "Content-Signal",
                "ai-train=no",
                "ai-train=yes",
                "ai-train=yes, ai-train=no",
                "use=reference",
                True,
            ),
        ],
        "content_usage_unreadable": [
            (
                "Content-Usage",
                "train-ai=perhaps",
                "search=perhaps",
                "train-ai=?, search=y",
                "train-ai",
                False,
            )
        ],
    }
    for row, listed in fields.items():
        for field_name, no, yes, twice, unreadable, kept in listed:
            values = {
                "yes": (True, field_name, [yes]),
                "no": (False, field_name, [no]),
                "in one": (False, field_name, [twice]),
                "twice": (False, field_name, [yes, no]),
                "unreadable": (kept, field_name, [unreadable]),
                "other case": (False, field_name.upper(), [no.upper()]),
                "other scope": (True, f"X-{field_name}", [no]),
            }
            for place in ("page_headers", "answer_headers"):
                yield Case(row, f"absent, {field_name}, {place}", True)
                for variant, (published, sent_name, sent_values) in values.items():
                    headers = tuple((sent_name, value) for value in sent_values)
                    case = Case(row, f"{variant}, {field_name}, {place}", published)
                    if place == "page_headers":
                        yield replace(case, page_headers=headers)
                    else:
                        yield replace(case, answer_headers=headers)
    yield Case(
        "tdm_reserved", "no, meta element", False, head='<meta name="tdm-reservation" content="1">'
    )
    yield Case(
        "tdm_reserved",
        "the meta element has the last word",
        True,
        page_headers=(("tdm-reservation", "1"),),
        head='<meta name="tdm-reservation" content="0">',
    )
    for variant, agent, word, kept in ADDRESSED:
        yield Case(
            "ai_agent_noindex",
            f"{variant}, header",
            kept,
            page_headers=(("X-Robots-Tag", f"{agent}: {word}"),),
        )
        yield Case(
            "ai_agent_noindex",
            f"{variant}, meta element",
            kept,
            head=f'<meta name="{agent}" content="{word}">',
        )


def _picture_cases() -> Iterator[Case]:
    def plus(value: str) -> str:
        return f'<rdf:Description xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" plus:DataMining="{PLUS}{value}"/>'

    row = "data_mining_prohibited"
    yield Case(row, "absent", True, xmp="<rdf:Description/>")
    yield Case(row, "yes", True, xmp=plus("DMI-ALLOWED"))
    yield Case(row, "unspecified", True, xmp=plus("DMI-UNSPECIFIED"))
    for end in (
        "",
        "-AIMLTRAINING",
        "-GENAIMLTRAINING",
        "-EXCEPTSEARCHENGINEINDEXING",
        "-SEECONSTRAINT",
    ):
        yield Case(row, f"no{end}", False, xmp=plus(f"DMI-PROHIBITED{end}"))
    yield Case(row, "twice", False, xmp=plus("DMI-ALLOWED") + plus("DMI-PROHIBITED"))
    yield Case(row, "other case", False, xmp=plus("dmi-prohibited"))
    yield Case(row, "other scope", True, xmp=plus("DMI-PROHIBIT"))
    yield Case(
        "tdm_reserved",
        "no, XMP",
        False,
        xmp='<rdf:Description xmlns:tdm="http://www.w3.org/ns/tdmrep/" tdm:reservation="1"/>',
    )
    for variant, use, kept in (
        ("yes", "allowed", True),
        ("no", "notAllowed", False),
        ("constrained", "constrained", False),
    ):
        yield Case(SIGNATURE, variant, kept, signed=f"cawg.training-mining {use}")
    yield Case(SIGNATURE, "other scope", True, signed="org.example.other notAllowed")
    yield Case(SIGNATURE, "absent", True)
    yield Case("c2pa_unreadable", "unreadable", False, appended=b"c2pa")
    yield Case("c2pa_unreadable", "another value", False, signed="c2pa.training-mining perhaps")
    elsewhere = '<rdf:Description xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="{origin}/m.c2pa"/>'
    yield Case("c2pa_unreadable", "elsewhere", False, xmp=elsewhere)


def picture_of(case: Case, origin: str) -> bytes:
    """A JPEG with what the case puts into it."""
    stream = io.BytesIO()
    rdf = f'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{case.xmp.replace("{origin}", origin)}</rdf:RDF>'
    options = (
        {"xmp": f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{rdf}</x:xmpmeta>'.encode()}
        if case.xmp
        else {}
    )
    picture(Scene("star", "red", "white"), Random(1), 128).convert("RGB").save(
        stream, "JPEG", **options
    )
    body = stream.getvalue() + case.appended
    return sign(body, *case.signed.split()) if case.signed else body


def sign(body: bytes, label: str, use: str) -> bytes:
    """The picture with a manifest of one assertion, by the reference library and a certificate of
    the tests.
    """
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
    out = io.BytesIO()
    signer = make_signer()  # type: ignore[no-untyped-call]
    c2pa.Builder(json.dumps(manifest)).sign(signer, "image/jpeg", io.BytesIO(body), out)
    return out.getvalue()


def host_of_case(number: int) -> str:
    """A loopback address for each case."""
    return f"127.1.{number // 250}.{number % 250 + 1}"


@contextmanager
def served(listed: Sequence[Case], asked: Counter[str]) -> Iterator[int]:
    """Serve every case at its address until the block ends; the port that they share."""
    by_host = {host_of_case(n): case for n, case in enumerate(listed)}

    async def answer(request: web.Request) -> web.Response:
        host = request.host.partition(":")[0]
        case, origin = by_host[host], f"http://{request.host}"
        asked[f"{host}{request.path}"] += 1
        if request.path == "/robots.txt":
            return web.Response(
                status=case.robots_status, body=case.robots.replace("{origin}", origin).encode()
            )
        if request.path == PATH:
            headers = [
                (name, value.replace("{origin}", origin)) for name, value in case.answer_headers
            ]
            return web.Response(
                body=picture_of(case, origin), headers=[("Content-Type", "image/jpeg"), *headers]
            )
        text, kind = case.files.get(request.path, ("404", "404"))
        if kind.isdecimal():
            return web.Response(status=int(kind))
        return web.Response(body=text.encode(), headers={"Content-Type": kind})

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    async def start() -> int:
        await runner.setup()
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


def crawl(listed: Sequence[Case], port: int) -> bytes:
    """A page of each host, as a crawl holds it."""
    stream = io.BytesIO()
    writer = WARCWriter(stream, gzip=True)
    for n, case in enumerate(listed):
        body = f'<html><head>{case.head}</head><body><img src="{PATH}" alt="{CAPTION}"></body></html>'.encode()
        http = StatusAndHeaders(
            "200 OK", [("Content-Type", "text/html"), *case.page_headers], protocol="HTTP/1.1"
        )
        url = f"http://{host_of_case(n)}:{port}/page.html"
        writer.write_record(
            writer.create_warc_record(url, "response", payload=io.BytesIO(body), http_headers=http)
        )
    return stream.getvalue()


def published_hosts(output: Path) -> set[str]:
    """The hosts whose picture is in the dataset."""
    urls = [
        url
        for path in output.glob("dataset/*/*.parquet")
        for url in pq.read_table(path, columns=["URL"])["URL"].to_pylist()
    ]
    return {url.split("/")[2].partition(":")[0] for url in urls}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command once over all cases; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="the same: all cases take less than a minute"
    )
    parser.parse_args(arguments)
    listed, asked = list(cases()), Counter[str]()
    with tempfile.TemporaryDirectory() as folder, served(listed, asked) as port:
        place = Path(folder)
        (place / "crawl.warc.gz").write_bytes(crawl(listed, port))
        settings = [
            "fetch.source=web", "fetch.contact=https://example.org", f"fetch.ports=[{port}]", "fetch.allow_networks=[127.0.0.0/8]",
            "fetch.min_interval_s=0", "filters.detectors={page_rights: {}, response_rights: {}, picture_metadata: {}, c2pa: {}}",
            "filters.rules={rights: {profile: respect}}", "publish.max_quarantine=1",
        ]  # fmt: skip
        flags = [argument for setting in settings for argument in ("--set", setting)]
        place_flags = [
            "--output",
            str(place / "out"),
            "--work",
            str(place / "work"),
            "--direct_num_workers=1",
            "--log",
            "quiet",
        ]
        status = run(["--input", str(place / "crawl.warc.gz"), *place_flags, *flags])
        published = published_hosts(place / "out")
    return status or _report(listed, published, asked)


def _report(listed: Sequence[Case], published: set[str], asked: Counter[str]) -> int:
    numbers, missed, over_strict = Counter[str](), list[str](), list[str]()
    for n, case in enumerate(listed):
        host, name = host_of_case(n), f"{case.row}: {case.variant}"
        numbers[case.row] += 1
        if not case.published and (
            host in published or (case.needs_no_request and asked[f"{host}{PATH}"])
        ):
            missed.append(name)
        if case.published and host not in published:
            over_strict.append(name)
    for row, number in numbers.items():
        print(f"{row:28} {number:4} cases")
    for title, names in (("missed", missed), ("over-strict", over_strict)):
        for name in names:
            print(f"{title}: {name}")
    absent = [row.name for row in RESERVATIONS if row.name not in numbers]
    print(
        f"{len(listed)} cases of {len(numbers)} signals; without a case: {', '.join(absent) or 'none'}"
    )
    print(f"goal signals_missed {len(missed) + len(absent)} <= 0")
    print(f"goal over_strict {len(over_strict)} <= 0")
    return 0


if __name__ == "__main__":
    sys.exit(main())
