"""Texts one behind the other in one row of tokens: layers work on all of them at once, attention on
each within itself.

A causal tower does not look behind a text's end, so nothing is computed for what a text does not
have. The row is filled up to a length that is always the same, so that no result depends on what
else is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from open_clip.model import CLIP
from open_clip.transformer import ResidualAttentionBlock
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention

FILLING = 0  # a token like any other: nobody looks at what comes of it


def is_packable(model: Any) -> bool:
    """Whether no token of a text looks at a later one, the vector is read at the text's end, and
    the layers are open_clip's plain ones.
    """
    if (
        not isinstance(model, CLIP)
        or model.attn_mask is None
        or model.text_pool_type not in ("argmax", "eos")
    ):
        return False
    later = torch.ones_like(model.attn_mask, dtype=torch.bool).triu(1)
    plain = all(type(block) is ResidualAttentionBlock for block in model.transformer.resblocks)
    return plain and bool(torch.isneginf(model.attn_mask[later]).all())


@dataclass(frozen=True)
class Pack:
    """Tokens (t,) of texts, the place of each in its own text (t,), where the texts end (n,), and
    runs of texts of one length: (number of texts, length).
    """

    tokens: Tensor
    places: Tensor
    ends: Tensor
    runs: Sequence[tuple[int, int]]


def pack(texts: Sequence[Tensor], size: int) -> Pack:
    """Texts (tokens of each), those of one length side by side, filled up to `size` tokens."""
    lengths = [len(text) for text in texts]
    missing = max(0, size - sum(lengths))
    filling = torch.full((missing,), FILLING)
    places = torch.cat(
        [*(torch.arange(length) for length in lengths), torch.zeros(missing, dtype=torch.long)]
    )
    runs = [(len(list(run)), length) for length, run in groupby(lengths)]
    return Pack(torch.cat([*texts, filling]), places, torch.tensor(lengths).cumsum(0) - 1, runs)


def encode(model: CLIP, packed: Pack, device: str) -> Tensor:
    """The vectors (n, d) of the texts, not normalised: what open_clip's `encode_text` computes of
    each alone.
    """
    dtype = model.transformer.get_cast_dtype()
    rows = model.token_embedding(packed.tokens.to(device)).to(dtype) + model.positional_embedding[
        packed.places.to(device)
    ].to(dtype)
    for block in model.transformer.resblocks:
        rows = rows + block.ls_1(_attended(block.attn, block.ln_1(rows), packed.runs))
        rows = rows + block.ls_2(block.mlp(block.ln_2(rows)))
    # every token, since the number of texts is not always the same
    return _projected(model, rows)[packed.ends.to(device)]


def _projected(model: CLIP, rows: Tensor) -> Tensor:
    rows, projection = model.ln_final(rows), model.text_projection
    if projection is None:
        return rows
    projected: Tensor = projection(rows) if isinstance(projection, nn.Linear) else rows @ projection
    return projected


def _attended(
    attention: nn.MultiheadAttention, rows: Tensor, runs: Sequence[tuple[int, int]]
) -> Tensor:
    """Every text looks at itself alone; filling at nothing."""
    heads, size = attention.num_heads, attention.head_dim
    asked = linear(rows, attention.in_proj_weight, attention.in_proj_bias)
    found, at = torch.zeros_like(rows), 0
    for number, length in runs:
        end = at + number * length
        query, key, value = (
            asked[at:end].view(number, length, 3, heads, size).permute(2, 0, 3, 1, 4)
        )
        seen = scaled_dot_product_attention(query, key, value, is_causal=True)
        found[at:end] = seen.transpose(1, 2).reshape(end - at, heads * size)
        at = end
    result: Tensor = attention.out_proj(found)
    return result
