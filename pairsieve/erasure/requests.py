"""Parse erasure requests: one JSON object a line, with one of KINDS and an optional receipt.

    {"image_url": "https://a.example/me.jpg", "receipt": "5f0c..."}
    {"page_url": "https://a.example/about"}         every pair that this page shows
    {"domain": "a.example"}                         pictures and pages of a host and of all below it
    {"prefix": "a.example/~anna/"}                  pictures and pages of a host below a path
    {"sha256": "..."}, {"md5": "..."}               a picture by its bytes
    {"pdq": "..."}                                  a picture by its perceptual hash, turned and
                                                    mirrored too
    {"image": "photo.jpg"}                          an example picture, by its hashes; a path below
                                                    the folder of the file
    {"key": "..."}                                  one row

A request by page, domain or prefix may also say `"copies": true`: then the pictures that it finds
stay out wherever they appear later, as with a request for one picture.

Any other key in a line is an error: no name, mail address or reason may be stored. Hosts and URLs
are read by pairsieve/web/places.py.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pairsieve.erasure.list_file import UnreadableList, join_problems, read_lines
from pairsieve.erasure.lists import KINDS as LIST_KINDS
from pairsieve.erasure.lists import read_lists
from pairsieve.images.decode import Decoded, DecodeSettings, decode
from pairsieve.images.pdq import orientations, orientations_of
from pairsieve.storage import files
from pairsieve.web.places import read_host, read_place, read_url

KINDS = ("image_url", "page_url", "domain", "prefix", "sha256", "md5", "pdq", "image", "key")
PLACE_KINDS = ("page_url", "domain", "prefix")
"""Kinds that name a place, and not one picture."""
RECEIPT, COPIES = "receipt", "copies"
HEX_DIGITS = {"sha256": 64, "md5": 32, "pdq": 64, "key": 32}
EXAMPLES = DecodeSettings(("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"), 89_478_484, 200)
MAX_EXAMPLE_BYTES = 20_000_000
# Of a URL, as extract accepts them (configs: extract.urls.max_chars), and of a path.
MAX_VALUE_CHARS = 2_000
# JSON may take 12 characters for one of a value; the rest is for what stands beside the value.
MAX_LINE_CHARS = 30_000
_HEX = re.compile(r"[0-9a-f]+")
# JSON can name half of a surrogate pair, which no file in UTF-8 can hold.
_HALF_LETTER = re.compile(r"[\ud800-\udfff]")
_LOCAL_NAME = re.compile(r"[^\\\x00]+")
# Only characters that no object store, URL or glob pattern treats specially.
_STORED_NAME = re.compile(r"[\w .@()+,=/-]+")
RECEIPT_FORM = re.compile(r"[A-Za-z0-9_-]{8,64}")


class MalformedRequests(ValueError):
    """Some lines are not requests; the message names each, and no line of the file is applied."""


@dataclass(frozen=True)
class Request:
    """One erasure request.

    `values` are what rows are compared with: a URL, a host, a hash. For a picture they are its PDQ
    hashes, one for each orientation. `bytes_hashes` (SHA-256 and MD5) and `example` (its path)
    belong to an example picture. `copies`: the pictures of a place are to stay out elsewhere too.
    """

    kind: str
    values: tuple[str, ...]
    receipt: str = ""
    bytes_hashes: tuple[str, ...] = ()
    example: str = ""
    copies: bool = False

    @property
    def covers_copies(self) -> bool:
        """Whether the pictures that it finds are to stay out wherever they appear."""
        return self.copies or self.kind not in PLACE_KINDS


def read_requests(path: str) -> list[Request]:
    """Read the requests of a file. Raises MalformedRequests."""
    try:
        lines = read_lines(path)
    except UnreadableList as error:
        raise MalformedRequests(f"{error}; give a file with one JSON object a line") from None
    requests: list[Request] = []
    problems: list[str] = []
    folder = _folder_of(path)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            requests.append(parse_request(line, folder))
        except ValueError as error:
            problems.append(f"line {number}: {error}")
    if problems or not requests:
        reason = join_problems(problems) or "no requests"
        raise MalformedRequests(f"{path}: {reason}. Nothing was changed")
    return requests


def requests_of_list(path: str, kind: str) -> list[Request]:
    """Make a request for each hash of a hash list (pairsieve/erasure/lists.py).

    Raises UnreadableList and MalformedRequests.
    """
    if kind not in ("auto", *LIST_KINDS):
        raise MalformedRequests(
            f"--hash-list {path}:{kind}: unknown type of hash; name one of {', '.join(LIST_KINDS)}"
        )
    known = read_lists({path: kind}).known  # type: ignore[dict-item]
    if known["sha1"]:
        raise MalformedRequests(
            f"{path} holds SHA-1 hashes, which rows do not have; the rule `hash_lists` matches "
            "them when pictures are fetched"
        )
    requests: list[Request] = []
    for name, values in known.items():
        requests += [_request(name, value, "") for value in sorted(values)]
    return requests


def _folder_of(path: str) -> str:
    if files.is_local(path):
        return str(Path(files.filesystem(path)[1]).parent)
    return path.rpartition("/")[0]


def parse_request(line: str, folder: str | None = None) -> Request:
    """Parse one line.

    Example pictures lie below `folder`; without a folder none is opened. Raises ValueError, which
    says what is wrong without repeating what the line holds.
    """
    fields = _parse_json(line)
    kinds = [kind for kind in KINDS if kind in fields]
    if len(kinds) != 1:
        raise ValueError(f"give one of {', '.join(KINDS)}")
    kind = kinds[0]
    # A name or a reason in the line would be stored with it.
    if set(fields) - {kind, RECEIPT, COPIES}:
        raise ValueError(
            f"only {kind}, {RECEIPT} and {COPIES} may be given: nothing else may be stored"
        )
    value, receipt, copies = fields[kind], fields.get(RECEIPT, ""), fields.get(COPIES, False)
    if not isinstance(value, str) or not _is_receipt(receipt):
        raise ValueError(
            f"{kind} and {RECEIPT} must be text; a receipt is 8 to 64 letters, digits, - or _"
        )
    if _HALF_LETTER.search(value):
        raise ValueError(f"{kind} holds half a letter (a lone surrogate), which is not text")
    if len(value) > MAX_VALUE_CHARS:
        raise ValueError(
            f"{kind} has at most {MAX_VALUE_CHARS:,} letters; ask for something longer by sha256, "
            "key or prefix"
        )
    if not isinstance(copies, bool):
        raise ValueError(f"{COPIES} must be true or false")
    return replace(_request(kind, value.strip(), receipt, folder), copies=copies)


def _parse_json(line: str) -> dict[str, Any]:
    """Return the JSON object of a line. Raises ValueError."""
    if len(line) > MAX_LINE_CHARS:
        raise ValueError(f"a line has at most {MAX_LINE_CHARS:,} letters")
    try:
        fields: Any = json.loads(line)
    except (ValueError, RecursionError):  # a number of 5,000 digits is a ValueError
        raise ValueError("this is not a JSON object") from None
    if not isinstance(fields, dict):
        raise ValueError("this is not a JSON object")
    return fields


def _is_receipt(value: object) -> bool:
    """Return whether a value is a receipt or empty."""
    if not isinstance(value, str):
        return False
    return not value or bool(RECEIPT_FORM.fullmatch(value))


def _request(kind: str, value: str, receipt: str, folder: str | None = None) -> Request:
    """Make a request of a value that is text. Raises ValueError when it is not of its kind."""
    if kind == "image":
        path, content = _read_example(value, folder)
        return _example_request(path, content, receipt)
    if kind in HEX_DIGITS:
        return _hash_request(kind, value.lower(), receipt)
    if kind in ("image_url", "page_url"):
        return Request(kind, (read_url(value),), receipt)
    return _place_request(kind, value, receipt)


def _hash_request(kind: str, digits: str, receipt: str) -> Request:
    if len(digits) != HEX_DIGITS[kind] or not _HEX.fullmatch(digits):
        raise ValueError(f"{kind} must be {HEX_DIGITS[kind]} hex digits")
    if kind != "pdq":
        return Request(kind, (digits,), receipt)
    # The picture may be published turned or mirrored.
    hashes = orientations(bytes.fromhex(digits))
    return Request(kind, tuple(bits.hex() for bits in hashes), receipt)


def _place_request(kind: str, value: str, receipt: str) -> Request:
    """Make a request about a domain or a prefix (a host and a path)."""
    if kind == "domain":
        return Request(kind, (read_host(value),), receipt)
    place = read_place(value)
    if place.path == "/" or place.query:
        raise ValueError("prefix must be a host and a path, such as a.example/~anna/")
    return Request(kind, (f"{place.host}{place.path}",), receipt)


def _read_example(name: str, folder: str | None) -> tuple[str, bytes]:
    """Return the path and the bytes of an example picture.

    Raises ValueError for a picture that does not lie below the folder of its file of requests: a
    request comes from a stranger, and may neither name other files nor cause a fetch.
    """
    if "://" in name or "::" in name:
        raise ValueError(
            "image must be the path of a file: nothing is fetched from an address that a request "
            "names"
        )
    if folder is None:
        raise ValueError(
            "the example picture cannot be read: only a file of requests names one, below its own "
            "folder"
        )
    is_local = files.is_local(folder)
    form = _LOCAL_NAME if is_local else _STORED_NAME
    leaves_folder = name.startswith("/") or ".." in name.split("/")
    if not form.fullmatch(name) or leaves_folder:
        raise ValueError(
            "image must be a path below the folder of the file of requests, such as me.jpg or "
            "photos/me.jpg"
        )
    try:
        if is_local:
            # Not by fsspec, which may read more than a path into a name.
            path = _real_path(name, folder)
            with Path(path).open("rb") as stream:
                return path, stream.read(MAX_EXAMPLE_BYTES + 1)
        path = files.join(folder, name)
        with files.open_read(path) as stream:
            return path, stream.read(MAX_EXAMPLE_BYTES + 1)
    except OSError as error:
        raise ValueError(f"the example picture cannot be read ({type(error).__name__})") from None


def _real_path(name: str, folder: str) -> str:
    """Return the path of a local file with all links resolved.

    Raises ValueError when a link leads out of the folder, and OSError for what is not a regular
    file: reading a pipe would never end.
    """
    root = Path(os.path.realpath(folder))
    path = Path(os.path.realpath(root / name))
    if not path.is_relative_to(root):
        raise ValueError("image leads out of the folder of the file of requests")
    if path.exists() and not path.is_file():
        raise IsADirectoryError
    return str(path)


def _example_request(path: str, content: bytes, receipt: str) -> Request:
    """Make a request of the hashes of an example picture; its bytes are not stored."""
    picture = decode(content, EXAMPLES) if len(content) <= MAX_EXAMPLE_BYTES else None
    if not isinstance(picture, Decoded):
        raise ValueError("the example is not a picture that can be read, or larger than 20 MB")
    sha256 = hashlib.sha256(content).hexdigest()
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    hashes = tuple(bits.hex() for bits in orientations_of(picture.image))
    return Request("image", hashes, receipt, (sha256, md5), path)
