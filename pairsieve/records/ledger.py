"""The ledger: one row for each decision, and nothing in it that says whom it is about."""

from __future__ import annotations

import hmac
from typing import Any

import pyarrow as pa

SCORE_DIGITS = 3

LEDGER_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("stage", pa.string()),
        ("rule", pa.string()),
        ("rule_version", pa.int32()),
        ("action", pa.string()),
        ("reason", pa.string()),
        ("score", pa.float64()),
    ]
)


def keyed(secret: bytes, key: bytes) -> bytes:
    """HMAC-SHA256 of a row's key, 16 bytes: without the secret it leads back to nothing."""
    return hmac.digest(secret, key, "sha256")[:16]


def entry(
    identity: bytes,
    stage: str,
    rule: tuple[str, int],
    action: str,
    reason: str,
    score: float | None = None,
) -> tuple[Any, ...]:
    """One ledger row, in the order of LEDGER_SCHEMA."""
    rounded = None if score is None else round(float(score), SCORE_DIGITS)
    return identity.hex(), stage, rule[0], rule[1], action, reason, rounded
