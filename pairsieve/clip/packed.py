"""Encode several texts as one row of tokens, so that no padding is computed.

Every layer works on all tokens of the row at once. Attention works on each text alone. A causal
text tower does not look behind the end of a text, so the tokens that open_clip appends there are
not needed. The row is padded to a length that is always the same, so that the vector of a text
does not depend on the other texts of its row.
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

# The token that pads a row. Any token would do, because nothing reads its vector.
FILLING = 0


def is_packable(model: Any) -> bool:
    """Whether `encode` gives the same vectors as the model's own `encode_text`.

    Three things must hold: no token looks at a later one, the vector is read at the end of the
    text, and the layers are open_clip's plain ones.
    """
    if not isinstance(model, CLIP) or model.attn_mask is None:
        return False
    if model.text_pool_type not in ("argmax", "eos"):
        return False
    blocks = model.transformer.resblocks
    if not all(type(block) is ResidualAttentionBlock for block in blocks):
        return False
    later_tokens = torch.ones_like(model.attn_mask, dtype=torch.bool).triu(1)
    return bool(torch.isneginf(model.attn_mask[later_tokens]).all())


@dataclass(frozen=True)
class Pack:
    """A row of texts.

    `tokens` (t,) are those of all texts. `places` (t,) is the position of each token in its own
    text. `ends` (n,) is the index of the last token of each text. `runs` are neighbouring texts of
    the same length, as (number of texts, length).
    """

    tokens: Tensor
    places: Tensor
    ends: Tensor
    runs: Sequence[tuple[int, int]]


def pack(texts: Sequence[Tensor], size: int) -> Pack:
    """Join the tokens of texts and pad them to `size` tokens.

    Texts of the same length should stand side by side: each run of them is one call of attention.
    """
    lengths = [len(text) for text in texts]
    missing = max(0, size - sum(lengths))
    filling = torch.full((missing,), FILLING)
    places = [torch.arange(length) for length in lengths]
    places.append(torch.zeros(missing, dtype=torch.long))
    return Pack(
        tokens=torch.cat([*texts, filling]),
        places=torch.cat(places),
        ends=torch.tensor(lengths).cumsum(0) - 1,
        runs=[(len(list(run)), length) for length, run in groupby(lengths)],
    )


def encode(model: CLIP, packed: Pack, device: str) -> Tensor:
    """The vectors (n, d) of the texts, not normalised, as open_clip's `encode_text` gives them."""
    dtype = model.transformer.get_cast_dtype()
    embedded = model.token_embedding(packed.tokens.to(device)).to(dtype)
    positions = model.positional_embedding[packed.places.to(device)].to(dtype)
    rows = embedded + positions
    for block in model.transformer.resblocks:
        rows = rows + block.ls_1(_attention(block.attn, block.ln_1(rows), packed.runs))
        rows = rows + block.ls_2(block.mlp(block.ln_2(rows)))
    # Project every token, not only the ends: the number of texts varies from row to row, and the
    # last digits of a matrix product may depend on its shape.
    return _project(model, rows)[packed.ends.to(device)]


def _project(model: CLIP, rows: Tensor) -> Tensor:
    rows = model.ln_final(rows)
    projection = model.text_projection
    if projection is None:
        return rows
    projected: Tensor = projection(rows) if isinstance(projection, nn.Linear) else rows @ projection
    return projected


def _attention(
    attention: nn.MultiheadAttention, rows: Tensor, runs: Sequence[tuple[int, int]]
) -> Tensor:
    """Causal self-attention of each text alone. The padding attends to nothing and stays zero."""
    heads, head_size = attention.num_heads, attention.head_dim
    projected = linear(rows, attention.in_proj_weight, attention.in_proj_bias)
    attended = torch.zeros_like(rows)
    start = 0
    for number, length in runs:
        end = start + number * length
        # (tokens, 3 * heads * size) -> query, key and value, each (texts, heads, length, size)
        by_text = projected[start:end].view(number, length, 3, heads, head_size)
        query, key, value = by_text.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(query, key, value, is_causal=True)
        attended[start:end] = mixed.transpose(1, 2).reshape(end - start, heads * head_size)
        start = end
    result: Tensor = attention.out_proj(attended)
    return result
