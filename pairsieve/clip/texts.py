"""The text tower of a CLIP model, run in batches of about the same number of tokens.

Texts are packed at their own length where the model allows it (pairsieve/clip/packed.py). For
other models every text has the full length of the tower.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from pairsieve.clip.filled import filled
from pairsieve.clip.packed import encode, is_packable, pack


@dataclass(frozen=True)
class TextTower:
    """open_clip's model and tokenizer, on a device."""

    model: Any
    tokenize: Callable[[Sequence[str]], Tensor]
    device: str

    @cached_property
    def _is_packable(self) -> bool:
        return is_packable(self.model)

    def batches(
        self, texts: Sequence[str], max_tokens: int
    ) -> Iterator[tuple[list[int], list[Tensor]]]:
        """Yield (indices of texts, their tokens), the shortest texts first.

        A batch holds as many texts as have `max_tokens` tokens together, and at least one.
        """
        token_rows = self._tokenized(texts) if texts else []
        shortest_first = sorted(range(len(texts)), key=lambda index: len(token_rows[index]))
        indices: list[int] = []
        tokens = 0
        for index in shortest_first:
            length = len(token_rows[index])
            if indices and tokens + length > max_tokens:
                yield indices, [token_rows[i] for i in indices]
                indices = []
                tokens = 0
            indices.append(index)
            tokens += length
        if indices:
            yield indices, [token_rows[i] for i in indices]

    def _tokenized(self, texts: Sequence[str]) -> list[Tensor]:
        """The tokens of each text: up to its end if the model is packable, else all."""
        tokens = self.tokenize(texts)
        if not self._is_packable:
            return list(tokens)
        # The end token is the largest one ("argmax"), or the one that the model names ("eos").
        if self.model.text_pool_type == "argmax":
            scores = tokens
        else:
            scores = (tokens == self.model.text_eos_id).int()
        ends = scores.argmax(dim=-1).tolist()
        return [row[: end + 1] for row, end in zip(tokens, ends, strict=True)]

    def encode(self, token_rows: Sequence[Tensor], size: int) -> Tensor:
        """Vectors (n, d) of a batch, not normalised. The batch is padded to `size` tokens."""
        if self._is_packable:
            return encode(self.model, pack(token_rows, size), self.device)
        full_length = len(token_rows[0])
        batch = filled(torch.stack(list(token_rows)), size // full_length)
        vectors: Tensor = self.model.encode_text(batch.to(self.device))
        return vectors[: len(token_rows)]
