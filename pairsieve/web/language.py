"""The language of a caption, and LAION-5B's three subsets.

What finds languages is a plugin: `cld3` is built in, others are named by entry point
(`pairsieve.languages`) or by dotted path. A plugin is a class that takes LanguageSettings and is
called with a caption:

    class AlwaysEnglish:
        def __init__(self, settings: LanguageSettings) -> None: ...

        def __call__(self, caption: str) -> str | None:
            return "en"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points

import gcld3

from pairsieve.records.privacy import Public

SUBSETS = ("en", "multi", "nolang")
LANGUAGE_GROUP = "pairsieve.languages"
FindLanguage = Callable[[str], str | None]
"""Caption -> the code of its language, None where it is not sure."""


@dataclass(frozen=True)
class LanguageSettings:
    """CLD3's limits in bytes of UTF-8 (LAION-5B: at least 5, at most 2,000), and which plugin finds
    the language.
    """

    min_bytes: Public[int]
    max_bytes: Public[int]
    detector: Public[str] = "cld3"


class LanguageConfigError(ValueError):
    """A language detector that is not there; the message names the remedy."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language code as the detector names it, and the subset: reliably English, reliably another,
    or not reliable.
    """

    code: str
    subset: str


class Cld3:
    """CLD3, which LAION-5B used."""

    def __init__(self, settings: LanguageSettings) -> None:
        self._detector = gcld3.NNetLanguageIdentifier(
            min_num_bytes=settings.min_bytes, max_num_bytes=settings.max_bytes
        )

    def __call__(self, caption: str) -> str | None:
        found = self._detector.FindLanguage(caption)
        return str(found.language) if found.is_reliable else None


BUILT_IN_LANGUAGES: Mapping[str, type[Cld3]] = {"cld3": Cld3}


def find_detector(name: str) -> Callable[[LanguageSettings], FindLanguage]:
    """The class of a language detector. Raises LanguageConfigError."""
    if name in BUILT_IN_LANGUAGES:
        return BUILT_IN_LANGUAGES[name]
    plugins = {point.name: point for point in entry_points(group=LANGUAGE_GROUP)}
    module, colon, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute) if colon else plugins[name].load()
    except KeyError:
        known = ", ".join((*BUILT_IN_LANGUAGES, *sorted(plugins)))
        raise LanguageConfigError(
            f"extract.language.detector: unknown {name!r}; known: {known}"
        ) from None
    except (ImportError, AttributeError, ValueError) as error:
        raise LanguageConfigError(
            f"extract.language.detector: {name!r} cannot be imported ({error}); install its "
            "package or mend the path"
        ) from None
    detector: Callable[[LanguageSettings], FindLanguage] = found
    return detector


def language_of(caption: str, find: FindLanguage) -> Language:
    """The caption's language; the code is empty where the detector is not sure."""
    code = find(caption)
    if not code:
        return Language("", "nolang")
    return Language(code, "en" if code == "en" else "multi")
