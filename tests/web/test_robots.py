from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.web.robots import Robots

URL = "https://a.example/pictures/cat.jpg?size=2"
FILES = [
    ("", None),
    ("User-agent: *\nDisallow:", None),
    ("User-agent: *\nDisallow: /", "robots_disallowed"),
    ("User-agent: *\nDisallow: /private/", None),
    ("User-agent: pairsieve\nDisallow: /pictures/", "robots_disallowed"),
    ("User-agent: *\nDisallow: /\n\nUser-agent: PairSieve\nAllow: /", None),
    ("User-agent: *\nDisallow: /*.jpg", "robots_disallowed"),
    ("User-agent: GPTBot\nDisallow: /", "robots_ai_disallowed"),
    ("User-agent: CCBot\nUser-agent: Google-Extended\nDisallow: /pictures", "robots_ai_disallowed"),
    ("User-agent: GPTBot\nDisallow: /private/", None),
    ("User-agent: Googlebot\nDisallow: /", None),
    ("User-agent: *\nContent-Usage: train-ai=n\nAllow: /", "robots_ai_reserved"),
    ("User-agent: *\nContent-Usage: /pictures/ train-ai=n\nAllow: /", "robots_ai_reserved"),
    ("User-agent: *\nContent-Usage: /words/ train-ai=n\nAllow: /", None),
    ("User-agent: *\nContent-Usage: /*.jpg?size=2$ train-ai=n\nAllow: /", "robots_ai_reserved"),
    ("User-agent: *\nContent-Usage: /*.jpg$ train-ai=n\nAllow: /", None),
    (
        "User-agent: *\nContent-Usage: train-ai=y\nContent-Usage: train-genai=n",
        "robots_ai_reserved",
    ),
    ("User-Agent: *\nContent-Signal: search=yes, ai-train=no\nAllow: /", "robots_ai_reserved"),
    ("User-Agent: *\nContent-signal: search=yes,ai-train=yes\nAllow: /", None),
    ("Content-Signal: ai-train=no", "robots_ai_reserved"),
    ("User-agent: Bingbot\nContent-Signal: ai-train=no", None),
    ("User-agent: GPTBot\nContent-Signal: ai-train=no", "robots_ai_reserved"),
    ("User-agent: *\nContent-Signal: ai-input=no # ai-train=no", None),
    (
        "User-agent: Bingbot\nAllow: /\nUser-agent: *\nContent-Signal: ai-train=no",
        "robots_ai_reserved",
    ),
    ("\ufeffUser-agent: *\r\nDisallow: /\r\n", "robots_disallowed"),
]


@pytest.mark.parametrize(("text", "refusal"), FILES)
def test_refusal(text, refusal):
    assert Robots(text, ai_agents=True).refusal(URL) == refusal


def test_ai_agents_may_be_left_aside():
    assert Robots("User-agent: GPTBot\nDisallow: /", ai_agents=False).refusal(URL) is None


def test_crawl_delay():
    assert Robots("User-agent: *\nCrawl-delay: 2.5", ai_agents=True).crawl_delay_s == 2.5
    assert Robots("User-agent: *\nCrawl-delay: soon", ai_agents=True).crawl_delay_s == 0


@given(st.text(alphabet="User-agent: *\nContent-Signal/$#,=no", max_size=200))
def test_any_text(text):
    robots = Robots(text, ai_agents=True)
    assert robots.refusal(URL) in (
        None,
        "robots_disallowed",
        "robots_ai_disallowed",
        "robots_ai_reserved",
    )
    assert robots.crawl_delay_s >= 0


