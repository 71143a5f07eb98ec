"""Secrets for HMAC ids: 32 random bytes each, as 64 hex digits in a file that only its owner reads.

HMAC-SHA256 needs a key at least as long as its result (RFC 2104, section 3). A shorter key can be
guessed by trying all keys; with an empty one everybody can compute the ids.
"""

from __future__ import annotations

import secrets

from pairsieve.storage import files

SECRET_BYTES = 32


class BadSecret(ValueError):
    """A file does not hold a secret. The message says what to do."""


def new_secret() -> str:
    """Make a random secret, as 64 hex digits."""
    return secrets.token_hex(SECRET_BYTES)


def parse_secret(text: str) -> bytes:
    """Decode 64 hex digits to the 32 bytes of a secret. Raises BadSecret."""
    try:
        secret = bytes.fromhex(text.strip())
    except ValueError:
        raise BadSecret("these are not hex digits") from None
    if len(secret) != SECRET_BYTES:
        raise BadSecret(
            f"a secret has {SECRET_BYTES} bytes ({2 * SECRET_BYTES} hex digits), and this one has "
            f"{len(secret)}"
        )
    return secret


def read_secret(path: str) -> bytes:
    """Read the secret in a file. Raises BadSecret."""
    try:
        return parse_secret(files.read_text(path))
    except BadSecret as error:
        problem = str(error)
    except (OSError, UnicodeDecodeError) as error:
        problem = type(error).__name__
    raise BadSecret(
        f"{path} holds no secret: {problem}. Give the file of 64 hex digits that the first run "
        "made, or name a file that does not exist: it is made then"
    )


def secret_in(path: str) -> tuple[bytes, bool]:
    """Read the secret in a file; make one if the file is missing. Raises BadSecret.

    Returns the secret, and whether it is new.
    """
    is_new = not files.exists(path)
    if is_new:
        files.write_private(path, new_secret() + "\n")
    return read_secret(path), is_new
