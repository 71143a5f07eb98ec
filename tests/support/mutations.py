"""Bytes changed at random, the same ones for a seed."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

# What parsers stumble over: numbers at their limits, text that is none, and what opens something
# and does not close it.
ODD = (
    b"\0", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"-1", b"1e999", b"9" * 40,
    b"<", b"</", b"<!--", b"<![CDATA[", b"&#xd800;", b"&amp;amp;", b"'", b'"', b"\r\n", b"\r\n\r\n", b"=", b"%", b"%00", b"//", b"[", b"{",
    b"@", b":", "\u0301".encode() * 40, "\u202e".encode(), b"xn--", b"\x1f\x8b\x08", b"WARC/1.0\r\n", b"http://[::1", b"data:",
)  # fmt: skip


def mutated(seeds: Sequence[bytes], number: int) -> bytes:
    """One of the seeds with one to eight changes: bytes turned, cut out, repeated, or something odd
    put in.
    """
    random = Random(number)
    content = bytearray(random.choice(seeds))
    for _ in range(random.randint(1, 8)):
        at = random.randrange(len(content) + 1)
        length = random.choice((1, 1, 2, 4, 16, 64, 256))
        change = random.randrange(5)
        if change == 0 and at < len(content):
            content[at] ^= 1 << random.randrange(8)
        elif change == 1:
            del content[at : at + length]
        elif change == 2:
            content[at:at] = content[at : at + length] * random.randint(1, 4)
        elif change == 3:
            content[at:at] = random.choice(ODD)
        else:
            content[at : at + length] = random.choice(ODD)
    return bytes(content)
