"""Content Credentials: what a picture's C2PA manifests say of training (C2PA 1.x and CAWG:
`...training-mining`, `use: notAllowed`).

Read by the reference library (extra `c2pa`, 55 MB), without any request: a manifest that a picture
only names by its address is not fetched and counts as unreadable. Signatures are not judged: a no
counts whoever signed it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from filters.detector import Columns, Needs, Observe, required
from filters.subjects import Content
from pairsieve.images.xmp import xmp_packets
from pairsieve.records.pair import Evidence

C2PA_NOT_ALLOWED, C2PA_UNREADABLE = "c2pa_not_allowed", "c2pa_unreadable"
ASSERTIONS = ("c2pa.training-mining", "cawg.training-mining")
USES = ("allowed", "notAllowed", "constrained")
_SIGN = b"c2pa"  # in the label of every manifest store
# XMP dcterms:provenance names a manifest that lies elsewhere (C2PA 2.2, 11.4)
_REMOTE = b"provenance"
_NO_REQUESTS = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
_FORMATS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"RIFF": "image/webp"}


@dataclass(frozen=True)
class ContentCredentials:
    """`c2pa_rights_signals`: a no to training or mining, also a constrained yes; or that a manifest
    is there which cannot be read.
    """

    name: ClassVar[str] = "c2pa"
    version: ClassVar[int] = 2
    needs: ClassVar[Needs] = Needs.CONTENT
    columns: ClassVar[Columns] = {"c2pa_rights_signals": pa.list_(pa.string())}

    def load(self) -> Observe:
        library = required("c2pa", "c2pa")
        context = library.Context.from_dict(_NO_REQUESTS)

        def observe(content: Content) -> Evidence:
            kind = next(
                (kind for magic, kind in _FORMATS.items() if content.body.startswith(magic)), None
            )
            if kind is None or not _may_hold_manifest(content.body):
                return {"c2pa_rights_signals": ()}
            try:
                reader = library.Reader(kind, io.BytesIO(content.body), context=context)
                manifests = json.loads(reader.json())["manifests"]
            except library.C2paError.ManifestNotFound:
                return {"c2pa_rights_signals": (C2PA_UNREADABLE,) if _SIGN in content.body else ()}
            except (library.C2paError, ValueError, KeyError, RecursionError):
                return {"c2pa_rights_signals": (C2PA_UNREADABLE,)}
            return {"c2pa_rights_signals": tuple(sorted(set(_signals(manifests))))}

        return observe


def _may_hold_manifest(body: bytes) -> bool:
    return _SIGN in body or any(_REMOTE in packet for packet in xmp_packets(body))


def _signals(manifests: dict[str, Any]) -> Iterator[str]:
    """Of every manifest, not of the active one alone: who worked on a picture later does not speak
    for who made it.
    """
    for manifest in manifests.values():
        for assertion in manifest.get("assertions", ()):
            if assertion.get("label", "").startswith(ASSERTIONS):
                data = assertion.get("data", {})
                for entry in data.get("entries", data).values():  # CAWG 1.0 left out `entries`
                    use = entry.get("use") if isinstance(entry, dict) else None
                    if use != "allowed":
                        yield C2PA_NOT_ALLOWED if use in USES else C2PA_UNREADABLE
