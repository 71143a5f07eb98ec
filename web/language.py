"""The language of a caption, and LAION-5B's three subsets."""

from __future__ import annotations

from dataclasses import dataclass

import gcld3

SUBSETS = ("en", "multi", "nolang")


@dataclass(frozen=True)
class LanguageSettings:
    """CLD3's limits in bytes of UTF-8 (LAION-5B: at least 5, at most 2,000)."""

    min_bytes: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Language:
    """A language code as CLD3 names it, and the subset: reliable English, reliably another, or not reliable."""

    code: str
    subset: str


class Subsets:
    """CLD3, loaded once."""

    def __init__(self, settings: LanguageSettings) -> None:
        self._detector = gcld3.NNetLanguageIdentifier(min_num_bytes=settings.min_bytes, max_num_bytes=settings.max_bytes)

    def of(self, caption: str) -> Language:
        """The caption's language; the code is empty where CLD3 is not sure."""
        found = self._detector.FindLanguage(caption)
        if not found.is_reliable:
            return Language("", "nolang")
        return Language(found.language, "en" if found.language == "en" else "multi")
