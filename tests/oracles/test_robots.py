"""google/robotstxt's own cases, with our name in the place of theirs."""

from __future__ import annotations

import re

import pytest

from pairsieve.web.robots import ROBOTS_AGENT, Robots
from tests.support.oracles import oracle

CASES = oracle("robots_cases.json")
RFC = (
    "RFC 9309, 2.2.2, undoes escapes of unreserved characters before it compares, as its own "
    "table shows; Google's parser does not"
)
DEVIATIONS = {
    ("ID_Encoding", "http://foo.bar/foo/bar/baz"): RFC,
    (
        "ID_Encoding",
        "http://foo.bar/foo/bar/ツ",
    ): "a URL that is not escaped is escaped before it is compared (the same); Google asks callers to do so",
    (
        "GoogleOnly_IndexHTMLisDirectory",
        "http://foo.com/allowed-slash/",
    ): "an index.html that stands for its folder is Google's own rule",
    (
        "GoogleOnly_AcceptUserAgentUpToFirstSpace",
        "http://foo.bar/x/y",
        "Foo Bar",
    ): "no product token has a blank (RFC 9309, 2.2.1)",
}


def deviation(case):
    key = (case["about"], case["url"])
    return DEVIATIONS.get(key) or DEVIATIONS.get((*key, case["agent"]))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['about']}-{case['url']}")
def test_public_cases(case):
    text = re.sub(re.escape(case["agent"]), ROBOTS_AGENT, case["robots_txt"], flags=re.IGNORECASE)
    allowed = Robots(text, ai_agents=False).refusal(case["url"]) is None
    assert allowed == (case["allowed"] if deviation(case) is None else not case["allowed"]), (
        deviation(case)
    )
