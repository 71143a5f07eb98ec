"""What keeps the page and its visitors safe: headers, and forms that come from the page itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from itsdangerous import BadSignature, TimestampSigner
from starlette.requests import Request

from pairsieve.explore.refused import Refused

TOKEN_AGE_S = 24 * 3600
FORM_BYTES = 200_000  # 100 results of an example, with addresses of usual length, take some 50 kB
MOST_FIELDS = 400
MOST_TOKEN = 200


@dataclass(frozen=True)
class Signer:
    """Signs forms, so that they are known again."""

    signer: TimestampSigner

    def token(self) -> str:
        """For a form of ours."""
        return self.signer.sign("form").decode()

    def check_token(self, token: str) -> None:
        """Raises Refused for a form that is not ours, or was open for too long."""
        try:
            self.signer.unsign(token[:MOST_TOKEN], max_age=TOKEN_AGE_S)
        except BadSignature:
            raise Refused(403, "stale") from None


def check_site(request: Request) -> None:
    """Raises Refused for what a page of another site sends, as far as browsers say so.

    `Origin: null` is another site's: a sandboxed frame sends it, and our own page does not under
    its Referrer-Policy (Fetch, 4.8). Programs send neither header.
    """
    origins, host = request.headers.getlist("origin"), request.headers.get("host", "").lower()
    sites = request.headers.getlist("sec-fetch-site")
    if not set(sites) <= {"same-origin", "none"} or any(
        origin.lower() not in (f"http://{host}", f"https://{host}") for origin in origins
    ):
        raise Refused(403, "stale")


def headers(remote_pictures: bool) -> Mapping[str, str]:
    """Nothing from another host, but for pictures where the visitor has asked for them; no referrer
    to others; no frame.
    """
    pictures = "'self' http: https:" if remote_pictures else "'self'"
    policy = (
        f"default-src 'none'; img-src {pictures}; style-src 'self'; script-src 'self'; "
        "form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
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
    """Fields by name."""

    fields: Mapping[str, list[str]]

    def one(self, name: str) -> str:
        """A field's first value, or nothing."""
        return self.fields.get(name, [""])[0].strip()


async def read_form(request: Request) -> Form:
    """A form of text, whose size the gate has bounded. Raises Refused where it is broken."""
    body = await request.body()
    try:
        return Form(
            parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
        )
    except ValueError:
        raise Refused(400, "malformed") from None
