"""Make given_names.txt: given names by which captions name children.

    python -m filters.children.make_names

The names are those of the package `faker` (MIT licence) for the countries of LOCALES, and the ones
of names_by_hand.yaml. It needs the extra `vocabularies`. Names that are also places, months or
everyday words are marked: "Paris, 12" names nobody. Polish names are there in their genitive, too:
"Urodziny Leny".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import yaml

from filters.children.names import UNSURE

OUT = Path(__file__).with_name("given_names.txt")
BY_HAND = Path(__file__).with_name("names_by_hand.yaml")
LOCALES = (
    "en_US", "en_GB", "de_DE", "de_AT", "es_ES", "es_MX", "fr_FR", "it_IT", "nl_NL", "pl_PL",
    "pt_PT", "pt_BR",
)  # fmt: skip
MIN_CHARS = 3
LISTS = ("first_names", "first_names_male", "first_names_female")


def names_of_faker() -> Iterator[str]:
    """Every given name of the locales; double names are split."""
    for locale in LOCALES:
        provider = import_module(f"faker.providers.person.{locale}").Provider
        for attribute in LISTS:
            for name in getattr(provider, attribute, ()):
                parts = name.replace("-", " ").replace(".", " ").split()
                yield from parts
                if locale == "pl_PL":
                    yield from map(genitive, parts)


def genitive(name: str) -> str:
    """The genitive of a Polish given name, by the rules for nouns in -a and in a consonant."""
    if name.endswith(("ia", "ka", "ga", "ja", "la")):
        return f"{name[:-1]}i"
    if name.endswith("a"):
        return f"{name[:-1]}y"
    if name.endswith("ek"):
        return f"{name[:-2]}ka"
    return f"{name}a"


def names_by_hand() -> dict[str, list[str]]:
    """The lists of names_by_hand.yaml."""
    lists: dict[str, str] = yaml.safe_load(BY_HAND.read_text("utf-8"))
    return {name: re.split(r",\s*", entries.strip()) for name, entries in lists.items()}


def chosen(names: Iterable[str]) -> list[str]:
    """The lines of the list, sorted."""
    long_enough = {name for name in names if len(name) >= MIN_CHARS and name.isalpha()}
    unsure = names_by_hand()["unsure"]
    # "del" of "Maria del Carmen" is no name
    kept = sorted(name for name in long_enough if name[0].isupper())
    return [f"{name}{UNSURE}" if name in unsure else name for name in kept]


def main() -> None:
    """Write the list."""
    head = (
        "# Made by filters/children/make_names.py; not to be edited.\n"
        f"# faker {version('faker')}: given names of {len(LOCALES)} locales, MIT licence, "
        "Copyright (c) 2012 Daniele Faraglia\n"
    )
    by_hand = names_by_hand()
    polish = [*by_hand["polish"], *map(genitive, by_hand["polish"])]
    names = chosen([*names_of_faker(), *by_hand["today"], *polish])
    OUT.write_text(head + "\n".join(names) + "\n", "utf-8")


if __name__ == "__main__":
    main()
