"""Content Credentials that the reference library wrote and signed with a certificate of this
test.
"""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from filters.rights.c2pa import ContentCredentials
from filters.subjects import Content
from tests.support.raw_site import NOT_FOUND, serve_raw

c2pa = pytest.importorskip("c2pa", reason="the extra `c2pa` is not installed")


def picture(kind="JPEG"):
    stream = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(stream, kind)
    return stream.getvalue()


@pytest.fixture(scope="module")
def sign():
    """Bytes with a manifest that holds these training-mining entries."""
    from tests.support.c2pa_signer import SOURCE, make_signer

    signer = make_signer()

    def signed(label, use, kind="JPEG"):
        media_type = f"image/{kind.lower()}"
        manifest = {
            "claim_generator": "pairsieve tests",
            "format": media_type,
            "title": "t",
            "ingredients": [],
            "assertions": [
                {
                    "label": "c2pa.actions",
                    "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": SOURCE}]},
                },
                {
                    "label": label,
                    "data": {"entries": {"c2pa.ai_generative_training": {"use": use}}},
                },
            ],
        }
        out = io.BytesIO()
        c2pa.Builder(json.dumps(manifest)).sign(signer, media_type, io.BytesIO(picture(kind)), out)
        return out.getvalue()

    return signed


@pytest.mark.parametrize(
    ("label", "use", "signals"),
    [
        ("c2pa.training-mining", "notAllowed", ("c2pa_not_allowed",)),
        ("cawg.training-mining", "notAllowed", ("c2pa_not_allowed",)),
        ("c2pa.training-mining", "constrained", ("c2pa_not_allowed",)),
        ("c2pa.training-mining", "allowed", ()),
        ("c2pa.training-mining", "whatever", ("c2pa_unreadable",)),
    ],
)
def test_what_manifests_say(label, use, signals, sign):
    assert ContentCredentials().load()(Content(sign(label, use)))["c2pa_rights_signals"] == signals


# C2PA 2.2, appendix A: where each format keeps its manifests
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "TIFF", "AVIF"])
def test_what_manifests_of_each_format_say(kind, sign):
    observe = ContentCredentials().load()
    for use, signals in (("notAllowed", ("c2pa_not_allowed",)), ("allowed", ())):
        body = sign("cawg.training-mining", use, kind)
        assert observe(Content(body)) == {"c2pa_rights_signals": signals}


@pytest.mark.parametrize(
    ("body", "signals"),
    [
        (picture(), ()),
        (picture("GIF"), ()),
        (picture("AVIF") + b"c2pa", ("c2pa_unreadable",)),
        (picture("PNG"), ()),
        (b"", ()),
        (b"c2pa in a text", ()),
        (picture() + b"c2pa", ("c2pa_unreadable",)),
    ],
)
def test_pictures_without_manifests(body, signals):
    assert ContentCredentials().load()(Content(body))["c2pa_rights_signals"] == signals


def test_a_broken_manifest_is_a_no(sign):
    signed = sign("c2pa.training-mining", "allowed")
    at = signed.index(b"c2pa.training-mining")
    broken = signed[:at] + b"xxxx" + signed[at + 4 :]
    assert ContentCredentials().load()(Content(broken))["c2pa_rights_signals"] == (
        "c2pa_unreadable",
    )


XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="{}"/></rdf:RDF></x:xmpmeta>'
)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_a_manifest_that_lies_elsewhere_is_not_fetched(kind):
    """C2PA 2.2, 11.4: dcterms:provenance names a remote manifest. The library would ask for it,
    whoever wrote the picture.
    """
    with serve_raw(lambda _target: NOT_FOUND) as site:
        stream = io.BytesIO()
        Image.new("RGB", (8, 8)).save(
            stream, kind, xmp=XMP.format(f"{site.origin}/manifest.c2pa").encode()
        )
        found = ContentCredentials().load()(Content(stream.getvalue()))
    assert site.requests == []
    assert found == {"c2pa_rights_signals": ("c2pa_unreadable",)}
