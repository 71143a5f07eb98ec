from __future__ import annotations

import pytest

from filters.rights.rights import PageRights, ResponseRights, Rights
from filters.rule import Action
from filters.subjects import Response
from pairsieve.records.licence import LICENCE_MAX_CHARS, is_among, licence_kind
from pairsieve.records.page import Origin, Page
from pairsieve.web.html import parse_page


def parsed(body: str = "", headers=()):
    return parse_page(
        Page(
            "https://a.example/",
            (("Content-Type", "text/html"), *headers),
            body.encode(),
            Origin("", 0, "", ""),
        )
    )


RSL = """<script type="application/rsl+xml"><rsl xmlns="https://rslstandard.org/rsl">
<content url=""><license>%s</license></content></rsl></script>"""
PAGES = [
    ('<meta name="robots" content="noai">', (), {"noai"}),
    ('<META NAME="Robots" CONTENT="NoAI, NoImageAI">', (), {"noai", "noimageai"}),
    ('<meta name="robots" content="noai;noindex">', (), {"noai", "noindex"}),
    ('<meta name="gptbot" content="noai">', (), {"noai"}),
    ('<meta name="ClaudeBot" content="noimageai">', (), {"noimageai"}),
    ('<meta name="somebody" content="noai">', (), set()),
    ('<meta name="robots" content="index, follow, max-image-preview:large">', (), set()),
    ('<meta name="description" content="noai">', (), set()),
    ("", [("X-Robots-Tag", "noai")], {"noai"}),
    ("", [("x-robots-tag", "NOIMAGEAI")], {"noimageai"}),
    ("", [("X-Robots-Tag", "gptbot: noai, noimageai")], {"noai", "noimageai"}),
    ("", [("X-Robots-Tag", "noarchive"), ("X-Robots-Tag", "otherbot: noai")], {"noai"}),
    ("", [("X-Robots-Tag", "unavailable_after: 25 Jun 2030 15:00:00 PST")], set()),
    ("", [("tdm-reservation", "1")], {"tdm_reserved"}),
    ("", [("TDM-Reservation", " 1 ")], {"tdm_reserved"}),
    ("", [("tdm-reservation", "0")], set()),
    ("", [("tdm-reservation", "yes")], set()),
    ("", [("Content-Usage", "train-ai=n")], {"content_usage_no_ai"}),
    ("", [("content-usage", 'search=y, Train-AI = "n"')], {"content_usage_no_ai"}),
    (
        "",
        [("Content-Usage", "train-ai=y"), ("Content-Usage", "train-genai=n")],
        {"content_usage_no_ai"},
    ),
    ("", [("Content-Usage", "train-ai=y, search=n")], set()),
    ("", [("Content-Usage", "n")], {"content_usage_unreadable"}),
    ("", [("Content-Usage", "train-ai=perhaps, search=y")], {"content_usage_unreadable"}),
    ("", [("Content-Usage", "search=y, ")], set()),
    ('<meta name="tdm-reservation" content="1">', (), {"tdm_reserved"}),
    ('<meta name="tdm-reservation" content="0">', [("tdm-reservation", "1")], set()),
    ('<meta name="tdm-reservation" content="1">', [("tdm-reservation", "0")], {"tdm_reserved"}),
    ('<meta name="tdm-reservation" content="maybe">', [("tdm-reservation", "1")], {"tdm_reserved"}),
    # several values, several headers: RFC 9110, 5.3
    ("", [("tdm-reservation", "1, 1")], {"tdm_reserved"}),
    ("", [("tdm-reservation", "0"), ("TDM-Reservation", "1")], {"tdm_reserved"}),
    ("", [("tdm-reservation", "1;x=y")], {"tdm_reserved"}),
    ("", [("tdm-reservation", "10")], set()),
    (
        '<meta name="tdm-reservation" content="1"><meta name="tdm-reservation" content="0">',
        (),
        {"tdm_reserved"},
    ),
    ('<meta property="tdm:reservation" content="1">', (), {"tdm_reserved"}),
    # as pages write it: typographic quotes, of which a parser takes none for a quote
    ("<meta name=”robots” content=”noai, noimageai”>", (), {"noai", "noimageai"}),
    ("<meta name=”robots” content=”index, noimageai” />", (), {"noimageai"}),
    ("<meta name=“robots“ content=“noai“ data-noimageai>", (), {"noai"}),
    ('<meta name="robots" content=”noai”>', (), {"noai"}),
    ("<meta content=”1” name=”tdm-reservation”>", (), {"tdm_reserved"}),
    ("<meta http-equiv=”Content-Usage” content=”train-ai=n”>", (), {"content_usage_no_ai"}),
    ("<meta name=”robots” content=” noai ”>", (), {"noai"}),
    ("<meta name=”robots” content=” noai” data-noimageai>", (), {"noai"}),
    (
        "<meta http-equiv=”Content-Usage” content=”search=y, train-ai=n”>",
        (),
        {"content_usage_no_ai"},
    ),
    ('<meta name="tdm-reservation" content="1.0">', (), {"tdm_reserved"}),
    # and servers' configurations: quotes that are part of the value
    ("", [("X-Robots-Tag", '"noai, noimageai"')], {"noai", "noimageai"}),
    ("", [("X-Robots-Tag", "'noai'")], {"noai"}),
    ("", [("X-Robots-Tag", ": noai; GPTBot: none")], {"noai", "none", "ai_agent_noindex"}),
    ("", [("Content-Signal", '"search=yes, ai-train=no"')], {"content_usage_no_ai"}),
    ("", [("tdm-reservation", "'1'")], {"tdm_reserved"}),
    # a crawler that is not on the list, and AI as such: pages of Spawning's and others
    ('<meta name="googlebot" content="noai, noimageai">', (), {"noai", "noimageai"}),
    ('<meta name="KetoClubBot" content="noai">', (), {"noai"}),
    ('<meta name="AI" content="noimageai, noai">', (), {"noai", "noimageai"}),
    ('<meta name="bingbot" content="noindex, none">', (), set()),
    ('<meta name="email" content="noai">', (), set()),
    # HTML standard, 4.2.5: a pragma is one whatever else the element is
    ('<meta name="copyright" http-equiv="X-Robots-Tag" content="noai">', (), {"noai"}),
    ('<meta name="robots" property="og:robots" content="noai">', (), {"noai"}),
    # noml.info; draft-canel-robots-ai-control
    ('<meta name="robots" content="noml">', (), {"noml"}),
    ("", [("X-Robots-Tag", "noml, nofollow")], {"noml"}),
    ("", [("X-Robots-Tag", "DisallowAITraining")], {"disallowaitraining"}),
    # values of other rules: Google's robots meta tag specification
    ('<meta name="robots" content="max-image-preview:none">', (), set()),
    ("", [("X-Robots-Tag", "max-image-preview: none, max-snippet: -1")], set()),
    ("", [("X-Robots-Tag", "unavailable_after: Wed, 03 Dec 2025 13:09:53 GMT, noai")], {"noai"}),
    ("", [("X-Robots-Tag", "BadBot: noindex, nofollow, googlebot: nofollow")], {"noindex"}),
    ("", [("X-Robots-Tag", "GPTBot: noindex")], {"noindex", "ai_agent_noindex"}),
    ('<meta name="CCBot" content="none">', (), {"none", "ai_agent_noindex"}),
    ('<meta name="googlebot" content="noindex">', (), set()),
    ('<meta http-equiv="X-Robots-Tag" content="noai">', (), {"noai"}),
    # every draft's vocabulary, in headers and in what stands for one
    ("", [("Content-Signal", "search=yes, ai-train=no")], {"content_usage_no_ai"}),
    ("", [("content-signal", "search=yes,ai-train=no,use=reference")], {"content_usage_no_ai"}),
    ("", [("Content-Signal", "ai-train=yes, search=yes, ai-input=yes")], set()),
    ("", [("Content-Signal", "ai-input=no")], set()),
    ("", [("Content-Signal", "ai-train=never")], {"content_usage_unreadable"}),
    ("", [("Content-Usage", "bots=n")], {"content_usage_no_ai"}),
    ("", [("Content-Usage", "tdm=n")], {"content_usage_no_ai"}),
    ("", [("Content-Usage", "all=n, search=y")], {"content_usage_no_ai"}),
    ("", [("Content-Usage", "genai=n;exceptions=cc-cr-ec")], {"content_usage_no_ai"}),
    ("", [("Content-Usage", "bots=n, train-ai=y")], set()),
    ("", [("Content-Usage", "bots=y, train-genai=n")], {"content_usage_no_ai"}),
    ("", [("Content-Usage", "search=n, ai-output=n, foo, bar=?0")], set()),
    ("", [("Content-Usage", "train-ai")], {"content_usage_unreadable"}),
    ("", [("Content-Usage", "train-ai=?0")], {"content_usage_unreadable"}),
    ("", [("Usage-Pref", "ai=n")], {"content_usage_no_ai"}),
    ('<meta http-equiv="content-usage" content="train-ai=n">', (), {"content_usage_no_ai"}),
    # RSL 1.0, inside the page
    (RSL % "<prohibits type='usage'>ai-train</prohibits>", (), {"rsl_reserved"}),
    (RSL % "<permits type='usage'>all</permits>", (), set()),
    ('<script type="application/rsl+xml">{}</script>', (), {"rsl_unreadable"}),
]


