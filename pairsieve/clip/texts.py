"""The text tower: texts at the length that they have where it allows that, else all at its full
length.
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
    def _packs(self) -> bool:
        return is_packable(self.model)

    def batches(self, texts: Sequence[str], size: int) -> Iterator[tuple[list[int], list[Tensor]]]:
        """(numbers of texts, their tokens), the shortest first; as many at a time as have `size`
        tokens together, at least one.
        """
        rows = self._rows(texts) if texts else []
        numbers, tokens = list[int](), 0
        for number in sorted(range(len(rows)), key=lambda number: len(rows[number])):
            if numbers and tokens + len(rows[number]) > size:
                yield numbers, [rows[one] for one in numbers]
                numbers, tokens = [], 0
            numbers.append(number)
            tokens += len(rows[number])
        if numbers:
            yield numbers, [rows[one] for one in numbers]

    def _rows(self, texts: Sequence[str]) -> list[Tensor]:
        """The tokens of each text, up to its end where nothing behind it counts."""
        tokens = self.tokenize(texts)
        if not self._packs:
            return list(tokens)
        ends = (
            tokens
            if self.model.text_pool_type == "argmax"
            else (tokens == self.model.text_eos_id).int()
        )
        return [
            row[: end + 1] for row, end in zip(tokens, ends.argmax(dim=-1).tolist(), strict=True)
        ]

    def encode(self, rows: Sequence[Tensor], size: int) -> Tensor:
        """Vectors (n, d), not normalised, of a batch; what is computed is filled up to `size`
        tokens.
        """
        if self._packs:
            return encode(self.model, pack(rows, size), self.device)
        whole: Tensor = self.model.encode_text(
            filled(torch.stack(list(rows)), size // len(rows[0])).to(self.device)
        )
        return whole[: len(rows)]
