"""What is asked to be taken out: one JSON object a line, with one of KINDS and, if wanted, a
receipt.

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

Anything else in a line is refused: no names, no addresses, no reasons are to be kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pairsieve.erasure.list_file import UnreadableList, named, read_lines
from pairsieve.erasure.lists import KINDS as LIST_KINDS
from pairsieve.erasure.lists import read_lists
from pairsieve.images.decode import Decoded, DecodeSettings, decode
from pairsieve.images.pdq import orientations, orientations_of
from pairsieve.storage import files
from pairsieve.web.urls import absolute, host_of, parts_of

KINDS = ("image_url", "page_url", "domain", "prefix", "sha256", "md5", "pdq", "image", "key")
RECEIPT = "receipt"
HEX_DIGITS = {"sha256": 64, "md5": 32, "pdq": 64, "key": 32}
EXAMPLES = DecodeSettings(("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"), 89_478_484, 200)
MAX_EXAMPLE_BYTES = 20_000_000
MOST_LETTERS = 2_000  # of a URL, as links are taken (configs: extract.urls.max_chars); of a path
MOST_HOST = 253  # letters of a host (RFC 1035, 2.3.4)
# letters of a line: 12 for each of a value, as JSON may write them, and what stands beside it
MOST_LINE = 30_000
MAX_FOLDERS = 32  # of a URL's path, below which a prefix is looked for
_HOST = re.compile(r"(?:[a-z0-9_-]{1,63}\.)+[a-z0-9-]{2,63}")
_HEX = re.compile(r"[0-9a-f]+")
_HALF_LETTER = re.compile(r"[\ud800-\udfff]")
_LOCAL_NAME = re.compile(r"[^\\\x00]+")
# nothing that a store, a URL or a pattern reads more into
_STORED_NAME = re.compile(r"[\w .@()+,=/-]+")
RECEIPT_FORM = re.compile(r"[A-Za-z0-9_-]{8,64}")


class MalformedRequests(ValueError):
    """Lines that cannot be read as requests; the message names each, and none of the file is
    applied.
    """


@dataclass(frozen=True)
class Request:
    """One request. `values` are what is looked for: a URL, a host, a hash; of a picture one PDQ
    hash for each orientation.

    `bytes_hashes` and `example` are the hashes and the path of an example picture. `shows`: whether
    it is about one picture, wherever that turns up, and not about a place.
    """

    kind: str
    values: tuple[str, ...]
    receipt: str = ""
    bytes_hashes: tuple[str, ...] = ()
    example: str = ""

    @property
    def shows(self) -> bool:
        return self.kind not in ("page_url", "domain", "prefix")


def read_requests(path: str) -> list[Request]:
    """The requests of a file. Raises MalformedRequests."""
    found, wrong = list[Request](), list[str]()
    try:
        lines = read_lines(path)
    except UnreadableList as error:
        raise MalformedRequests(f"{error}; give a file with one JSON object a line") from None
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                found.append(parse_request(line, _folder_of(path)))
            except ValueError as error:
                wrong.append(f"line {number}: {error}")
    if wrong or not found:
        raise MalformedRequests(f"{path}: {named(wrong) or 'no requests'}. Nothing was changed")
    return found


def requests_of_list(path: str, kind: str) -> list[Request]:
    """A request for each hash of a list of others (pairsieve/erasure/lists.py).

    Raises UnreadableList, MalformedRequests.
    """
    if kind not in ("auto", *LIST_KINDS):
        raise MalformedRequests(f"--hash-list {path}:{kind}: a list is of {', '.join(LIST_KINDS)}")
    known = read_lists({path: kind}).known  # type: ignore[dict-item]
    if known["sha1"]:
        raise MalformedRequests(
            f"{path} holds SHA-1, which rows do not have; the rule `hash_lists` matches it where "
            "pictures are fetched"
        )
    return [_request(name, value, "") for name, values in known.items() for value in sorted(values)]


def _folder_of(path: str) -> str:
    return (
        str(Path(files.filesystem(path)[1]).parent)
        if files.is_local(path)
        else path.rpartition("/")[0]
    )


def parse_request(line: str, folder: str | None = None) -> Request:
    """One line. Raises ValueError saying what is wrong, without repeating what the line holds.

    Example pictures lie below `folder`; without one none is opened.
    """
    if len(line) > MOST_LINE:
        raise ValueError(f"a line has at most {MOST_LINE:,} letters")
    try:
        given: Any = json.loads(line)
    except (ValueError, RecursionError):  # a number of 5,000 digits is a ValueError
        raise ValueError("this is no JSON object") from None
    if not isinstance(given, dict):
        raise ValueError("this is no JSON object")
    kinds = [kind for kind in KINDS if kind in given]
    if len(kinds) != 1:
        raise ValueError(f"give one of {', '.join(KINDS)}")
    if set(given) - {kinds[0], RECEIPT}:
        raise ValueError(f"only {kinds[0]} and {RECEIPT} may be given: nothing else is to be kept")
    value, receipt = given[kinds[0]], given.get(RECEIPT, "")
    if (
        not isinstance(value, str)
        or not isinstance(receipt, str)
        or (receipt and not RECEIPT_FORM.fullmatch(receipt))
    ):
        raise ValueError(
            f"{kinds[0]} and {RECEIPT} must be text; a receipt is 8 to 64 letters, digits, - or _"
        )
    if _HALF_LETTER.search(value):
        raise ValueError(f"{kinds[0]} holds half a letter (a lone surrogate), which is no text")
    if len(value) > MOST_LETTERS:
        raise ValueError(
            f"{kinds[0]} has at most {MOST_LETTERS:,} letters; what is longer may be asked for by "
            "sha256, key or prefix"
        )
    return _request(kinds[0], value.strip(), receipt, folder)


def _request(kind: str, value: str, receipt: str, folder: str | None = None) -> Request:
    if kind == "image":
        return _example(*_read_example(value, folder), receipt)
    if kind in HEX_DIGITS:
        bits = value.lower()
        if len(bits) != HEX_DIGITS[kind] or not _HEX.fullmatch(bits):
            raise ValueError(f"{kind} must be {HEX_DIGITS[kind]} hex digits")
        return Request(
            kind,
            tuple(h.hex() for h in orientations(bytes.fromhex(bits))) if kind == "pdq" else (bits,),
            receipt,
        )
    if kind in ("image_url", "page_url"):
        url = absolute(value, "")
        if url is None or not url.startswith(("http://", "https://")):
            raise ValueError(f"{kind} must be a whole http or https URL")
        return Request(kind, (url,), receipt)
    return _place(kind, value, receipt)


def _place(kind: str, value: str, receipt: str) -> Request:
    host, slash, path = value.rstrip(".").partition("/")
    if (
        len(host) > MOST_HOST
        or not _HOST.fullmatch(host.lower())
        or (slash if kind == "domain" else not path)
    ):
        example = (
            "a host, as a.example" if kind == "domain" else "a host and a path, as a.example/~anna/"
        )
        raise ValueError(f"{kind} must be {example}")
    return Request(kind, (f"{host.lower()}{slash}{path}",), receipt)


def _read_example(name: str, folder: str | None) -> tuple[str, bytes]:
    """The path of an example picture and its bytes.

    Raises ValueError for what does not lie below the folder of its file of requests.
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
    if (
        not name
        or name.startswith("/")
        or ".." in name.split("/")
        or not (_LOCAL_NAME if is_local else _STORED_NAME).fullmatch(name)
    ):
        raise ValueError(
            "image must be a path below the folder of the file of requests, as me.jpg or "
            "photos/me.jpg"
        )
    try:
        path = _real_path(name, folder) if is_local else files.join(folder, name)
        with Path(path).open("rb") if is_local else files.open_read(path) as stream:
            return path, stream.read(MAX_EXAMPLE_BYTES + 1)
    except OSError as error:
        raise ValueError(f"the example picture cannot be read ({type(error).__name__})") from None


