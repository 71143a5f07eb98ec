"""The cases of benchmarks/consent.py: each reservation in each form, and what it must lead to.

What each case must lead to is written here from the specifications that docs/consent.md names. It
does not follow from our code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from pairsieve.web.reservations import META_OR_HEADER, RESERVATIONS

Headers = tuple[tuple[str, str], ...]
RSL = (
    '<rsl xmlns="https://rslstandard.org/rsl"><content url="{url}"><license>{terms}</license>'
    "</content></rsl>"
)
RSL_TYPE = "application/rsl+xml"
PERMITS = '<permits type="usage">all</permits>'
PROHIBITS = '<prohibits type="usage">ai-train</prohibits>'
PLUS = "http://ns.useplus.org/ldf/vocab/"
SIGNATURE = "c2pa_not_allowed"

# Lines of robots.txt that refuse training with the picture.
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
# Lines that refuse something else.
OTHER_LINES = (
    "Content-Usage: /other/ train-ai=n",
    "Content-Signal: search=no, ai-train=yes",
    "Content-Usage: search=n",
    "DisallowAITraining: /other/",
)
# (variant, crawler, directives for it, whether the picture may be published)
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
    """One host: what it sends, and whether its picture may be published.

    `row` is a row of docs/consent.md. `files` holds path -> (text, type); a type of digits is a
    status. `xmp`, `appended` and `signed` change the picture's file. "{origin}" stands for the
    host's origin.
    """

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
        """Whether the no can be read before the picture is requested, and so must be."""
        is_in_answer = bool(self.answer_headers or self.xmp or self.appended or self.signed)
        return not self.published and not is_in_answer


def cases() -> Iterator[Case]:
    """Yield every row of the table in every form."""
    yield from _robots_cases()
    yield from _site_file_cases()
    yield from _rsl_cases()
    for row in RESERVATIONS:
        if row.grammar == META_OR_HEADER:
            yield from _directive_cases(row.name, row.means == "no")
    yield from _field_cases()
    yield from _addressed_cases()
    yield from _metadata_cases()
    yield from _credential_cases()


def _robots_cases() -> Iterator[Case]:
    # row -> (no, yes, agent)
    lines = {
        "robots_disallowed": ("Disallow: /img/", "Allow: /", "pairsieve"),
        "robots_ai_disallowed": ("Disallow: /img/", "Allow: /", "GPTBot"),
        "robots_ai_reserved": ("Content-Usage: train-ai=n", "Content-Usage: train-ai=y", "*"),
    }
    for row, (no, yes, agent) in lines.items():
        name, _, value = no.partition(":")
        in_upper_case = f"USER-AGENT: {agent.upper()}\n{name.upper()}:{value}"
        twice = f"User-agent: {agent}\n{yes}\n\nUser-agent: {agent}\n{no}"
        yield Case(row, "absent", True, "User-agent: *\nAllow: /")
        yield Case(row, "yes", True, f"User-agent: {agent}\n{yes}")
        yield Case(row, "no", False, f"User-agent: {agent}\n{no}")
        yield Case(row, "unreadable", False, "", robots_status=500)
        yield Case(row, "twice", False, twice)
        yield Case(row, "other case", False, in_upper_case)
        yield Case(row, "other scope", True, f"User-agent: Bingbot\n{no}")
        yield Case(row, "byte order mark", False, f"\ufeffUser-agent: {agent}\r\n{no}\r\n")
    for line in NO_LINES:
        yield Case("robots_ai_reserved", f"no, {line}", False, f"User-agent: *\n{line}")
    for line in OTHER_LINES:
        yield Case("robots_ai_reserved", f"other scope, {line}", True, f"User-agent: *\n{line}")


@dataclass(frozen=True)
class SiteFile:
    """A file of a site in its forms; an empty `unreadable` stands for the status 503."""

    row: str
    path: str
    type: str
    no: str
    yes: str
    unreadable: str
    twice: str
    other_case: str
    other_scope: str


def _tdm(location: str, reservation: int) -> str:
    return json.dumps([{"location": location, "tdm-reservation": reservation}])


SITE_FILES = (
    SiteFile(
        row="tdmrep_reserved",
        path="/.well-known/tdmrep.json",
        type="application/json",
        no=_tdm("/", 1),
        yes=_tdm("/", 0),
        unreadable="[",
        twice=_tdm("/", 0)[:-1] + ", " + _tdm("/img/", 1)[1:],
        other_case=_tdm("/", 1),
        other_scope=_tdm("/other/", 1),
    ),
    SiteFile(
        row="ai_txt_disallowed",
        path="/ai.txt",
        type="text/plain",
        no="User-Agent: *\nDisallow: *.jpg",
        yes="User-Agent: *\nAllow: *.jpg",
        unreadable="",
        twice="User-Agent: *\nDisallow: *.png\nUser-Agent: *\nDisallow: *.jpg",
        other_case="user-agent: *\nDisallow: *.jpg",
        other_scope="User-Agent: *\nDisallow: *.txt",
    ),
    SiteFile(
        row="trust_txt_reserved",
        path="/trust.txt",
        type="text/plain",
        no="datatrainingallowed=no",
        yes="datatrainingallowed=yes",
        unreadable="datatrainingallowed=?",
        twice="datatrainingallowed=yes\ndatatrainingallowed=no",
        other_case="DATATRAININGALLOWED=NO",
        other_scope="member=https://other.example/",
    ),
)


def _site_file_cases() -> Iterator[Case]:
    for file in SITE_FILES:
        unreadable = (file.unreadable, file.type) if file.unreadable else ("503", "503")
        page = ("<!doctype html><title>Not found</title>", "text/html")
        forms = {
            "yes": (True, (file.yes, file.type)),
            "no": (False, (file.no, file.type)),
            "unreadable": (False, unreadable),
            "twice": (False, (file.twice, file.type)),
            "other case": (False, (file.other_case, file.type)),
            "other scope": (True, (file.other_scope, file.type)),
            "a page in its place": (True, page),
        }
        yield Case(file.row, "absent", True)
        for variant, (published, served) in forms.items():
            yield Case(file.row, variant, published, files={file.path: served})
    yield Case(
        "trust_txt_reserved",
        "well known",
        False,
        files={"/.well-known/trust.txt": ("datatrainingallowed=no", "text/plain")},
    )
    yield Case(
        "tdmrep_reserved",
        "escapes",
        False,
        files={"/.well-known/tdmrep.json": (_tdm("/%69mg/*.jpg$", 1), "application/json")},
    )


def _rsl_cases() -> Iterator[Case]:
    link = f'<{{origin}}/l.xml>; rel="license"; type="{RSL_TYPE}"'
    element = f'<link rel=license type="{RSL_TYPE}" href="/l.xml">'
    # Where the licence file is named -> the case that names it.
    naming = {
        "robots.txt": Case("rsl_reserved", "", True, robots="License: {origin}/l.xml"),
        "page": Case("rsl_reserved", "", True, head=element),
        "answer": Case("rsl_reserved", "", True, answer_headers=(("Link", link),)),
    }
    paid = PERMITS + '<payment type="purchase"/>'
    in_other_case = PROHIBITS.replace("ai-train", "AI-Train")
    texts = {
        "yes": (True, RSL.format(url="/", terms=PERMITS)),
        "no": (False, RSL.format(url="/", terms=PROHIBITS)),
        "paid": (False, RSL.format(url="/", terms=paid)),
        "twice": (False, RSL.format(url="/", terms=PERMITS + PROHIBITS)),
        "other case": (False, RSL.format(url="/", terms=in_other_case)),
        "other scope": (True, RSL.format(url="/other/", terms=PROHIBITS)),
    }
    for place, case in naming.items():
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
        # A licence inside a page is about the page, whatever its url says.
        if variant != "other scope":
            script = f'<script type="{RSL_TYPE}">{text}</script>'
            yield Case("rsl_reserved", f"{variant}, inside the page", published, head=script)
    unreadable = f'<script type="{RSL_TYPE}">no</script>'
    yield Case("rsl_unreadable", "inside the page", False, head=unreadable)
    yield Case("rsl_reserved", "no, XMP", False, xmp=RSL.format(url="x", terms=PROHIBITS))


def _directive_cases(word: str, is_no: bool) -> Iterator[Case]:
    """Yield the forms of a directive; under the profile `respect`, a no to indexes is no no."""
    published = not is_no
    robots_tag = (("X-Robots-Tag", word),)
    twice = (("X-Robots-Tag", "nofollow"), ("X-Robots-Tag", f"noarchive, {word}"))
    unreadable = (("X-Robots-Tag", f"{word}x, max-image-preview:none"),)
    in_other_case = f'<META NAME="ROBOTS" CONTENT="{word.upper()}">'
    yield Case(word, "absent", True, head='<meta name="robots" content="index, follow">')
    yield Case(word, "yes", True, page_headers=(("X-Robots-Tag", "all"),))
    yield Case(word, "no, meta element", published, head=f'<meta name="robots" content="{word}">')
    yield Case(word, "no, page's header", published, page_headers=robots_tag)
    yield Case(word, "no, answer's header", published, answer_headers=robots_tag)
    yield Case(word, "twice", published, answer_headers=twice)
    yield Case(word, "other case", published, head=in_other_case)
    yield Case(word, "other scope", True, head=f'<meta name="description" content="{word}">')
    yield Case(word, "unreadable", True, page_headers=unreadable)


@dataclass(frozen=True)
class Field:
    """A header field in its forms; `unreadable_published` says what an unreadable one leads to."""

    row: str
    name: str
    no: str
    yes: str
    twice: str
    unreadable: str
    unreadable_published: bool


FIELDS = (
    Field("tdm_reserved", "tdm-reservation", "1", "0", "1, 1", "maybe", True),
    Field(
        row="content_usage_no_ai",
        name="Content-Usage",
        no="train-ai=n",
        yes="train-ai=y",
        twice="train-ai=y, train-genai=n",
        unreadable="search=perhaps",
        unreadable_published=True,
    ),
    Field(
        row="content_usage_no_ai",
        name="Content-Signal",
        no="ai-train=no",
        yes="ai-train=yes",
        twice="ai-train=yes, ai-train=no",
        unreadable="use=reference",
        unreadable_published=True,
    ),
    Field(
        row="content_usage_unreadable",
        name="Content-Usage",
        no="train-ai=perhaps",
        yes="search=perhaps",
        twice="train-ai=?, search=y",
        unreadable="train-ai",
        unreadable_published=False,
    ),
)


def _field_cases() -> Iterator[Case]:
    for header in FIELDS:
        # variant -> (whether published, name of the field, its values)
        forms = {
            "yes": (True, header.name, [header.yes]),
            "no": (False, header.name, [header.no]),
            "in one": (False, header.name, [header.twice]),
            "twice": (False, header.name, [header.yes, header.no]),
            "unreadable": (header.unreadable_published, header.name, [header.unreadable]),
            "other case": (False, header.name.upper(), [header.no.upper()]),
            "other scope": (True, f"X-{header.name}", [header.no]),
        }
        for place in ("page_headers", "answer_headers"):
            yield Case(header.row, f"absent, {header.name}, {place}", True)
            for variant, (published, sent_name, values) in forms.items():
                headers = tuple((sent_name, value) for value in values)
                case = Case(header.row, f"{variant}, {header.name}, {place}", published)
                if place == "page_headers":
                    yield replace(case, page_headers=headers)
                else:
                    yield replace(case, answer_headers=headers)
    no = '<meta name="tdm-reservation" content="1">'
    yes = '<meta name="tdm-reservation" content="0">'
    yield Case("tdm_reserved", "no, meta element", False, head=no)
    yield Case(
        "tdm_reserved",
        "the meta element has the last word",
        True,
        page_headers=(("tdm-reservation", "1"),),
        head=yes,
    )


def _addressed_cases() -> Iterator[Case]:
    """Yield directives for a crawler that is named."""
    for variant, agent, directives, published in ADDRESSED:
        headers = (("X-Robots-Tag", f"{agent}: {directives}"),)
        element = f'<meta name="{agent}" content="{directives}">'
        yield Case("ai_agent_noindex", f"{variant}, header", published, page_headers=headers)
        yield Case("ai_agent_noindex", f"{variant}, meta element", published, head=element)


def _plus(value: str) -> str:
    """Write PLUS's statement on data mining as XMP."""
    return (
        '<rdf:Description xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" '
        f'plus:DataMining="{PLUS}{value}"/>'
    )


