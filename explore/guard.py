"""What keeps the page and its visitors safe: headers, forms that come from the page itself, limits, bodies of a bounded size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from itsdangerous import BadSignature, TimestampSigner
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from python_multipart import create_form_parser
from python_multipart.exceptions import FormParserError
from starlette.requests import Request

TOKEN_AGE_S = 24 * 3600
FORM_BYTES = 200_000  # beside a picture
MOST_FIELDS = 400


class Refused(Exception):
    """The request is not answered; `text` names what the page says."""

    def __init__(self, status: int, text: str, *values: object) -> None:
        super().__init__(text)
        self.status, self.text, self.values = status, text, values


@dataclass(frozen=True)
class Limits:
    """For one address: what it may ask for."""

    searches: str = "120/minute"
    pictures: str = "30/minute"
    requests: str = "20/hour"


@dataclass(frozen=True)
class Guard:
    """Counts what each address asks for, and signs forms."""

    limits: Limits
    signer: TimestampSigner
    _counts: MovingWindowRateLimiter = field(default_factory=lambda: MovingWindowRateLimiter(MemoryStorage()))

    def count(self, request: Request, what: str) -> None:
        """Raises Refused where an address has asked for too much. Counts are held in memory, and written nowhere."""
        item: RateLimitItem = parse(getattr(self.limits, what))
        address = request.client.host if request.client else "unknown"
        if not self._counts.hit(item, what, address):
            raise Refused(429, "too_many")

    def token(self) -> str:
        """For a form of ours."""
        return self.signer.sign("form").decode()

    def check_form(self, request: Request, token: str) -> None:
        """Raises Refused for a form that is not ours, or that another site sends."""
        check_site(request)
        try:
            self.signer.unsign(token, max_age=TOKEN_AGE_S)
        except BadSignature:
            raise Refused(403, "stale") from None


def check_site(request: Request) -> None:
    """Raises Refused for what a page of another site sends, as far as browsers say so."""
    origin, host = request.headers.get("origin", ""), request.headers.get("host", "")
    site = request.headers.get("sec-fetch-site", "same-origin")
    if site not in ("same-origin", "none") or (origin not in ("", "null") and urlsplit(origin).netloc != host):
        raise Refused(403, "stale")


def headers(remote_pictures: bool) -> Mapping[str, str]:
    """Nothing from another host, but for pictures where the visitor has asked for them; no referrer; no frame."""
    pictures = "'self' http: https:" if remote_pictures else "'self'"
    policy = (
        f"default-src 'none'; img-src {pictures}; style-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        "Cache-Control": "no-store",
        "X-Robots-Tag": "noindex, noai, noimageai",
    }


@dataclass(frozen=True)
class Form:
    """Fields by name, and the files' bytes."""

    fields: Mapping[str, list[str]]
    files: Mapping[str, bytes]

    def one(self, name: str) -> str:
        """A field's first value, or nothing."""
        return self.fields.get(name, [""])[0].strip()


async def read_form(request: Request, most_bytes: int = 0) -> Form:
    """A form, in memory alone. Raises Refused where it is too large or broken."""
    most = most_bytes + FORM_BYTES
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise Refused(413, "too_large" if most_bytes else "malformed")
    kind = request.headers.get("content-type", "")
    try:
        return _multipart(bytes(body), kind, most) if kind.startswith("multipart/") else _urlencoded(bytes(body))
    except (FormParserError, ValueError):
        raise Refused(400, "malformed") from None


def _urlencoded(body: bytes) -> Form:
    return Form(parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS), {})


def _multipart(body: bytes, kind: str, most: int) -> Form:
    fields: dict[str, list[str]] = {}
    found: dict[str, bytes] = {}

    def on_field(one: Any) -> None:
        name, value = (bytes(part or b"").decode("utf-8") for part in (one.field_name, one.value))
        fields.setdefault(name, []).append(value)

    def on_file(one: Any) -> None:
        one.file_object.seek(0)
        found[bytes(one.field_name or b"").decode("utf-8")] = one.file_object.read()

    config = {"MAX_MEMORY_FILE_SIZE": most, "MAX_BODY_SIZE": most}  # all of it in memory
    parser = create_form_parser({"Content-Type": kind.encode("latin-1")}, on_field, on_file, config=config)
    parser.write(body)
    parser.finalize()
    return Form(fields, found)
