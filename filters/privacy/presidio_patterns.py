"""A second detector of personal data in texts: the pattern recognisers of Microsoft's Presidio.

The release check asks it besides the filter's own patterns, because a detector does not see its own
mistakes. It is slower (about half a millisecond a text), and also marks more that is not personal
data. Presidio is the extra `presidio`. No language model is loaded, and nothing is asked of the
network.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any

from filters.privacy.email import is_public_host

PACKAGE = "presidio_analyzer"
FindKinds = Callable[[str], set[str]]
"""A text -> Presidio's names of the kinds of personal data in it."""

# Recogniser -> the least score that counts. 1.0: its own check of check digits has passed. The
# others have no such check, and their scores say how narrow their pattern is.
LEAST_SCORES: Mapping[str, float] = {
    "CreditCardRecognizer": 1.0,
    "IbanRecognizer": 1.0,
    "IpRecognizer": 0.6,
    "PhoneRecognizer": 0.4,
    "UsSsnRecognizer": 0.5,
    "NhsRecognizer": 1.0,
    "EsNifRecognizer": 1.0,
    "EsNieRecognizer": 1.0,
    "ItFiscalCodeRecognizer": 1.0,
    "PlPeselRecognizer": 1.0,
    "FiPersonalIdentityCodeRecognizer": 1.0,
    "InAadhaarRecognizer": 1.0,
}
_WORTH_A_LOOK = re.compile(r"[\d@]")
_STRICT_GROUPING = 2  # phonenumbers' leniency: digits in groups as the region writes them


def load_presidio_patterns() -> FindKinds | None:
    """Load the recognisers; None where Presidio is not installed."""
    if find_spec(PACKAGE) is None:
        return None
    offered: Any = import_module(f"{PACKAGE}.predefined_recognizers")
    recognizers = [(_email_recognizer(offered), 0.5)]
    for name, least_score in LEAST_SCORES.items():
        # releases of Presidio differ in what they offer
        kind = getattr(offered, name, None)
        if kind is not None:
            settings = {"leniency": _STRICT_GROUPING} if name == "PhoneRecognizer" else {}
            recognizers.append((kind(**settings), least_score))

    def find_kinds(text: str) -> set[str]:
        if not _WORTH_A_LOOK.search(text):
            return set()
        kinds: set[str] = set()
        for recognizer, least_score in recognizers:
            for result in recognizer.analyze(text, recognizer.supported_entities, None):
                if result.score >= least_score and _is_public(result, text):
                    kinds.add(result.entity_type)
        return kinds

    return find_kinds


def _email_recognizer(offered: Any) -> Any:
    """Presidio's pattern of e-mail addresses with our list of public suffixes.

    Its own recogniser asks the network for that list.
    """

    class OfflineEmailRecognizer(offered.EmailRecognizer):  # type: ignore[misc]
        def validate_result(self, pattern_text: str) -> bool:
            return is_public_host(pattern_text.rpartition("@")[2])

    return OfflineEmailRecognizer()


def _is_public(result: Any, text: str) -> bool:
    """False for an IP address that names no machine of the internet."""
    if result.entity_type != "IP_ADDRESS":
        return True
    try:
        return ip_address(text[result.start : result.end]).is_global
    except ValueError:
        return False
