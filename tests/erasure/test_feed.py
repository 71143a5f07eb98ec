"""The signed feed: what a reader refuses, and that its signatures are those of RFC 8032."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.erasure.feed import (
    FEED,
    NOTHING,
    BadFeed,
    Entry,
    FeedPosition,
    check_follows,
    check_tokens_key,
    name_of,
    parse_public_key,
    public_text,
    read_feed,
    signing_key,
    with_entry,
)
from pairsieve.erasure.tombstones import Key

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = public_text(KEY)
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))


def entry_after(entries: list[Entry], name: str = "mine") -> Entry:
    number = len(entries) + 1
    previous = entries[-1].digest if entries else NOTHING
    delta = f"delta-{number + 1:05d}.parquet"
    return Entry(
        number, previous, name, number + 1, delta, 3, 900, "ab" * 32, "cd" * 16, "2026-11-28"
    )


def feed_of(number: int, key: Ed25519PrivateKey = KEY, name: str = "mine") -> str:
    text, entries = "", []
    for _ in range(number):
        entries.append(entry_after(entries, name))
        text = with_entry(text, entries[-1], key)
    return text


def lines(number: int) -> list[str]:
    return feed_of(number).splitlines(keepends=True)


def test_a_whole_feed_is_read():
    entries = read_feed(feed_of(3), PUBLIC)
    assert [entry.sequence for entry in entries] == [1, 2, 3]
    assert [entry.version for entry in entries] == [2, 3, 4]
    assert read_feed("", PUBLIC) == []


def resigned(line: str, **changes) -> str:
    """A line of the right key with another content."""
    entry = replace(Entry(**json.loads(json.loads(line)["signed"])), **changes)
    return with_entry("", entry, KEY)


REFUSED = {
    "signed by another key": feed_of(2, OTHER),
    "an entry of another key at the end": lines(1)[0] + feed_of(2, OTHER).splitlines()[1],
    "a changed number of rows": feed_of(2).replace('\\"rows\\": 3', '\\"rows\\": 2'),
    "a changed signature": feed_of(1).replace('"signature": "', '"signature": "00'),
    "no signature": json.dumps({"signed": json.loads(lines(1)[0])["signed"], "signature": ""}),
    "the first entry is missing": "".join(lines(3)[1:]),
    "one of the middle is missing": "".join([lines(3)[0], lines(3)[2]]),
    "two in another order": "".join([lines(3)[0], lines(3)[2], lines(3)[1]]),
    "one twice": "".join([*lines(2), lines(2)[1]]),
    "an entry of another feed of the same key": lines(1)[0]
    + feed_of(2, name="other").splitlines()[1],
    "a number that was skipped": lines(1)[0] + resigned(lines(2)[1], sequence=3),
    "a list of rows in another folder": resigned(lines(1)[0], delta="../secret.parquet"),
    "a number that is a text": resigned(lines(1)[0], rows="3"),
    "cut off within an entry": feed_of(2)[:-40],
    "no JSON": "hello\n",
    "JSON of another form": "[1, 2]\n",
    "a number": "7\n",
    "very deep JSON": "[" * 100_000,
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_is_refused(text):
    with pytest.raises(BadFeed, match="entry"):
        read_feed(text, PUBLIC)


def seen(number: int) -> FeedPosition:
    return FeedPosition(PUBLIC, number, read_feed(feed_of(number), PUBLIC)[-1].digest)


@pytest.mark.parametrize(
    ("number", "name", "message"),
    [
        (2, "mine", "its end was cut off, or it is an old one"),
        (0, "mine", "its end was cut off"),
        (3, "other", "has been written anew"),
        (4, "other", "has been written anew"),
    ],
)
def test_a_feed_that_does_not_go_on_is_refused(number, name, message):
    entries = read_feed(feed_of(number, name=name), PUBLIC)
    with pytest.raises(BadFeed, match=message):
        check_follows(entries, PUBLIC, seen(3))


def test_a_feed_that_goes_on_is_taken():
    check_follows(read_feed(feed_of(3), PUBLIC), PUBLIC, seen(3))
    check_follows(read_feed(feed_of(5), PUBLIC), PUBLIC, seen(3))
    check_follows(read_feed(feed_of(1), PUBLIC), PUBLIC, None)


def test_tokens_of_another_key_are_refused():
    key, other = Key("", bytes(32)), Key("", bytes([1] * 32))
    entries = [replace(entry_after([]), tokens_key=name_of(key))]
    check_tokens_key(entries, key)
    with pytest.raises(BadFeed, match="no row would be found"):
        check_tokens_key(entries, other)
    assert bytes(32).hex() not in name_of(key)


def test_another_key_is_refused():
    with pytest.raises(BadFeed, match="ask the publisher"):
        check_follows(read_feed(feed_of(3, OTHER), public_text(OTHER)), public_text(OTHER), seen(3))


@given(st.integers(0, 2), st.data())
def test_no_changed_byte_passes(number, data):
    """Whatever one byte becomes, the entries are refused, or are the same entries."""
    text = feed_of(number + 1)
    place = data.draw(st.integers(0, len(text) - 2))
    letter = data.draw(st.characters(codec="ascii"))
    changed = text[:place] + letter + text[place + 1 :]
    try:
        entries = read_feed(changed, PUBLIC)
    except BadFeed:
        return
    # JSON may be written in other ways, and hexadecimal digits in capitals.
    assert entries == read_feed(text, PUBLIC)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_takes_the_signatures_for_right(tmp_path):
    """Another implementation; the prefix is that of an Ed25519 key (RFC 8410, section 4)."""
    outer = json.loads(lines(2)[1])
    spki = bytes.fromhex("302a300506032b6570032100" + PUBLIC)
    (tmp_path / "key.der").write_bytes(spki)
    (tmp_path / "signature").write_bytes(bytes.fromhex(outer["signature"]))
    (tmp_path / "text").write_bytes(b"pairsieve erasure feed 1\0" + outer["signed"].encode())
    command = "openssl pkeyutl -verify -pubin -inkey key.der -keyform DER -rawin -in text -sigfile"
    said = subprocess.run(
        [*command.split(), "signature"], cwd=tmp_path, capture_output=True, check=False
    )
    assert said.returncode == 0, said


def test_the_key_is_made_once_and_private(tmp_path):
    key = signing_key(str(tmp_path / "erased"))
    assert public_text(signing_key(str(tmp_path / "erased"))) == public_text(key)
    assert (tmp_path / "erased" / "feed.key").stat().st_mode & 0o777 == 0o600
    told = (tmp_path / "erased" / "feed.pub").read_text()
    assert parse_public_key(told) == public_text(key)
    assert FEED == "feed.jsonl"


@pytest.mark.parametrize("text", ["", "ab", "zz" * 32, "ab" * 33])
def test_what_is_no_public_key(text):
    with pytest.raises(BadFeed, match="64 hex digits"):
        parse_public_key(text)