@pytest.mark.parametrize(("body", "headers", "signals"), PAGES)
def test_page_signals(body, headers, signals):
    assert set(PageRights().load()(parsed(body, headers))["page_rights_signals"]) == signals


@pytest.mark.parametrize(
    ("body", "headers", "files"),
    [
        (
            '<link rel="license" type="application/rsl+xml" href="/licence.xml">',
            (),
            ("https://a.example/licence.xml",),
        ),
        (
            '<link rel="Other License" type="Application/RSL+XML; a=b" href="l.xml">',
            (),
            ("https://a.example/l.xml",),
        ),
        ('<link rel="license" href="/licence.html">', (), ()),
        (
            '<link rel=license type=application/rsl+xml href="https://anna:secret@b.example/l">',
            (),
            ("https://b.example/l",),
        ),
        (
            "",
            [("Link", '<https://b.example/l.xml>; rel="license"; type="application/rsl+xml"')],
            ("https://b.example/l.xml",),
        ),
        (
            "",
            [
                (
                    "link",
                    "<x>; rel=next, <https://b.example/a,b.xml>;type=application/rsl+xml;rel=license",
                )
            ],
            ("https://b.example/a,b.xml",),
        ),
    ],
)
def test_licence_files_that_a_page_names(body, headers, files):
    assert PageRights().load()(parsed(body, headers))["page_licence_files"] == files


