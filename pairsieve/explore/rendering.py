"""Render the page's templates."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader
from starlette.datastructures import QueryParams

from pairsieve.explore.texts import Texts
from pairsieve.web.shown import plain


def make_templates() -> Environment:
    """Return the page's templates. They show whatever they are given as text."""
    templates = Environment(
        loader=PackageLoader("pairsieve.explore"),
        autoescape=True,
        auto_reload=False,  # templates do not change while the page runs
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["translated"] = _translated
    templates.filters["plain"] = plain
    templates.filters["address_text"] = _address_text
    return templates


def _translated(name: str, texts: Texts) -> str:
    return texts(name)


def _address_text(field: str) -> str:
    """Return the address in a form's field, {kind: address} as JSON, as text."""
    try:
        address = json.loads(field)
    except (ValueError, RecursionError):
        address = field  # `send` refuses it
    values = address.values() if isinstance(address, dict) else [address]
    return plain(" ".join(map(str, values)))


def linker(parameters: QueryParams) -> Callable[..., str]:
    """Return a function that links to the same search with some parameters changed.

    An empty value removes a parameter.
    """

    def link(**changes: str) -> str:
        kept = [(name, value) for name, value in parameters.multi_items() if name not in changes]
        changed = [(name, value) for name, value in changes.items() if value]
        return "/?" + urlencode([*kept, *changed])

    return link
