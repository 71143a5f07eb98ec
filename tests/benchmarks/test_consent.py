from __future__ import annotations

import pytest

from benchmarks.consent import main

pytest.importorskip("c2pa", reason="the extra `c2pa` is not installed")


def test_every_no_is_heard_and_no_yes_is_taken_for_one(capsys):
    assert main(["--quick"]) == 0
    printed = capsys.readouterr().out
    assert "goal signals_missed 0 <= 0" in printed
    assert "goal over_strict 0 <= 0" in printed
