"""What is not among the public cases (tests/oracles/test_srcset.py), and some that are."""

from __future__ import annotations

import pytest

from pairsieve.web.srcset import candidates


@pytest.mark.parametrize(
    ("srcset", "expected"),
    [
        ("a.jpg", [("a.jpg", 1)]),
        (" a.jpg 2x , b.jpg 100w,", [("a.jpg", 2), ("b.jpg", 100)]),
        ("a.jpg, b.jpg 1.5x", [("a.jpg", 1), ("b.jpg", 1.5)]),
        (
            "data:image/png;base64,AA== 1x, b.jpg 2x",
            [("data:image/png;base64,AA==", 1), ("b.jpg", 2)],
        ),
        ("a.jpg nonsense, b.jpg 5h 1x", []),
        (",,,", []),
        ("a.jpg 5h 10w, b.jpg (1x, 2x) 3x, c.jpg 2x", [("a.jpg", 10), ("c.jpg", 2)]),
        ("a.jpg (1x, b.jpg 2x", []),
        ("a.jpg 0w, b.jpg 1w 1w, c.jpg 1x 1x, d.jpg 1w 1x, e.jpg -1x, f.jpg 1.0w", []),
        ("a.jpg 1e2x, b.jpg .5x, c.jpg 1e999x, d.jpg 1\u00a0x", [("a.jpg", 100), ("b.jpg", 0.5)]),
        ("a.jpg " + "9" * 5000 + "w", []),
    ],
)
def test_srcset(srcset, expected):
    assert [(c.url, c.size) for c in candidates(srcset)] == expected
