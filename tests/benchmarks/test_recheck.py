from __future__ import annotations

import re

from benchmarks.recheck import main


def test_every_planted_link_is_found_and_no_other(capsys):
    """The small form of the benchmark; how fast hosts are asked is measured by its large one."""
    main(["--links", "320"])
    printed = capsys.readouterr().out
    for goal in (
        "missed_at_once",
        "false_at_once",
        "missed_a_day_later",
        "false_a_day_later",
        "other_shards_changed",
    ):
        assert f"goal {goal} 0 <= 0" in printed
    # A second connection is only opened where an answer takes longer than a host's interval.
    most = re.findall(r"goal most_connections_a_host_(?:first|second) (\d+) <= 2", printed)
    assert len(most) == 2
    assert all(1 <= int(number) <= 2 for number in most)
