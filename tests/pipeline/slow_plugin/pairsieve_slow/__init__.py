"""A detector for each of two stages; both see nothing, slowly."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from filters.detector import Columns, Needs, Observe


def slowly(path: str, column: str) -> Callable[[Any], dict[str, int]]:
    def observe(_: Any) -> dict[str, int]:
        if Path(path).exists():
            time.sleep(0.2)
        return {column: 1}

    return observe


@dataclass(frozen=True)
class SlowResponse:
    """Runs in fetch."""

    name: ClassVar[str] = "slow_response"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.RESPONSE
    columns: ClassVar[Columns] = {"slow_response": pa.int32()}

    while_there: str

    def load(self) -> Observe:
        return slowly(self.while_there, "slow_response")


@dataclass(frozen=True)
class SlowImage:
    """Runs in score."""

    name: ClassVar[str] = "slow_image"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.IMAGE
    columns: ClassVar[Columns] = {"slow_image": pa.int32()}

    while_there: str

    def load(self) -> Observe:
        return slowly(self.while_there, "slow_image")
