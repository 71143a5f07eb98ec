from __future__ import annotations

from collections import defaultdict

from benchmarks.scale import Measured, predicted, rates_of
from pipeline.orchestrate.rates import read_rates


def test_rates_of_a_run_are_all_that_an_estimate_needs():
    before = read_rates()
    sizes = defaultdict(lambda: 2.0)
    seconds = dict.fromkeys(("extract", "fetch", "score", "publish"), 1.0)
    rates = rates_of(Measured(sizes, seconds, input_bytes=1e6), before)
    assert rates.core_s.keys() == before.core_s.keys()
    assert rates.bytes.keys() == before.bytes.keys()
    assert predicted(sizes, rates, 3)["pairs"] == 2.0
