"""Pads a batch to a fixed number of rows."""

from __future__ import annotations

import torch
from torch import Tensor


def filled(rows: Tensor, size: int) -> Tensor:
    """Rows (n, ...) padded to `size` rows by repeating the first one."""
    missing = size - len(rows)
    if missing <= 0:
        return rows
    return torch.cat([rows, rows[:1].expand(missing, *rows.shape[1:])])
