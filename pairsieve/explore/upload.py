"""Read an example picture that a visitor uploads, in a process that may be killed."""

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

# Today's cameras make fewer. The process takes about 8 bytes a pixel.
MAX_PIXELS = 50_000_000
MAX_PARTS = 20
TOKEN, PICTURE = "token", "picture"


@dataclass(frozen=True)
class Upload:
    """An uploaded form: its token, the hashes of its picture, and pixels for each model.

    For each model they are those of the picture and of its views.
    """

    token: str
    example: Example
    pixels: tuple[Sequence[Pixels], ...]


@dataclass(frozen=True)
class BadUpload:
    """Why an upload is refused: an HTTP status, a text of words.yaml and its values."""

    status: int
    text: str
    values: tuple[str, ...] = ()


def upload_of(
    processes: Processes, body: bytes, content_type: str, squares: Sequence[Square]
) -> Upload:
    """Read a form in another process.

    Raises Refused when the form cannot be read or the process ends over it. Nothing else may run in
    `processes` at that time. Then we know which picture has ended a process, and do not try that
    picture again.
    """
    future = processes.submit(read_upload, body, content_type, squares).future
    error = future.exception()
    if isinstance(error, BrokenExecutor):
        raise Refused(400, "no_picture", "decoder_crashed")
    if error is not None:
        raise Refused(400, "no_picture", "undecodable")
    upload = future.result()
    if isinstance(upload, BadUpload):
        raise Refused(upload.status, upload.text, *upload.values)
    return upload


def read_upload(body: bytes, content_type: str, squares: Sequence[Square]) -> Upload | BadUpload:
    """Parse a multipart form and read its picture."""
    try:
        parts = _parse_parts(body, content_type)
    except (FormParserError, ValueError):
        return BadUpload(400, "malformed")
    content = parts.get(PICTURE, b"")
    if len(content) > MAX_EXAMPLE_BYTES:
        return BadUpload(413, "too_large")
    if _declared_pixels(content) > MAX_PIXELS:
        return BadUpload(400, "no_picture", ("too_many_pixels",))
    picture = read_example(content, squares)
    if isinstance(picture, Undecodable):
        return BadUpload(400, "no_picture", (picture.reason,))
    example, pixels = picture
    token = parts.get(TOKEN, b"").decode("utf-8", "replace")
    return Upload(token, example, pixels)


def _declared_pixels(content: bytes) -> int:
    """Return how many pixels a picture's header declares; 0 if it cannot be read."""
    try:
        with Image.open(io.BytesIO(content), formats=EXAMPLES.formats) as image:
            return image.width * image.height
    except DECODE_ERRORS:
        return 0


def _parse_parts(body: bytes, content_type: str) -> Mapping[str, bytes]:
    """Return the parts of a multipart form by name; the last one of each name counts.

    Raises FormParserError and ValueError.
    """
    parts: dict[str, bytes] = {}

    def keep(name: bytes | None, content: bytes) -> None:
        parts[bytes(name or b"").decode("utf-8")] = content
        if len(parts) > MAX_PARTS:
            raise ValueError("too many parts")

    def on_field(field: Any) -> None:
        keep(field.field_name, bytes(field.value or b""))

    def on_file(file: Any) -> None:
        file.file_object.seek(0)
        keep(file.field_name, file.file_object.read())

    # With limits above the size of the body, the parser never writes a picture to a disk.
    config = {"MAX_MEMORY_FILE_SIZE": len(body) + 1, "MAX_BODY_SIZE": len(body) + 1}
    headers = {"Content-Type": content_type.encode("latin-1")}
    parser = create_form_parser(headers, on_field, on_file, config=config)
    parser.write(body)
    parser.finalize()
    return parts
