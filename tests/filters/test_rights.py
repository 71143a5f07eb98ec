from __future__ import annotations

import pytest

from filters.rights import PageRights, ResponseRights, Rights
from filters.rule import Action
from filters.subjects import Response
from records.page import Origin, Page
from web.html import parse_page


def parsed(body: str = "", headers=()):
    return parse_page(Page("https://a.example/", (("Content-Type", "text/html"), *headers), body.encode(), Origin("", 0, "", "")))


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
    ("", [("Content-Usage", "train-ai=y"), ("Content-Usage", "train-genai=n")], {"content_usage_no_ai"}),
    ("", [("Content-Usage", "train-ai=y, search=n")], set()),
    ("", [("Content-Usage", "n")], set()),
    ('<meta name="tdm-reservation" content="1">', (), {"tdm_reserved"}),
    ('<meta name="tdm-reservation" content="0">', [("tdm-reservation", "1")], set()),
    ('<meta name="tdm-reservation" content="1">', [("tdm-reservation", "0")], {"tdm_reserved"}),
    ('<meta name="tdm-reservation" content="maybe">', [("tdm-reservation", "1")], {"tdm_reserved"}),
]


@pytest.mark.parametrize(("body", "headers", "signals"), PAGES)
def test_page_signals(body, headers, signals):
    assert set(PageRights().load()(parsed(body, headers))["page_rights_signals"]) == signals


@pytest.mark.parametrize(
    ("headers", "signals"), [((), ()), ((("X-Robots-Tag", "noai"),), ("noai",)), ((("tdm-reservation", "1"),), ("tdm_reserved",))]
)
def test_response_signals(headers, signals):
    assert ResponseRights().load()(Response("https://a.example/p.jpg", headers)) == {"response_rights_signals": signals}


RULE = Rights(refuse=("noai", "tdm_reserved"))


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
    rule = Rights(refuse=("noai",), unknown_page="keep")
    assert not list(rule.judge({"page_rights_signals": None}))
    assert [d.reason for d in rule.judge({"page_rights_signals": None, "response_rights_signals": ("noai",)})] == ["rights_noai"]
