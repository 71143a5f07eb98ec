"""The text tower at the length that a text has: a causal tower does not look behind a text's end."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from open_clip.model import CLIP
from torch import Tensor, nn

STEP = 8  # tokens: texts are cut at a multiple of this, so that one shape serves many


@dataclass(frozen=True)
class TextTower:
    """Tokens by length, and open_clip's own encoder for each length."""

    model: Any
    tokenize: Callable[[Sequence[str]], Tensor]
    _cut: dict[int, Any] = field(default_factory=dict)

    def by_length(self, texts: Sequence[str]) -> Iterator[tuple[int, list[int], Tensor]]:
        """(tokens, numbers of the texts that are cut there, their tokens (n, length)), shortest first."""
        if not texts:
            return
        tokens = self.tokenize(texts)
        lengths = self._lengths(tokens)
        for length in sorted(set(lengths)):
            numbers = [number for number, own in enumerate(lengths) if own == length]
            yield length, numbers, tokens[numbers, :length]

    def _lengths(self, tokens: Tensor) -> list[int]:
        most = tokens.shape[1]
        if not is_causal(self.model):
            return [most] * len(tokens)
        ends = tokens if self.model.text_pool_type == "argmax" else (tokens == self.model.text_eos_id).int()
        return [min(most, -(-(end + 1) // STEP) * STEP) for end in ends.argmax(dim=-1).tolist()]

    def encoder(self, length: int) -> Callable[[Tensor], Tensor]:
        """Tokens (n, length) -> vectors (n, d), not normalised."""
        if not is_causal(self.model) or length == len(self.model.positional_embedding):
            whole: Callable[[Tensor], Tensor] = self.model.encode_text
            return whole
        if length not in self._cut:
            self._cut[length] = cut(self.model, length)
        short: Callable[[Tensor], Tensor] = self._cut[length].encode_text
        return short


def is_causal(model: Any) -> bool:
    """Whether no token of a text looks at a later one, and the vector is read at the text's end."""
    if not isinstance(model, CLIP) or model.attn_mask is None or model.text_pool_type not in ("argmax", "eos"):
        return False
    later = torch.ones_like(model.attn_mask, dtype=torch.bool).triu(1)
    return bool(torch.isneginf(model.attn_mask[later]).all())


def cut(model: CLIP, length: int) -> CLIP:
    """The same model for texts of `length` tokens; the weights are shared."""
    short = copy.copy(model)
    place = nn.Parameter(model.positional_embedding.detach()[:length], requires_grad=False)
    short._parameters = {**model._parameters, "positional_embedding": place}
    short._buffers = {**model._buffers, "attn_mask": model.attn_mask[:length, :length]}
    return short
