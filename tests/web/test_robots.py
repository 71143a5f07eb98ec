from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.robots import Robots, reserved_paths

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
    ("User-agent: *\nContent-Usage: train-ai=y\nContent-Usage: train-genai=n", "robots_ai_reserved"),
    ("User-Agent: *\nContent-Signal: search=yes, ai-train=no\nAllow: /", "robots_ai_reserved"),
    ("User-Agent: *\nContent-signal: search=yes,ai-train=yes\nAllow: /", None),
    ("Content-Signal: ai-train=no", "robots_ai_reserved"),
    ("User-agent: Bingbot\nContent-Signal: ai-train=no", None),
    ("User-agent: GPTBot\nContent-Signal: ai-train=no", "robots_ai_reserved"),
    ("User-agent: *\nContent-Signal: ai-input=no # ai-train=no", None),
    ("User-agent: Bingbot\nAllow: /\nUser-agent: *\nContent-Signal: ai-train=no", "robots_ai_reserved"),
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
    assert robots.refusal(URL) in (None, "robots_disallowed", "robots_ai_disallowed", "robots_ai_reserved")
    assert robots.crawl_delay_s >= 0
    assert all(path.startswith("/") for path in reserved_paths(text))
