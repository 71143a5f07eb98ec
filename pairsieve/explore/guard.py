"""Protect visitors: response headers, and forms that must come from the page itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from itsdangerous import BadSignature, TimestampSigner
from starlette.requests import Request

from pairsieve.explore.refused import Refused

TOKEN_AGE_S = 24 * 3600
# 100 results of an example picture, with addresses of usual length, take some 50 kB.
FORM_BYTES = 200_000
MAX_FIELDS = 400
MAX_TOKEN_CHARS = 200


@dataclass(frozen=True)
class Signer:
    """Signs the page's forms, so that other sites cannot send them (CSRF)."""

    signer: TimestampSigner

    def token(self) -> str:
        """Return the token that a form of the page carries."""
        return self.signer.sign("form").decode()

    def check_token(self, token: str) -> None:
        """Raise Refused when a form is not the page's, or was open for longer than TOKEN_AGE_S."""
        try:
            self.signer.unsign(token[:MAX_TOKEN_CHARS], max_age=TOKEN_AGE_S)
        except BadSignature:
            raise Refused(403, "stale") from None


def check_site(request: Request) -> None:
    """Raise Refused for what a page of another site sends, as far as browsers say so.

    `Origin: null` is another site's: a sandboxed frame sends it, and our own page does not under
    its Referrer-Policy (Fetch, 4.8). Programs send neither header.
    """
    host = request.headers.get("host", "").lower()
    own_origins = {f"http://{host}", f"https://{host}"}
    origins = {origin.lower() for origin in request.headers.getlist("origin")}
    fetch_sites = set(request.headers.getlist("sec-fetch-site"))
    if not origins <= own_origins or not fetch_sites <= {"same-origin", "none"}:
        raise Refused(403, "stale")


def security_headers(remote_pictures: bool) -> Mapping[str, str]:
    """Return the headers of every answer.

    They allow no content of other hosts, except pictures if the visitor asked for them
    (`remote_pictures`); no referrer to other sites; and no frame around the page.
    """
    pictures = "'self' http: https:" if remote_pictures else "'self'"
    policy = (
        f"default-src 'none'; img-src {pictures}; style-src 'self'; script-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        "Cache-Control": "no-store",
        "X-Robots-Tag": "noindex, noai, noimageai",
    }


@dataclass(frozen=True)
class Form:
    """The fields of a form by name."""

    fields: Mapping[str, list[str]]

    def first(self, name: str) -> str:
        """Return a field's first value; empty if there is none."""
        return self.fields.get(name, [""])[0].strip()


async def read_form(request: Request) -> Form:
    """Read a form of text; the gate has bounded its size. Raises Refused when it is broken."""
    body = await request.body()
    try:
        text = body.decode("utf-8")
        return Form(parse_qs(text, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        raise Refused(400, "malformed") from None
