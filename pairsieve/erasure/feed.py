"""The feed of erasures: what those who hold a copy of a dataset read, and can trust.

DATASET/erasures/feed.jsonl has one line for each erasure, the oldest first:

    {"signed": "{\"sequence\": 1, ...}", "signature": "..."}

`signed` is the text of an Entry, and `signature` is Ed25519 (RFC 8032) over its bytes, in hex. The
text is checked before it is parsed. Each entry names the sha256 of the text before it, so no entry
can be taken out of the middle, changed, or moved. Each names the sha256 of its list of row ids
(`delta-....parquet`), so these need no signature of their own.

Whoever serves the feed can still cut off its end. A reader that remembers the last entry notices
that (`check_follows`). One that reads the feed for the first time cannot, unless the publisher
tells how many entries there are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from pairsieve.erasure.tombstones import Key
from pairsieve.storage import files
from pairsieve.storage.names import LeadsOut, check_names
from pairsieve.storage.secret import BadSecret, secret_in

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FEED = "feed.jsonl"
SIGNING_KEY, PUBLIC_KEY = "feed.key", "feed.pub"
"""Files in the folder of tombstones: the secret that signs, and what others check with."""
PUBLIC_KEY_BYTES = 32
_CONTEXT = b"pairsieve erasure feed 1\0"
"""Begins what is signed, so that no signature of the same key can stand for one of a feed."""
NOTHING = ""
"""`previous` of the first entry."""


class BadFeed(ValueError):
    """A feed cannot be trusted, or cannot be read. The message says which entry, and why."""


@dataclass(frozen=True)
class Entry:
    """One erasure, as it is signed.

    `sequence` counts from 1 without gaps. `previous` is the sha256 of the text of the entry before.
    `dataset` and `version` are the name and the new version of the dataset. `delta` is the file
    beside the feed that lists the erased rows; `rows`, `bytes` and `sha256` are its own.
    `tokens_key` tells under which recipients.key its tokens are (`name_of`), and nothing about it.
    `made_on` is the day (UTC, ISO 8601).
    """

    sequence: int
    previous: str
    dataset: str
    version: int
    delta: str
    rows: int
    bytes: int
    sha256: str
    tokens_key: str
    made_on: str

    def text(self) -> str:
        """The bytes that are signed."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @property
    def digest(self) -> str:
        """The sha256 of the text, by which the next entry names this one."""
        return hashlib.sha256(self.text().encode()).hexdigest()


@dataclass(frozen=True)
class FeedPosition:
    """How far a copy has followed a feed: the last entry, and the key that signed it."""

    public_key: str
    sequence: int
    digest: str


def name_of(key: Key) -> str:
    """What stands for a key in a feed: a token of it, which does not lead back to it."""
    return key.token("feed", "")


def check_tokens_key(entries: Sequence[Entry], key: Key) -> None:
    """Raise BadFeed where the tokens of an entry are under another key: none would match."""
    name = name_of(key)
    for entry in entries:
        if entry.tokens_key != name:
            raise BadFeed(
                f"entry {entry.sequence} is under another recipients.key than the one at hand; no "
                "row would be found. Take the file of the dataset that the feed belongs to"
            )


def signing_key(folder: str) -> Ed25519PrivateKey:
    """The key that signs a feed; made in the folder of tombstones if there is none.

    Raises BadFeed.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        secret, _ = secret_in(files.join(folder, SIGNING_KEY))
    except BadSecret as error:
        raise BadFeed(str(error)) from None
    key = Ed25519PrivateKey.from_private_bytes(secret)
    path = files.join(folder, PUBLIC_KEY)
    if not files.exists(path):
        files.write_private(path, public_text(key) + "\n")
    return key


def public_text(key: Ed25519PrivateKey) -> str:
    """The public half of a key, as 64 hex digits."""
    return key.public_key().public_bytes_raw().hex()


def with_entry(feed: str, entry: Entry, key: Ed25519PrivateKey) -> str:
    """The text of a feed with one more entry."""
    text = entry.text()
    signature = key.sign(_CONTEXT + text.encode()).hex()
    line = json.dumps({"signed": text, "signature": signature}, ensure_ascii=False)
    return f"{feed}{line}\n"


def read_feed(text: str, public_key: str) -> list[Entry]:
    """The entries of a feed, each checked. Raises BadFeed.

    `public_key` is 64 hex digits.
    """
    entries: list[Entry] = []
    for number, line in enumerate(text.splitlines(), start=1):
        entry = _checked_entry(number, line, public_key)
        previous = entries[-1].digest if entries else NOTHING
        if entry.sequence != number or entry.previous != previous:
            raise BadFeed(
                f"entry {number} does not follow the one before it: entries were taken out, "
                "repeated or put in another order"
            )
        entries.append(entry)
    return entries


def _checked_entry(number: int, line: str, public_key: str) -> Entry:
    """The entry of a line whose signature is right. Raises BadFeed."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        outer = json.loads(line)
        text, signature = outer["signed"], bytes.fromhex(outer["signature"])
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(signature, _CONTEXT + text.encode())
    except InvalidSignature:
        raise BadFeed(
            f"entry {number} was not signed by the key {public_key[:8]}...: it is forged or "
            "damaged, or the publisher has another key"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadFeed(f"entry {number} is cut off, or no entry of a feed") from None
    return _parse_entry(number, text)


def _parse_entry(number: int, text: str) -> Entry:
    """The entry of a signed text: a newer program may have signed what this one does not know."""
    try:
        values = json.loads(text)
        entry = Entry(**{each.name: values[each.name] for each in fields(Entry)})
        numbers = (entry.sequence, entry.version, entry.rows, entry.bytes)
        if not all(type(value) is int for value in numbers) or entry.text() != text:
            raise ValueError
        check_names("memory://feed", [entry.delta])
    except (ValueError, KeyError, TypeError, LeadsOut):
        raise BadFeed(
            f"entry {number} has another form than this version reads; install a newer pairsieve"
        ) from None
    return entry


def check_follows(entries: Sequence[Entry], public_key: str, seen: FeedPosition | None) -> None:
    """Raise BadFeed unless the feed goes on from what a copy has seen of it."""
    if seen is None:
        return
    if seen.public_key != public_key:
        raise BadFeed(
            f"this copy has followed a feed of the key {seen.public_key[:8]}..., and this one is "
            f"of {public_key[:8]}...; ask the publisher"
        )
    if len(entries) < seen.sequence:
        raise BadFeed(
            f"the feed has {len(entries)} entries, and this copy has seen {seen.sequence}: its end "
            "was cut off, or it is an old one"
        )
    if seen.sequence and entries[seen.sequence - 1].digest != seen.digest:
        raise BadFeed(
            f"entry {seen.sequence} is not the one that this copy has seen: the feed has been "
            "written anew; ask the publisher"
        )


def parse_public_key(text: str) -> str:
    """64 hex digits in lower case. Raises BadFeed."""
    try:
        content = bytes.fromhex(text.strip())
    except ValueError:
        content = b""
    if len(content) != PUBLIC_KEY_BYTES:
        raise BadFeed(f"a public key has {2 * PUBLIC_KEY_BYTES} hex digits ({PUBLIC_KEY})")
    return content.hex()
