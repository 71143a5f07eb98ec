"""What tests of transforms share: nearly all of them run a Beam job."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def _quick_jobs(quick_beam):
    """Their jobs are small: without this, Beam takes longer to prepare them than to run them."""
