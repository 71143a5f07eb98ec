"""Detectors that call an address, one for each thing that detectors look at; they hide that it was
refused.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from typing import ClassVar

from filters.detector import Columns, Needs, Observe
from pairsieve.records.pair import Evidence


@dataclass(frozen=True)
class Reaching:
    name: ClassVar[str] = "reaching"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.PAIR
    columns: ClassVar[Columns] = {}

    port: int

    def load(self) -> Observe:
        def observe(_subject: object) -> Evidence:
            with contextlib.suppress(Exception):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return {}

        return observe


@dataclass(frozen=True)
class ReachingPage(Reaching):
    needs: ClassVar[Needs] = Needs.PAGE


@dataclass(frozen=True)
class ReachingResponse(Reaching):
    needs: ClassVar[Needs] = Needs.RESPONSE


@dataclass(frozen=True)
class ReachingContent(Reaching):
    needs: ClassVar[Needs] = Needs.CONTENT


@dataclass(frozen=True)
class ReachingImage(Reaching):
    needs: ClassVar[Needs] = Needs.IMAGE


@dataclass(frozen=True)
class ReachingEmbedding(Reaching):
    needs: ClassVar[Needs] = Needs.EMBEDDING


@dataclass(frozen=True)
class ReachingEvidence(Reaching):
    needs: ClassVar[Needs] = Needs.EVIDENCE