def _real_path(name: str, folder: str) -> str:
    """Raises ValueError where a link leads out of the folder, and OSError for what is no file: a
    pipe would never end.
    """
    root = Path(os.path.realpath(folder))
    path = Path(os.path.realpath(root / name))
    if not path.is_relative_to(root):
        raise ValueError("image leads out of the folder of the file of requests")
    if path.exists() and not path.is_file():
        raise IsADirectoryError
    return str(path)


def _example(path: str, content: bytes, receipt: str) -> Request:
    """An example picture becomes hashes; it is kept nowhere."""
    found = decode(content, EXAMPLES) if len(content) <= MAX_EXAMPLE_BYTES else None
    if not isinstance(found, Decoded):
        raise ValueError("the example is no picture that can be read, or larger than 20 MB")
    by_bytes = (
        hashlib.sha256(content).hexdigest(),
        hashlib.md5(content, usedforsecurity=False).hexdigest(),
    )
    return Request(
        "image", tuple(h.hex() for h in orientations_of(found.image)), receipt, by_bytes, path
    )


def places_of(url: str) -> Iterator[str]:
    """Every domain and prefix that a URL lies below: hosts, and paths of the whole host. Of what is
    no URL an empty host.
    """
    for form in _forms(url):
        hosts, path = list(_hosts(form)), parts_of(form).path or "/"
        yield from hosts
        yield from (f"{hosts[0]}{path[:end]}" for end in _ends(path))


def hosts_of(url: str) -> Iterator[str]:
    """The host of a URL and every domain that it lies below, from the whole one to the last two
    labels.
    """
    yield from dict.fromkeys(host for form in _forms(url) for host in _hosts(form))


def _forms(url: str) -> Iterable[str]:
    """A URL as browsers read it (a host in full-width letters, backslashes, dots), and as it
    stands.
    """
    return dict.fromkeys((absolute(url, "") or url, url))


def _hosts(url: str) -> Iterator[str]:
    return domains_of(host_of(url))


def domains_of(host: str) -> Iterator[str]:
    """A host in lower case, and every domain that it lies below."""
    labels = host.rstrip(".").split(".")
    return (".".join(labels[i:]) for i in range(max(1, len(labels) - 1)))


def _ends(path: str) -> Iterator[int]:
    """Behind and before each slash of the first MAX_FOLDERS, and the whole path."""
    slashes = [i for i, letter in enumerate(path) if letter == "/" and i][:MAX_FOLDERS]
    yield from sorted({*slashes, *(i + 1 for i in slashes), len(path)})
