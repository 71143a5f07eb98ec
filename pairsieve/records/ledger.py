"""The ledger: one row for each decision, and nothing that says whom it is about."""

from __future__ import annotations

import hmac
from typing import Any

import pyarrow as pa

# Digits after the decimal point of a score.
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
    """The HMAC-SHA256 of a row's key, cut to 16 bytes. Only with the secret it leads to the row."""
    return hmac.digest(secret, key, "sha256")[:16]


def entry(
    identity: bytes,
    stage: str,
    rule: tuple[str, int],
    action: str,
    reason: str,
    score: float | None = None,
) -> tuple[Any, ...]:
    """One ledger row, in the order of LEDGER_SCHEMA. `rule` is (name, version)."""
    rule_name, rule_version = rule
    rounded_score = None if score is None else round(float(score), SCORE_DIGITS)
    return identity.hex(), stage, rule_name, rule_version, action, reason, rounded_score
