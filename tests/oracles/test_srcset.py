"""web-platform-tests' srcset values, with the candidates that the HTML standard's parser gives."""

from __future__ import annotations

import pytest

from pairsieve.web.srcset import candidates
from tests.support.oracles import oracle


@pytest.mark.parametrize("case", oracle("srcset_cases.json"), ids=lambda case: repr(case["srcset"]))
def test_candidates(case):
    expected = [(c["url"], c["width_or_density"]) for c in case["candidates"]]
    assert [(c.url, c.size) for c in candidates(case["srcset"])] == expected
