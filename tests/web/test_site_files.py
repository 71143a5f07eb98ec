from __future__ import annotations

import pytest

from pairsieve.web.fields import HeaderLink, header_links
from pairsieve.web.site_files import AiTxt, TdmRep

# What Spawning's generator writes, in part.
SPAWNING = """# Spawning AI
# Prevent datasets from using the following file types

User-Agent: *
Disallow: *.jpg
Disallow: *.png
Allow: *.gif
"""


@pytest.mark.parametrize(
    ("target", "refused"),
    [
        ("/cat.jpg", True),
        ("/cat.JPG", True),
        ("/cat.Png?size=2", True),
        ("/a.JPG/cat.gif", False),
        ("/cat.GIF", False),
        ("/cat.webp", False),
        ("/JPG", False),
    ],
)
def test_types_of_files_in_ai_txt(target, refused):
    for text in (SPAWNING, SPAWNING.replace("jpg", "JPG")):
        ai_txt = AiTxt(text, ai_agents=True)
        assert ai_txt.refuses(f"https://a.example{target}") == refused


@pytest.mark.parametrize(
    ("reservation", "reserved"), [("1", True), ("1.0", True), ('"1"', True), ("0.0", False)]
)
def test_a_number_is_the_same_in_each_form(reservation, reserved):
    """JSON knows no integers (RFC 8259, 6)."""
    tdmrep = TdmRep(f'[{{"location": "/", "tdm-reservation": {reservation}}}]')
    assert tdmrep.reserves("https://a.example/") == reserved


@pytest.mark.parametrize(
    ("value", "relations", "media_type"),
    [
        ("</l>; rel=license; rel=next", ("license",), ""),  # RFC 8288, 3.3
        ("</l>; type=a/b; rel=license; type=c/d", ("license",), "a/b"),  # 3.4.1
        ('</l>; REL = "next  License" ;', ("next", "license"), ""),
        ("</l>", (), ""),
        # greenbytes.de/tech/tc/httplink, simplecsssq: to browsers these quotes are part of the name
        ("</l>; rel='license'; type='a/b'", ("license",), "a/b"),
        ("</l>; rel=\u201dlicense\u201d; type=\u201da/b\u201d", ("license",), "a/b"),
    ],
)
def test_parameters_of_links(value, relations, media_type):
    assert list(header_links(value)) == [HeaderLink("/l", relations, media_type)]
