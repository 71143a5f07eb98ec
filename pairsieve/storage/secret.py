"""Secrets of keyed ids: 32 random bytes each, as 64 hex digits in a file of its owner's.

HMAC-SHA256 wants a key of at least the length of its result (RFC 2104, section 3): a shorter one
can be tried out, and with an empty one everybody can compute the ids.
"""

from __future__ import annotations

import secrets

from pairsieve.storage import files

SECRET_BYTES = 32


class BadSecret(ValueError):
    """A file holds no secret; the message says what to do."""


def new_secret() -> str:
    """64 hex digits that nobody knows."""
    return secrets.token_hex(SECRET_BYTES)


def parse_secret(text: str) -> bytes:
    """The 32 bytes that 64 hex digits name. Raises BadSecret."""
    try:
        secret = bytes.fromhex(text.strip())
    except ValueError:
        raise BadSecret("these are no hex digits") from None
    if len(secret) != SECRET_BYTES:
        raise BadSecret(
            f"a secret has {SECRET_BYTES} bytes ({2 * SECRET_BYTES} hex digits), and this one has "
            f"{len(secret)}"
        )
    return secret


def read_secret(path: str) -> bytes:
    """The secret in a file. Raises BadSecret."""
    try:
        return parse_secret(files.read_text(path))
    except BadSecret as error:
        problem = str(error)
    except (OSError, UnicodeDecodeError) as error:
        problem = type(error).__name__
    raise BadSecret(
        f"{path} holds no secret: {problem}. Give the file of 64 hex digits that was made with "
        "the first run, "
        "or name a file that is not there yet: it is made then"
    )


def secret_in(path: str) -> tuple[bytes, bool]:
    """The secret in a file, and whether it was made just now since the file was missing.

    Raises BadSecret.
    """
    is_new = not files.exists(path)
    if is_new:
        files.write_private(path, new_secret() + "\n")
    return read_secret(path), is_new
