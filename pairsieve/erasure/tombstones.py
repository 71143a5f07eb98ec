"""Tombstones keep erased pictures out: keyed tokens of URLs, places and hashes, and PDQ hashes.

They lie in a folder of their own, outside of every dataset, that only its owner may read:

    keys.json         {"id", "secret", "previous": {"id", "secret"} or null}: with `previous` tokens
                      of an older secret still count
    tombstones.json   tokens by key id, and PDQ hashes (confidential)
    recipients.key    the secret of the row ids in DATASET/erasures/; only those who hold a copy of
                      the dataset get it
    feed.key feed.pub the secret that signs DATASET/erasures/feed.jsonl, and the public key by which
                      those who hold a copy check it (pairsieve/erasure/feed.py)

A token is an HMAC-SHA256 of a value. Without the secret it cannot be traced back to the value. No
name, mail or reason is stored.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pairsieve.erasure.requests import Request
from pairsieve.images.pdq import ALIKE, Hashes, as_hashes, nearest
from pairsieve.records.origin_columns import PDQ_COLUMNS
from pairsieve.storage import files
from pairsieve.storage.secret import BadSecret, new_secret, parse_secret, secret_in
from pairsieve.web.places import places_of, spellings

KEYS, TOMBSTONES, RECIPIENTS = "keys.json", "tombstones.json", "recipients.key"
TOKEN_BYTES = 16
IMAGE_URL, PAGE_URL, PLACE, SHA256, MD5 = "image_url", "page_url", "place", "sha256", "md5"


class NoTombstones(ValueError):
    """Keys or tombstones cannot be read; the message says what to do."""


@dataclass(frozen=True)
class Key:
    """A secret, and the id under which its tokens are stored."""

    id: str
    secret: bytes = field(repr=False)

    def token(self, kind: str, value: str) -> str:
        """Return the token of a value, 32 hex digits."""
        message = f"{kind}\0{value}".encode()
        return hmac.digest(self.secret, message, "sha256")[:TOKEN_BYTES].hex()


@dataclass(frozen=True)
class Tombstones:
    """What stays out of a dataset.

    `tokens` are stored by the id of their key, and looked up with each of `keys`, the newest first.
    `pdq` holds hashes in hex, each in all orientations of its picture.
    """

    keys: tuple[Key, ...]
    tokens: Mapping[str, frozenset[str]]
    pdq: tuple[str, ...] = ()

    @cached_property
    def _hashes(self) -> Hashes:
        return as_hashes(map(bytes.fromhex, self.pdq))

    def has(self, kind: str, value: str | None) -> bool:
        """Return whether a value has a token under any key."""
        if not value:
            return False
        return any(key.token(kind, str(value)) in self.tokens.get(key.id, ()) for key in self.keys)

    def has_place(self, url: str | None) -> bool:
        """Return whether a URL lies below a domain or prefix that was erased."""
        if not url:
            return False
        return any(self.has(PLACE, place) for place in places_of(str(url)))

    def alike(self, columns: Mapping[str, Any]) -> int | None:
        """Return the distance in bits to the nearest erased picture, or None beyond ALIKE bits.

        `columns` are those of a row or a sample; PDQ_COLUMNS are read.
        """
        hashes = [bytes.fromhex(columns[name]) for name in PDQ_COLUMNS if columns.get(name)]
        if not hashes or not self.pdq:
            return None
        distance = int(nearest(as_hashes(hashes), self._hashes).min())
        return distance if distance <= ALIKE else None

    def adding(
        self, requests: Iterable[Request], pictures: Iterable[Mapping[str, Any]]
    ) -> Tombstones:
        """Return tombstones that also keep out what requests name, and the pictures they led to.

        `pictures` are rows with URL, final_url, sha256, md5, and `orientations` (PDQ, in hex).
        """
        newest = self.keys[0]  # tokens of an older key stay, but no new ones are made
        tokens: set[str] = set()
        hashes = set(self.pdq)
        for request in requests:
            tokens.update(newest.token(kind, value) for kind, value in _values_of_request(request))
            if request.kind in ("pdq", "image"):
                hashes.update(request.values)
        for row in pictures:
            tokens.update(newest.token(kind, value) for kind, value in _values_of_row(row))
            hashes.update(row.get("orientations", ()))
        of_newest = self.tokens.get(newest.id, frozenset()) | tokens
        return Tombstones(self.keys, {**self.tokens, newest.id: of_newest}, tuple(sorted(hashes)))


def _values_of_request(request: Request) -> list[tuple[str, str]]:
    """Return the (kind, value) pairs of a request that get a token."""
    if request.kind in (IMAGE_URL, PAGE_URL):
        return [(request.kind, address) for address in spellings(request.values[0])]
    if request.kind in ("domain", "prefix"):
        return [(PLACE, request.values[0])]
    if request.kind == "image":
        return list(zip((SHA256, MD5), request.bytes_hashes, strict=True))
    if request.kind in (SHA256, MD5):
        return [(request.kind, request.values[0])]
    return []  # PDQ hashes are compared by distance, and a key names only one row


def _values_of_row(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the (kind, value) pairs that identify the picture of a row."""
    urls = []
    for name in ("URL", "final_url"):
        if row.get(name):
            urls += [(IMAGE_URL, address) for address in spellings(row[name])]
    hashes = [(name, row[name]) for name in (SHA256, MD5) if row.get(name)]
    return [*urls, *hashes]


