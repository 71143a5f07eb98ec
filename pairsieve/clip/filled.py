"""Batches that are always full."""

from __future__ import annotations

import torch
from torch import Tensor


def filled(rows: Tensor, size: int) -> Tensor:
    """Rows (n, ...) with the first one repeated up to `size` rows."""
    missing = size - len(rows)
    return rows if missing <= 0 else torch.cat([rows, rows[:1].expand(missing, *rows.shape[1:])])
