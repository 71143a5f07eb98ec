from __future__ import annotations

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
    assert "goal most_connections_a_host_first 2 <= 2" in printed
