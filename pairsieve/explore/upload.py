"""An example picture that a visitor sends: its form is taken apart and its pixels are read in a
process that may be killed.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from typing import Any

from PIL import Image
from python_multipart import create_form_parser
from python_multipart.exceptions import FormParserError

from pairsieve.erasure.requests import EXAMPLES, MAX_EXAMPLE_BYTES
from pairsieve.explore.refused import Refused
from pairsieve.images.decode import DECODE_ERRORS, Undecodable
from pairsieve.images.prepare import Pixels, Square
from pairsieve.images.processes import Processes
from pairsieve.search.example import Example, read_example

# of a page's example: today's cameras; a process takes about 8 bytes a pixel
MOST_PIXELS = 50_000_000
MOST_PARTS = 20
TOKEN, PICTURE = "token", "picture"


@dataclass(frozen=True)
class Upload:
    """A form of a visitor, and what its picture is known by."""

    token: str
    example: Example
    pixels: tuple[Pixels, ...]


@dataclass(frozen=True)
class BadUpload:
    """Why there is none: an HTTP status, a text of the page and what is filled in."""

    status: int
    text: str
    values: tuple[str, ...] = ()


def upload_of(processes: Processes, body: bytes, kind: str, squares: Sequence[Square]) -> Upload:
    """Read a form in another process. Raises Refused where that cannot be done, or the process ends
    over it.

    Nothing else may be under way in `processes`: so it is known which picture has ended a process,
    and it is not tried again.
    """
    future = processes.submit(read_upload, body, kind, squares).future
    error = future.exception()
    if isinstance(error, BrokenExecutor):
        raise Refused(400, "no_picture", "decoder_crashed")
    if error is not None:
        raise Refused(400, "no_picture", "undecodable")
    found = future.result()
    if isinstance(found, BadUpload):
        raise Refused(found.status, found.text, *found.values)
    return found


def read_upload(body: bytes, kind: str, squares: Sequence[Square]) -> Upload | BadUpload:
    """Take a multipart form apart and read its picture."""
    try:
        fields = _parts(body, kind)
    except (FormParserError, ValueError):
        return BadUpload(400, "malformed")
    content = fields.get(PICTURE, b"")
    if len(content) > MAX_EXAMPLE_BYTES:
        return BadUpload(413, "too_large")
    if _pixels(content) > MOST_PIXELS:
        return BadUpload(400, "no_picture", ("too_many_pixels",))
    found = read_example(content, squares)
    if isinstance(found, Undecodable):
        return BadUpload(400, "no_picture", (found.reason,))
    return Upload(fields.get(TOKEN, b"").decode("utf-8", "replace"), *found)


def _pixels(content: bytes) -> int:
    """As the header says; 0 where it cannot be read."""
    try:
        with Image.open(io.BytesIO(content), formats=EXAMPLES.formats) as image:
            return image.width * image.height
    except DECODE_ERRORS:
        return 0


def _parts(body: bytes, kind: str) -> Mapping[str, bytes]:
    """The parts of a multipart form by name, the last of each name, in memory alone.

    Raises FormParserError, ValueError.
    """
    found: dict[str, bytes] = {}

    def keep(name: bytes | None, content: bytes) -> None:
        found[bytes(name or b"").decode("utf-8")] = content
        if len(found) > MOST_PARTS:
            raise ValueError("too many parts")

    def on_field(one: Any) -> None:
        keep(one.field_name, bytes(one.value or b""))

    def on_file(one: Any) -> None:
        one.file_object.seek(0)
        keep(one.field_name, one.file_object.read())

    # nothing goes to a disk
    config = {"MAX_MEMORY_FILE_SIZE": len(body) + 1, "MAX_BODY_SIZE": len(body) + 1}
    parser = create_form_parser(
        {"Content-Type": kind.encode("latin-1")}, on_field, on_file, config=config
    )
    parser.write(body)
    parser.finalize()
    return found
