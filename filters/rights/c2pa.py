"""Read Content Credentials: what the C2PA manifests of a picture say about AI training.

The assertions are `...training-mining` of C2PA 1.x and CAWG, with `use: notAllowed` and the like.

The C2PA reference library reads the manifests (extra `c2pa`, 55 MB), without any request. A
manifest that the picture only names by its address is not fetched and counts as unreadable.
Signatures are not verified: a no counts, whoever signed it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from filters.detector import Columns, Needs, Observe, required
from filters.subjects import Content
from pairsieve.images.decode import TIFF_SIGNS
from pairsieve.images.xmp import xmp_packets
from pairsieve.records.pair import Evidence

C2PA_NOT_ALLOWED, C2PA_UNREADABLE = "c2pa_not_allowed", "c2pa_unreadable"
ASSERTIONS = ("c2pa.training-mining", "cawg.training-mining")
USES = ("allowed", "notAllowed", "constrained")
_STORE_LABEL = b"c2pa"  # in the label of every manifest store
# XMP dcterms:provenance names a manifest that is stored elsewhere (C2PA 2.2, 11.4)
_REMOTE_MANIFEST = b"provenance"
_NO_REQUESTS = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
_MEDIA_TYPES = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG": "image/png",
    b"RIFF": "image/webp",
    b"GIF8": "image/gif",
    **dict.fromkeys(TIFF_SIGNS, "image/tiff"),
}
"""First bytes of a file -> media type, for the formats that are decoded and can hold a manifest."""
_HEIF_SIGN, _HEIF_SIGN_AT = b"ftyp", 4  # of AVIF, too; the length of the box comes before it


@dataclass(frozen=True)
class ContentCredentials:
    """`c2pa_rights_signals`: what the Content Credentials of a picture reserve.

    - `c2pa_not_allowed`: a no to training or mining, or a yes under conditions.
    - `c2pa_unreadable`: there is a manifest that cannot be read.
    """

    name: ClassVar[str] = "c2pa"
    version: ClassVar[int] = 3
    needs: ClassVar[Needs] = Needs.CONTENT
    columns: ClassVar[Columns] = {"c2pa_rights_signals": pa.list_(pa.string())}

    def load(self) -> Observe:
        library = required("c2pa", "c2pa")
        context = library.Context.from_dict(_NO_REQUESTS)

        def observe(content: Content) -> Evidence:
            signals = _signals_of_file(library, context, content.body)
            return {"c2pa_rights_signals": tuple(sorted(signals))}

        return observe


def _signals_of_file(library: Any, context: Any, body: bytes) -> set[str]:
    """The signals of a picture file; `library` is the module `c2pa`."""
    media_type = _media_type(body)
    if media_type is None or not _may_hold_manifest(body):
        return set()
    try:
        reader = library.Reader(media_type, io.BytesIO(body), context=context)
        manifests = json.loads(reader.json())["manifests"]
    except library.C2paError.ManifestNotFound:
        # a manifest store that the library does not find is damaged
        return {C2PA_UNREADABLE} if _STORE_LABEL in body else set()
    except (library.C2paError, ValueError, KeyError, RecursionError):
        return {C2PA_UNREADABLE}
    return set(_signals(manifests))


def _media_type(body: bytes) -> str | None:
    for first_bytes, media_type in _MEDIA_TYPES.items():
        if body.startswith(first_bytes):
            return media_type
    return "image/heif" if body.startswith(_HEIF_SIGN, _HEIF_SIGN_AT) else None


def _may_hold_manifest(body: bytes) -> bool:
    """A fast check without the library, since few pictures have a manifest."""
    if _STORE_LABEL in body:
        return True
    return any(_REMOTE_MANIFEST in packet for packet in xmp_packets(body))


def _signals(manifests: Mapping[str, Any]) -> Iterator[str]:
    """The signals of all manifests, and not only of the active one.

    Whoever edited a picture later does not speak for the person who made it.
    """
    for manifest in manifests.values():
        for assertion in manifest.get("assertions", ()):
            if assertion.get("label", "").startswith(ASSERTIONS):
                yield from _signals_of_assertion(assertion)


def _signals_of_assertion(assertion: Mapping[str, Any]) -> Iterator[str]:
    data = assertion.get("data", {})
    entries = data.get("entries", data)  # CAWG 1.0 left out `entries`
    for entry in entries.values():
        use = entry.get("use") if isinstance(entry, dict) else None
        if use == "allowed":
            continue
        yield C2PA_NOT_ALLOWED if use in USES else C2PA_UNREADABLE