def _metadata_cases() -> Iterator[Case]:
    """Yield statements in the picture's XMP."""
    row = "data_mining_prohibited"
    yield Case(row, "absent", True, xmp="<rdf:Description/>")
    yield Case(row, "yes", True, xmp=_plus("DMI-ALLOWED"))
    yield Case(row, "unspecified", True, xmp=_plus("DMI-UNSPECIFIED"))
    for end in (
        "",
        "-AIMLTRAINING",
        "-GENAIMLTRAINING",
        "-EXCEPTSEARCHENGINEINDEXING",
        "-SEECONSTRAINT",
    ):
        yield Case(row, f"no{end}", False, xmp=_plus(f"DMI-PROHIBITED{end}"))
    yield Case(row, "twice", False, xmp=_plus("DMI-ALLOWED") + _plus("DMI-PROHIBITED"))
    yield Case(row, "other case", False, xmp=_plus("dmi-prohibited"))
    yield Case(row, "other scope", True, xmp=_plus("DMI-PROHIBIT"))
    tdm = '<rdf:Description xmlns:tdm="http://www.w3.org/ns/tdmrep/" tdm:reservation="1"/>'
    yield Case("tdm_reserved", "no, XMP", False, xmp=tdm)


def _credential_cases() -> Iterator[Case]:
    """Yield statements in the picture's Content Credentials (C2PA)."""
    for variant, use, published in (
        ("yes", "allowed", True),
        ("no", "notAllowed", False),
        ("constrained", "constrained", False),
    ):
        yield Case(SIGNATURE, variant, published, signed=f"cawg.training-mining {use}")
    yield Case(SIGNATURE, "other scope", True, signed="org.example.other notAllowed")
    yield Case(SIGNATURE, "absent", True)
    yield Case("c2pa_unreadable", "unreadable", False, appended=b"c2pa")
    yield Case("c2pa_unreadable", "another value", False, signed="c2pa.training-mining perhaps")
    elsewhere = (
        '<rdf:Description xmlns:dcterms="http://purl.org/dc/terms/" '
        'dcterms:provenance="{origin}/m.c2pa"/>'
    )
    yield Case("c2pa_unreadable", "elsewhere", False, xmp=elsewhere)
