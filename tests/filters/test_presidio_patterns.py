"""The second detector of the release check."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from filters.privacy import presidio_patterns
from filters.privacy.presidio_patterns import load_presidio_patterns


class EmailRecognizer:
    """As Presidio's: a pattern, and a check that would ask the network."""

    supported_entities = ("EMAIL_ADDRESS",)

    def analyze(self, text, entities, nlp_artifacts):
        valid = "@" in text and self.validate_result(text)
        return [SimpleNamespace(entity_type="EMAIL_ADDRESS", score=1.0)] if valid else []

    def validate_result(self, pattern_text):
        raise AssertionError("this one asks the network for the list of public suffixes")


class IpRecognizer:
    supported_entities = ("IP_ADDRESS",)

    def analyze(self, text, entities, nlp_artifacts):
        return [SimpleNamespace(entity_type="IP_ADDRESS", score=0.6, start=0, end=len(text))]


@pytest.fixture
def stand_in(monkeypatch):
    """A Presidio of two recognisers."""
    offered = ModuleType("presidio_analyzer.predefined_recognizers")
    offered.EmailRecognizer, offered.IpRecognizer = EmailRecognizer, IpRecognizer
    package = ModuleType("presidio_analyzer")
    package.predefined_recognizers = offered
    monkeypatch.setitem(sys.modules, "presidio_analyzer", package)
    monkeypatch.setitem(sys.modules, offered.__name__, offered)
    monkeypatch.setattr(presidio_patterns, "find_spec", lambda name: object())


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("anna@example.org", {"EMAIL_ADDRESS"}),
        ("logo@2x.png", set()),
        ("93.184.216.34", {"IP_ADDRESS"}),
        ("192.168.1.1", set()),
        ("neither a digit nor a sign", set()),
    ],
)
def test_what_counts_of_what_presidio_finds(text, kinds, stand_in):
    assert load_presidio_patterns()(text) == kinds


def test_there_is_none_without_presidio(monkeypatch):
    monkeypatch.setattr(presidio_patterns, "find_spec", lambda name: None)
    assert load_presidio_patterns() is None


@pytest.mark.filterwarnings("ignore")
def test_the_real_patterns():
    pytest.importorskip("presidio_analyzer", reason="the extra `presidio` is not installed")
    find_kinds = load_presidio_patterns()
    assert find_kinds("call +49 30 901820 or pay 4242424242424242") == {
        "CREDIT_CARD",
        "PHONE_NUMBER",
    }
