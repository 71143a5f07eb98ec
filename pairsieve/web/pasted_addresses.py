"""Addresses as people paste them, and those that most likely show the same.

The latter differ in what seldom makes another page: http or https, `www.`, a slash at the end, the
fragment, and parameters that only say where a visitor came from. That they show the same is likely
and not certain, so a person is asked before anything follows from it.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

from pairsieve.web.places import address_key
from pairsieve.web.urls import public_suffixes

TRACKING = frozenset({
    # Click ids of advertisers, as Firefox strips them (query stripping, Mozilla 2022) and Brave
    # (brave-core, query_filter).
    "dclid", "fbclid", "gbraid", "gclid", "gclsrc", "wbraid", "gad_source", "gad_campaignid",
    "igshid", "igsh", "li_fat_id", "msclkid", "rb_clickid", "srsltid", "ttclid", "twclid", "yclid",
    "ysclid", "wickedid", "ndclid", "oft_id", "bsft_clkid", "unicorn_click_id",
    # Newsletters and analytics (ClearURLs, global rules).
    "__hsfp", "__hssc", "__hstc", "_hsenc", "_hsmi", "hsctatracking", "__s", "_ga", "_gl",
    "_openstat", "mc_cid", "mc_eid", "mkt_tok", "ml_subscriber", "ml_subscriber_hash",
    "oly_anon_id", "oly_enc_id", "s_cid", "vero_conv", "vero_id", "fb_action_ids",
    "fb_action_types", "fb_ref", "fb_source", "action_object_map", "action_type_map",
    "action_ref_map",
})  # fmt: skip
"""Parameters of a query that say where a visitor came from, in lower case."""
TRACKING_PREFIXES = ("utm_", "mtm_", "matomo_", "pk_", "piwik_", "hsa_")
"""Campaigns of Google Analytics (utm), Matomo and HubSpot."""
# What stands around an address in a text or in a mail.
WRAPPERS = (
    ("<", ">"),
    ("(", ")"),
    ("[", "]"),
    ('"', '"'),
    ("'", "'"),
    ("\u201c", "\u201d"),
    ("\u00ab", "\u00bb"),
)
_SCHEME = re.compile("https?://", re.IGNORECASE)
_BROWSERS = re.compile("(?:view-source|url):\\s*", re.IGNORECASE)
_HOST = re.compile(r"[^\s/?#@:]+")
_WEB = re.compile(r"https?://([^/?#:]*)(:[0-9]+)?([^?#]*)(?:\?([^#]*))?")


def pasted_address(text: str) -> str:
    """Return the address that a pasted text is; empty if it is something else, such as words.

    Without a scheme it needs a path and a domain of the Public Suffix List, or `www.`: most people
    who type `and/or` look for words.
    """
    # A mail breaks long addresses into lines.
    address = "".join(line.strip() for line in re.split(r"[\r\n\t]", text))
    for opening, closing in WRAPPERS:
        if address.startswith(opening) and address.endswith(closing):
            address = address[1:-1].strip()
    address = _BROWSERS.sub("", address, count=1) if _BROWSERS.match(address) else address
    if _SCHEME.match(address):
        return address
    address = address.removeprefix("//")
    host = _HOST.match(address)
    if host is None or re.search(r"\s", address):
        return ""
    name = host[0].lower()
    known_suffix = public_suffixes().publicsuffix(name, accept_unknown=False)
    is_known = known_suffix is not None and known_suffix != name
    if name.startswith("www.") or (is_known and "/" in address[host.end() :]):
        return f"https://{address}"
    return ""


def alike_key(url: str) -> str:
    """Return one text for all addresses that most likely show the same.

    A text that is no address of the web stands for itself.
    """
    return alike_of(address_key(url))


def alike_of(key: str) -> str:
    """Return the `alike_key` of an address whose `address_key` is known."""
    address = _WEB.match(key)
    if address is None:
        return key
    host, port, path, query = address.groups(default="")
    # Of www.com no other host is left.
    if host.startswith("www.") and public_suffixes().privatesuffix(host[4:]) is not None:
        host = host[4:]
    arguments = [argument for argument in query.split("&") if _counts(argument)]
    kept = f"?{'&'.join(arguments)}" if arguments else ""
    return f"{host}{port}{path.rstrip('/')}{kept}"


def _counts(argument: str) -> bool:
    """Return whether an argument of a query may choose what is shown."""
    name = unquote_plus(argument.partition("=")[0]).lower()
    return bool(argument) and name not in TRACKING and not name.startswith(TRACKING_PREFIXES)
