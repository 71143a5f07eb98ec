from __future__ import annotations

import re

import pytest

from benchmarks.page import main

pytest.importorskip("faiss", reason="the extra `search` is not installed")


@pytest.mark.alone
@pytest.mark.timeout(280)
def test_honest_visitors_are_answered_under_attack(capsys):
    assert main(["--quick", "--seconds", "3"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"goal honest_p99_s [0-9.]+ <= 1", printed)
    assert re.search(r"goal peak_mb [0-9]+ <= 1000", printed)
    assert int(re.search(r"(\d+) of status 200", printed)[1]) > 0
    assert "with status 0" in printed
