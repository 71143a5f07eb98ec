"""What is to stay out: keyed tokens of URLs, places and hashes, and a confidential list of
perceptual hashes.

A folder of its own, outside of every dataset, that its owner alone may read:

    keys.json         {"id", "secret", "previous": {"id", "secret"} or null}: with `previous` tokens
                      of an older secret still count
    tombstones.json   tokens by key id, and hashes
    recipients.key    the secret of the ids in DATASET/erasures/: for those who hold a copy, and for
                      nobody else

A token is HMAC-SHA256 of what it stands for: without the secret it leads back to nothing. No name,
mail or reason is kept.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pairsieve.erasure.requests import Request, places_of
from pairsieve.images.pdq import ALIKE, Hashes, as_hashes, nearest
from pairsieve.storage import files
from pairsieve.storage.secret import BadSecret, new_secret, parse_secret, secret_in
from pairsieve.web.urls import canonical

KEYS, TOMBSTONES, RECIPIENTS = "keys.json", "tombstones.json", "recipients.key"
TOKEN_BYTES = 16
IMAGE_URL, PAGE_URL, PLACE, SHA256, MD5 = "image_url", "page_url", "place", "sha256", "md5"


class NoTombstones(ValueError):
    """Keys or tombstones cannot be read; the message says what to do."""


@dataclass(frozen=True)
class Key:
    """A secret and the id under which its tokens lie."""

    id: str
    secret: bytes = field(repr=False)

    def token(self, kind: str, value: str) -> str:
        """32 hex digits."""
        return hmac.digest(self.secret, f"{kind}\0{value}".encode(), "sha256")[:TOKEN_BYTES].hex()


@dataclass(frozen=True)
class Tombstones:
    """`tokens`: those of each key id. `pdq`: hashes in all their orientations. Found by the keys
    that are known.
    """

    keys: tuple[Key, ...]
    tokens: Mapping[str, frozenset[str]]
    pdq: tuple[str, ...] = ()

    @cached_property
    def _hashes(self) -> Hashes:
        return as_hashes(map(bytes.fromhex, self.pdq))

    def has(self, kind: str, value: str | None) -> bool:
        """Whether there is a token of this, under any key."""
        return bool(value) and any(
            key.token(kind, str(value)) in self.tokens.get(key.id, ()) for key in self.keys
        )

    def has_place(self, url: str | None) -> bool:
        """Whether a URL lies below a domain or prefix that stays out."""
        return bool(url) and any(self.has(PLACE, place) for place in places_of(str(url)))

    def alike(self, pdq: str | None) -> int | None:
        """In how many bits the nearest picture that stays out differs, where that is near
        enough.
        """
        if not pdq or not self.pdq:
            return None
        nearest_bits = int(nearest(as_hashes([bytes.fromhex(pdq)]), self._hashes)[0])
        return nearest_bits if nearest_bits <= ALIKE else None

    def adding(
        self, requests: Iterable[Request], pictures: Iterable[Mapping[str, Any]]
    ) -> Tombstones:
        """With what requests name, and of the pictures they led to (rows with URL, sha256, md5,
        pdq) all that identifies those.
        """
        newest = self.keys[0]
        named = {
            newest.token(kind, value) for request in requests for kind, value in _tokens_of(request)
        }
        shown = {
            newest.token(kind, value) for row in pictures for kind, value in _tokens_of_row(row)
        }
        hashes = {
            h for request in requests if request.kind in ("pdq", "image") for h in request.values
        }
        hashes |= {h for row in pictures for h in row.get("orientations", ())}
        tokens = {**self.tokens, newest.id: self.tokens.get(newest.id, frozenset()) | named | shown}
        return Tombstones(self.keys, tokens, tuple(sorted({*self.pdq, *hashes})))


def _tokens_of(request: Request) -> list[tuple[str, str]]:
    if request.kind in (IMAGE_URL, PAGE_URL):
        return [(request.kind, canonical(request.values[0]))]
    if request.kind in ("domain", "prefix"):
        return [(PLACE, request.values[0])]
    if request.kind == "image":
        return list(zip((SHA256, MD5), request.bytes_hashes, strict=True))
    return [(request.kind, request.values[0])] if request.kind in (SHA256, MD5) else []


def _tokens_of_row(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    urls = [(IMAGE_URL, canonical(row[name])) for name in ("URL", "final_url") if row.get(name)]
    return [*urls, *((kind, row[kind]) for kind in (SHA256, MD5) if row.get(kind))]


def read_tombstones(folder: str) -> Tombstones:
    """Keys and tombstones of a folder. Raises NoTombstones."""
    try:
        keys = json.loads(files.read_text(files.join(folder, KEYS)))
        known = [keys, *([keys["previous"]] if keys.get("previous") else [])]
        held = tuple(Key(one["id"], parse_secret(one["secret"])) for one in known)
        path = files.join(folder, TOMBSTONES)
        content = (
            json.loads(files.read_text(path)) if files.exists(path) else {"tokens": {}, "pdq": []}
        )
        tokens = {name: frozenset(listed) for name, listed in content["tokens"].items()}
        unknown = set(tokens) - {key.id for key in held}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoTombstones(
            f"the tombstones in {folder} cannot be read ({type(error).__name__}); without them "
            "what was erased would come back. "
            f"Name the folder that `pairsieve erase --tombstones` was given"
        ) from None
    if unknown:
        raise NoTombstones(
            f"{folder} holds tombstones under the key {', '.join(sorted(unknown))}, which {KEYS} "
            "does not hold"
        )
    return Tombstones(held, tokens, tuple(content["pdq"]))


def write_tombstones(folder: str, tombstones: Tombstones) -> None:
    """Put them in place whole, for their owner's eyes."""
    content = {
        "tokens": {name: sorted(tokens) for name, tokens in sorted(tombstones.tokens.items())},
        "pdq": list(tombstones.pdq),
    }
    files.write_private(files.join(folder, TOMBSTONES), json.dumps(content, indent=1) + "\n")


def make_keys(folder: str) -> None:
    """Make a secret where there is none yet."""
    path = files.join(folder, KEYS)
    if not files.exists(path):
        key = {"id": secrets.token_hex(4), "secret": new_secret(), "previous": None}
        files.write_private(path, json.dumps(key) + "\n")


def recipients_key(folder: str) -> Key:
    """The key of the ids that those who hold a copy are told; made where there is none yet. Raises
    NoTombstones.
    """
    try:
        return Key("", secret_in(files.join(folder, RECIPIENTS))[0])
    except BadSecret as error:
        raise NoTombstones(str(error)) from None


def rotate_keys(folder: str) -> str:
    """A new secret for tokens from now on; the one before still counts. Raises NoTombstones where
    tokens of an older one are left.
    """
    found = read_tombstones(folder)
    oldest = {name for name, tokens in found.tokens.items() if tokens} - {found.keys[0].id}
    if oldest:
        raise NoTombstones(
            f"tombstones under the key {', '.join(sorted(oldest))} are still there; only two "
            "secrets can be held"
        )
    before = {"id": found.keys[0].id, "secret": found.keys[0].secret.hex()}
    key = {"id": secrets.token_hex(4), "secret": new_secret(), "previous": before}
    files.write_private(files.join(folder, KEYS), json.dumps(key) + "\n")
    return str(key["id"])