MORE = [
    # paths are compared alike under every kind of rule
    (
        "User-agent: *\nContent-Usage: /pictures/\ttrain-ai=n",
        "/pictures/a.jpg",
        "robots_ai_reserved",
    ),
    ("User-agent: *\nContent-Usage: /%7Eanna/ train-ai=n", "/~anna/a.jpg", "robots_ai_reserved"),
    ("User-agent: *\nContent-Usage: /~anna/ train-ai=n", "/%7eanna/a.jpg", "robots_ai_reserved"),
    ("User-agent: *\nContent-Usage: /höhe/ train-ai=n", "/h%C3%B6he/a.jpg", "robots_ai_reserved"),
    (
        "User-agent: *\nContent-Signal: /h%c3%b6he/ ai-train=no",
        "/h%C3%B6he/a.jpg",
        "robots_ai_reserved",
    ),
    ("User-agent: *\nContent-Usage: /a%24b train-ai=n", "/a$b", "robots_ai_reserved"),
    ("User-agent: *\nContent-Usage: /a%2Ab train-ai=n", "/a*b", "robots_ai_reserved"),
    ("User-agent: *\nContent-Usage: /a%2Ab train-ai=n", "/axb", None),
    ("User-agent: *\nDisallow: /a%2Fb", "/a/b", None),
    # RFC 9309, 2.2.2, its table
    (
        "User-agent: *\nDisallow: /a?u=https%3A%2F%2Fb.example",
        "/a?u=https://b.example",
        "robots_disallowed",
    ),
    # the longest path decides, and lines of one path stand together (draft-ietf-aipref-attach)
    (
        "User-agent: *\nContent-Usage: train-ai=n\nContent-Usage: /pictures/ train-ai=y",
        "/pictures/a.jpg",
        None,
    ),
    (
        "User-agent: *\nContent-Usage: train-ai=y\nContent-Usage: /pictures/ train-ai=n",
        "/pictures/a.jpg",
        "robots_ai_reserved",
    ),
    (
        "User-agent: *\nContent-Usage: /p train-ai=y\nContent-Usage: /p train-ai=n",
        "/p",
        "robots_ai_reserved",
    ),
    # every draft's vocabulary, and what cannot be read
    ("User-agent: *\nContent-Usage: bots=n", "/a", "robots_ai_reserved"),
    ("User-agent: *\nContent-Usage: ai=n", "/a", "robots_ai_reserved"),
    (
        "User-agent: *\nContent-Signal: search=yes,ai-train=no,use=reference",
        "/a",
        "robots_ai_reserved",
    ),
    ("User-agent: *\nContent-Usage: train-ai=perhaps", "/a", "robots_ai_reserved"),
    ("User-agent: *\nContent-Usage: ai-use=n, search=n", "/a", None),
    ("User-agent: *\nUsage: ai=n", "/a", "robots_ai_reserved"),
    # draft-canel-robots-ai-control
    ("User-agent: *\nDisallowAITraining: /", "/a", "robots_ai_reserved"),
    ("User-agent: *\nDisallowAITraining: /\nAllowAITraining: /open/", "/open/a", None),
    ("User-agent: *\nDisallowAITraining: /private/", "/a", None),
    ("TDM-Reservation: 1", "/a", "robots_ai_reserved"),
    # how agents are named
    ("User-agent: GPTBot/1.1\nDisallow: /", "/a", "robots_ai_disallowed"),
    ("User-agent: GPTBot, CCBot\nDisallow: /", "/a", "robots_ai_disallowed"),
    ("User-agent: Somebody, CCBot\nDisallow: /", "/a", "robots_ai_disallowed"),
    ("User-agent: GPTBot \t\nDisallow: /", "/a", "robots_ai_disallowed"),
    ("User-agent: pairsieve (+https://example.org)\nDisallow: /", "/a", "robots_disallowed"),
    ("User-agent: Kangaroo Bot\nDisallow: /", "/a", "robots_ai_disallowed"),
    ("User-agent: GPTBotany\nDisallow: /", "/a", None),
    (
        (
            "User-agent: GPTBot\nSitemap: https://a.example/s\nCrawl-delay: 5\nUser-agent: "
            "Other\nDisallow: /"
        ),
        "/a",
        "robots_ai_disallowed",
    ),
    ("User-agent: *\nDisallow: images/", "/images/a", "robots_disallowed"),
    # whole URLs, as real sites write them (scrapy/protego's files of 2020): RFC 9309, 2.2.2, has
    # none, and a file speaks for its own host (2.3)
    ("User-agent: *\nDisallow: https://test.a.example/", "/a", None),
    ("User-agent: *\nDisallow: https://test.a.example/*", "/a", None),
    ("User-agent: *\nDisallow: /\nAllow: https://cdn.example/", "/a", "robots_disallowed"),
    ("User-agent: *\nDisallow: /\nAllow: https://*.cdn.example/", "/a", "robots_disallowed"),
    ("User-agent: *\nDisallow: /\nAllow: https://u@cdn.example/", "/a", "robots_disallowed"),
    ("User-agent: *\nDisallow: /\nAllow: https://a.example/", "/a", None),
    ("User-agent: *\nDisallowAITraining: https://b.example/", "/a", None),
    ("User-agent: *\nDisallow: https://A.example:443/a", "/a", "robots_disallowed"),
    ("User-agent: *\nDisallow: http://www.a.example/a", "/a", "robots_disallowed"),
    ("User-agent: *\nDisallow: https://*.a.example/a", "/a", "robots_disallowed"),
    ("User-agent: *\nDisallow: https:///a", "/a", "robots_disallowed"),
    ("User-agent: *\nDisallow: https://\u00e4.example/a", "/a", "robots_disallowed"),
    ("User-agent: *\rDisallow: /\r", "/a", "robots_disallowed"),
    ("User-agent: *\nDisallow: /a\u2028Disallow: /b", "/b", None),
    ("User-agent:\nDisallow: /", "/a", None),
    ("Disallow: /", "/a", None),
]


@pytest.mark.parametrize(("text", "target", "refusal"), MORE)
def test_more_refusals(text, target, refusal):
    assert Robots(text, ai_agents=True).refusal(f"https://a.example{target}") == refusal


@pytest.mark.parametrize(
    ("text", "licences"),
    [
        ("License: https://a.example/l.xml", ("https://a.example/l.xml",)),
        (
            "User-agent: *\nAllow: /\n\nLicense: https://a.example/l.xml",
            ("https://a.example/l.xml",),
        ),
        (
            "License: https://a.example/1\nUser-agent: pairsieve\nLicense: https://a.example/2",
            ("https://a.example/2",),
        ),
        ("User-agent: bingbot\nLicense: https://a.example/1", ("https://a.example/1",)),
        ("User-agent: *\nDisallow:", ()),
    ],
)
def test_licences(text, licences):
    assert Robots(text, ai_agents=True).licences == licences


def test_a_dot_at_the_end_makes_no_other_host():
    robots = Robots("User-agent: *\nDisallow: https://a.example/a", ai_agents=True)
    assert robots.refusal("https://a.example./a") == "robots_disallowed"


def test_may_crawl():
    robots = Robots("User-agent: *\nDisallow: /\nAllow: https://cdn.example/", ai_agents=True)
    assert not robots.may_crawl(URL)
    assert robots.may_crawl("https://cdn.example/")


def test_matching_takes_time_in_proportion():
    """Against a path of a million letters, which a pattern with many stars would be tried on again
    and again.
    """
    robots = Robots(
        "User-agent: *\nContent-Usage: /" + "*a" * 500 + "*b train-ai=n", ai_agents=True
    )
    assert robots.refusal("https://a.example/" + "a" * 1_000_000) is None
