"""Render the page's templates."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader
from starlette.datastructures import QueryParams

from pairsieve.explore.texts import Texts
from pairsieve.web.shown import plain

# A request about a picture names its address and its hashes, so it finds the picture everywhere.
PICTURE_KINDS = ("image_url", "sha256", "pdq")


def make_templates() -> Environment:
    """Return the page's templates. They show whatever they are given as text."""
    templates = Environment(
        loader=PackageLoader("pairsieve.explore"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["translated"] = _translated
    templates.filters["plain"] = plain
    templates.filters["picture_json"] = _picture_json
    return templates


def _translated(name: str, texts: Texts) -> str:
    return texts(name)


def _picture_json(requests: Mapping[str, Any]) -> str:
    """Return the requests about a picture as JSON, for a field of a form."""
    return json.dumps({kind: requests[kind] for kind in PICTURE_KINDS if kind in requests})


def linker(parameters: QueryParams) -> Callable[..., str]:
    """Return a function that links to the same search with some parameters changed.

    An empty value removes a parameter.
    """

    def link(**changes: str) -> str:
        kept = [item for item in parameters.multi_items() if item[0] not in changes]
        changed = [item for item in changes.items() if item[1]]
        return "/?" + urlencode([*kept, *changed])

    return link
