"""What registries of refusals name is not asked for, and not published."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from filters.detector import MissingModel
from filters.rule import Action, Decision, Readable
from pairsieve.erasure.list_file import UnreadableList
from pairsieve.erasure.opt_outs import OptOutKind, OptOuts, read_opt_outs

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class OptOutRegistries:
    """Drop what is on a registry of refusals: by its URL, the page it stands on, the address it was
    served from, or its bytes.

    `files`: path -> auto, domains, urls, accounts or hashes (pairsieve/erasure/opt_outs.py). A line
    that cannot be read stops the run, since it may be somebody's refusal, unless `skip_unreadable`:
    then it is named in the log.
    """

    name: ClassVar[str] = "opt_outs"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ()
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP,)
    saves_request: ClassVar[bool] = True

    files: Mapping[str, OptOutKind]
    skip_unreadable: bool = False

    @cached_property
    def _read(self) -> tuple[OptOuts, list[str]]:
        return read_opt_outs(self.files, self.skip_unreadable)

    def prepare(self) -> str:
        """Read the registries; what they name, as hex digits. Raises MissingModel."""
        try:
            known, skipped = self._read
        except UnreadableList as error:
            raise MissingModel(str(error)) from None
        for line in skipped:
            LOGGER.warning("opt_outs: %s; it is passed over", line)
        found = hashlib.sha256()
        for kind, values in sorted(known.known.items()):
            for value in sorted(values):
                found.update(f"{kind} {value}\n".encode())
        return found.hexdigest()

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        """At most one decision for each way to be named."""
        known, _ = self._read
        urls = (evidence["url"], evidence["page_url"], evidence.get("final_url"))
        reasons = {kind for url in urls if url and (kind := known.match_url(url))}
        if known.match_picture(evidence.get("md5"), evidence.get("sha256")):
            yield Decision(Action.DROP, "opt_out_picture")
        for reason in sorted(reasons):
            yield Decision(Action.DROP, f"opt_out_{reason}")