def read_tombstones(folder: str) -> Tombstones:
    """Read the keys and tombstones of a folder. Raises NoTombstones."""
    try:
        keys = _read_keys(folder)
        tokens, pdq = _read_tokens(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoTombstones(
            f"the tombstones in {folder} cannot be read ({type(error).__name__}); without them "
            "what was erased would come back. Name the folder that was given to "
            "`pairsieve erase --tombstones`"
        ) from None
    unknown = set(tokens) - {key.id for key in keys}
    if unknown:
        raise NoTombstones(
            f"{folder} holds tombstones under the key {', '.join(sorted(unknown))}, which {KEYS} "
            "does not hold"
        )
    return Tombstones(keys, tokens, pdq)


def _read_keys(folder: str) -> tuple[Key, ...]:
    """Return the key and, if there is one, the previous key."""
    newest = json.loads(files.read_text(files.join(folder, KEYS)))
    records = [newest]
    if newest.get("previous"):
        records.append(newest["previous"])
    return tuple(Key(record["id"], parse_secret(record["secret"])) for record in records)


def _read_tokens(folder: str) -> tuple[dict[str, frozenset[str]], tuple[str, ...]]:
    """Return tokens by key id, and PDQ hashes; nothing before the first erasure."""
    path = files.join(folder, TOMBSTONES)
    if not files.exists(path):
        return {}, ()
    content = json.loads(files.read_text(path))
    tokens = {key_id: frozenset(listed) for key_id, listed in content["tokens"].items()}
    return tokens, tuple(content["pdq"])


def write_tombstones(folder: str, tombstones: Tombstones) -> None:
    """Write tombstones atomically, readable by their owner only."""
    content = {
        "tokens": {key_id: sorted(tokens) for key_id, tokens in sorted(tombstones.tokens.items())},
        "pdq": list(tombstones.pdq),
    }
    files.write_private(files.join(folder, TOMBSTONES), json.dumps(content, indent=1) + "\n")


def make_keys(folder: str) -> None:
    """Make a secret unless the folder has one."""
    if not files.exists(files.join(folder, KEYS)):
        _write_key(folder, previous=None)


def _write_key(folder: str, previous: Mapping[str, str] | None) -> str:
    """Write a new secret; return its id."""
    key_id = secrets.token_hex(4)
    key = {"id": key_id, "secret": new_secret(), "previous": previous}
    files.write_private(files.join(folder, KEYS), json.dumps(key) + "\n")
    return key_id


def recipients_key(folder: str) -> Key:
    """Return the key of the row ids in DATASET/erasures/; make it if there is none.

    Raises NoTombstones.
    """
    try:
        return Key("", secret_in(files.join(folder, RECIPIENTS))[0])
    except BadSecret as error:
        raise NoTombstones(str(error)) from None


def rotate_keys(folder: str) -> str:
    """Make a new secret for tokens from now on; return its id. The previous secret still counts.

    Raises NoTombstones when tokens of an older secret are left, since only two can be stored.
    """
    tombstones = read_tombstones(folder)
    current = tombstones.keys[0]
    older = {key_id for key_id, tokens in tombstones.tokens.items() if tokens} - {current.id}
    if older:
        raise NoTombstones(
            f"tombstones under the key {', '.join(sorted(older))} are still there; only two "
            "secrets can be stored"
        )
    return _write_key(folder, {"id": current.id, "secret": current.secret.hex()})
