from __future__ import annotations

import gc

import pytest

from pairsieve.collector import collector_paused


def test_cycles_are_collected_again_after_the_block():
    assert gc.isenabled()
    with collector_paused():
        assert not gc.isenabled()
        with collector_paused():
            assert not gc.isenabled()
        assert not gc.isenabled(), "an inner block must not end the outer one"
    assert gc.isenabled()


def test_also_when_the_block_raises():
    def fail() -> None:
        with collector_paused():
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail()
    assert gc.isenabled()
