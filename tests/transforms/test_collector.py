from __future__ import annotations

import gc
import weakref

import pytest

from pairsieve.collector import SELDOM, collector_paused, collector_seldom


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


def test_a_block_that_collects_seldom():
    before = gc.get_threshold()
    assert before[0] < SELDOM
    with collector_seldom():
        assert gc.get_threshold() == (SELDOM, *before[1:])
        assert gc.get_freeze_count()
        with collector_seldom():
            pass
        assert gc.get_threshold()[0] == SELDOM, "an inner block must not end the outer one"
        assert gc.isenabled()
    assert gc.get_threshold() == before
    assert not gc.get_freeze_count()


def test_garbage_of_late_is_not_kept_through_a_block():
    class Node:
        """Refers to itself."""

    node = Node()
    node.itself = node
    gone = weakref.ref(node)
    del node
    with collector_seldom():
        assert gone() is None