@pytest.mark.parametrize(
    ("headers", "signals"),
    [
        ((), ()),
        ((("X-Robots-Tag", "noai"),), ("noai",)),
        ((("tdm-reservation", "1"),), ("tdm_reserved",)),
    ],
)
def test_response_signals(headers, signals):
    assert ResponseRights().load()(Response("https://a.example/p.jpg", headers)) == {
        "response_rights_signals": signals
    }


RULE = Rights("respect")


@pytest.mark.parametrize(
    ("page", "response", "reasons"),
    [
        ((), (), []),
        (("noai",), (), ["rights_noai"]),
        (("noindex",), (), []),
        ((), ("noai",), ["rights_noai"]),
        (("tdm_reserved",), ("noai",), ["rights_noai", "rights_tdm_reserved"]),
        (("noai",), None, ["rights_noai"]),
    ],
)
def test_rule(page, response, reasons):
    evidence = {"page_rights_signals": page, "response_rights_signals": response}
    assert [decision.reason for decision in RULE.judge(evidence)] == reasons


def test_page_evidence_that_is_missing_is_no_consent():
    with pytest.raises(KeyError):
        list(RULE.judge({}))
    (decision,) = RULE.judge({"page_rights_signals": None})
    assert (decision.action, decision.reason) == (Action.DROP, "rights_unknown_page")


def test_pages_that_nobody_saw_may_be_taken_on_purpose():
    rule = Rights("respect", unknown_page="keep")
    assert not list(rule.judge({"page_rights_signals": None}))
    assert [
        d.reason
        for d in rule.judge({"page_rights_signals": None, "response_rights_signals": ("noai",)})
    ] == ["rights_noai"]


@pytest.mark.parametrize(
    ("rule", "signals", "decisions"),
    [
        (Rights("respect"), ("noindex",), []),
        (Rights("respect", refuse=("noindex",)), ("noindex",), ["drop rights_noindex"]),
        (
            Rights("strict", allow_licences=("cc0",)),
            ("noindex",),
            ["drop rights_noindex", "drop rights_licence_not_allowed"],
        ),
        (Rights("record"), ("noai", "noindex"), ["tag rights_noai"]),
    ],
)
def test_profiles(rule, signals, decisions):
    evidence = {"page_rights_signals": signals, "picture_licence": None}
    assert [f"{d.action} {d.reason}" for d in rule.judge(evidence)] == decisions


@pytest.mark.parametrize("source", ["page", "response", "picture", "c2pa"])
def test_a_no_counts_wherever_it_is_said(source):
    evidence = {"page_rights_signals": (), f"{source}_rights_signals": ("noai",)}
    assert [d.reason for d in Rights("respect").judge(evidence)] == ["rights_noai"]


CC_BY = "https://creativecommons.org/licenses/by/4.0/"


@pytest.mark.parametrize(
    ("evidence", "dropped"),
    [
        ({"licence": CC_BY}, False),
        ({"licence": "https://a.example/terms", "picture_licence": CC_BY}, True),
        ({"licence": None, "picture_licence": CC_BY}, False),
        ({"licence": CC_BY, "picture_licence": "https://a.example/terms"}, True),
        ({"licence": CC_BY, "picture_licence": CC_BY}, False),
        ({"licence": None, "picture_licence": None}, True),
        ({"licence": None}, False),  # before the fetch nobody knows what the picture says
    ],
)
def test_licences_that_are_taken(evidence, dropped):
    rule = Rights("respect", allow_licences=("cc-by", "cc0-1.0"))
    assert bool([d.reason for d in rule.judge({"page_rights_signals": (), **evidence})]) == dropped


def test_strict_wants_to_know_which_licences():
    with pytest.raises(ValueError, match="set allow_licences"):
        Rights("strict")


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://creativecommons.org/licenses/by-nc-sa/3.0/de/", "cc-by-nc-sa-3.0"),
        ("http://www.creativecommons.org/publicdomain/zero/1.0/", "cc0-1.0"),
        ("//creativecommons.org/publicdomain/mark/1.0", "public-domain"),
        ("https://creativecommons.org/licenses/by/", "cc-by"),
        ("https://a.example/licence", "other"),
        ("", None),
        (None, None),
    ],
)
def test_kinds_of_licences(url, kind):
    assert licence_kind(url) == kind


BY_NC = "https://creativecommons.org/licenses/by-nc"
ARCHIVED = "http://web.archive.org/web/20160101000000/"


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        (CC_BY, True),
        # real pages link to these, without a version
        ("https://creativecommons.org/licenses/by/", True),
        (f"{BY_NC}/", False),
        ("https://creativecommons.org/licenses/by-sa/", False),
        ("https://creativecommons.org/licenses/by-nc-nd/3.0/de/", False),
        ("https://creativecommons.org/licenses/by?ref=chooser-v1", True),
        ("https://creativecommons.org/licenses/by/4.0/deed.en", True),
        # what follows makes another kind of it, or none
        ("https://creativecommons.org/licenses/by%2Dnc/4.0/", False),
        ("https://creativecommons.org/licenses/by_nc/4.0/", False),
        ("https://creativecommons.org/licenses/by/nc/4.0/", False),
        ("https://creativecommons.org/licenses/by/4.0-nc/", False),
        ("https://a.example/?r=//creativecommons.org/licenses/by/4.0/", False),
        # cut after "by"
        (f"{ARCHIVED}{BY_NC}/4.0/".replace("https", "http")[:LICENCE_MAX_CHARS], False),
    ],
)
def test_another_licence_is_not_the_same_without_its_end(url, taken):
    assert is_among(licence_kind(url), ("cc-by",)) is taken
