"""What groups have counted, summed: the same in any order, and never without one of them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.records.aggregates import Aggregates, Largest, read_aggregates
from pairsieve.storage import files, job_end
from pairsieve.storage.job_end import (
    AGGREGATES_FILE,
    SHARDS_FILE,
    TALLY_FILE,
    GroupResult,
    GroupsMissing,
    forget_end,
    has_ended,
    read_list,
    read_tally,
    take_over,
    write_group_result,
    write_result,
)
from pairsieve.storage.job_end import GROUPS as GROUPS_FOLDER

RESULT = (AGGREGATES_FILE, SHARDS_FILE, TALLY_FILE)
IN, KEPT = ("sample", "in", ""), ("sample", "kept", "")


def shard(number: int) -> GroupResult:
    aggregates = Aggregates(
        rows=10 + number,
        columns=("URL", "LANGUAGE"),
        counted={"LANGUAGE": Counter({"en": number + 1})},
        measured={"WIDTH": Counter({7: 1, number: 2})},
        spans={"crawl_time": (f"2024-0{number + 1}", f"2025-0{number + 1}")},
    )
    info = (f"dataset/en/part-{number}.parquet", number, 10, "ab")
    return GroupResult(("dataset/en", number), listed=[info], aggregates=aggregates)


GROUPS = [
    shard(1),
    shard(0),
    GroupResult(("ledger", 0), listed=[("ledger/part-0.parquet", 3, 10, "cd")]),
    GroupResult(("domains", 5), aggregates=Aggregates(domains=Largest(1, 4, (("é.example", 4),)))),
    GroupResult(("domains", 6), aggregates=Aggregates(domains=Largest(1, 9, (("b.example", 9),)))),
    GroupResult(("counts", 0), {IN: 21, KEPT: 20}),
]
KEYS = [group.key for group in GROUPS]


def written(folder: Path, groups: list[GroupResult]) -> str:
    for group in groups:
        write_group_result(group, str(folder))
    return str(folder)


def test_the_sum_is_the_same_in_any_order(tmp_path):
    # A bracket in a path is no pattern.
    one = written(tmp_path / "o[n]e", GROUPS)
    assert take_over(one, lambda: KEYS, SHARDS_FILE)
    # A runner may write one again.
    two = written(tmp_path / "two", [*GROUPS[::-1], GROUPS[0]])
    assert take_over(two, lambda: KEYS[::-1], SHARDS_FILE)
    for name in RESULT:
        assert Path(one, name).read_bytes() == Path(two, name).read_bytes(), name

    aggregates = read_aggregates(Path(one, AGGREGATES_FILE).read_text())
    assert aggregates.rows == 21
    assert aggregates.counted == {"LANGUAGE": {"en": 3}}
    assert aggregates.measured == {"WIDTH": {7: 2, 0: 2, 1: 2}}
    assert aggregates.domains == Largest(2, 13, (("b.example", 9), ("é.example", 4)))
    assert aggregates.spans == {"crawl_time": ("2024-01", "2025-02")}
    assert [path for path, *_ in read_list(one, SHARDS_FILE)] == [
        "dataset/en/part-0.parquet",
        "dataset/en/part-1.parquet",
        "ledger/part-0.parquet",
    ]
    assert read_tally(one) == {IN: 21, KEPT: 20}
    # What was summed is not kept twice.
    assert not Path(one, GROUPS_FOLDER).exists()


@pytest.mark.parametrize("missing", range(len(GROUPS)))
@pytest.mark.parametrize("cut_off", [False, True], ids=["missing", "cut off"])
def test_a_job_has_not_ended_without_one_of_its_groups(missing, cut_off, tmp_path):
    folder = written(tmp_path, GROUPS)
    path = sorted(Path(folder, GROUPS_FOLDER).iterdir())[missing]
    whole = path.read_bytes()
    path.unlink()
    if cut_off:
        path.write_bytes(whole[:-1])
    assert not take_over(folder, lambda: KEYS, SHARDS_FILE)
    assert not has_ended(folder)
    with pytest.raises(GroupsMissing, match=f"1 of its 6 files .* or cut off, as {path.name}"):
        write_result(folder, KEYS, SHARDS_FILE)
    path.write_bytes(whole)
    write_result(folder, KEYS, SHARDS_FILE)
    assert has_ended(folder)


class Killed(BaseException):
    """Raised in the place of a kill."""


@pytest.mark.parametrize("survived", range(len(RESULT) + 1))
def test_a_kill_while_the_sum_is_written(survived, tmp_path, monkeypatch):
    """Whenever it comes, the next run sums again or finds the whole result.

    The last kill comes when the result is there, and the counts are not removed yet.
    """
    folder = written(tmp_path, GROUPS)
    changes = iter(range(survived))

    def killed_before(change):
        def change_or_die(*arguments, **options):
            if next(changes, None) is None:
                raise Killed
            change(*arguments, **options)

        return change_or_die

    with monkeypatch.context() as patch:
        for name in ("write_text", "remove_tree"):
            patch.setattr(job_end.files, name, killed_before(getattr(files, name)))
        with pytest.raises(Killed):
            write_result(folder, KEYS, SHARDS_FILE)
    assert has_ended(folder) == (survived == len(RESULT))
    assert take_over(folder, lambda: KEYS, SHARDS_FILE)
    assert all(Path(folder, name).exists() for name in RESULT)


def test_a_job_that_is_done_again_replaces_the_result(tmp_path):
    folder = written(tmp_path, GROUPS)
    write_result(folder, KEYS, SHARDS_FILE)
    written(tmp_path, [*GROUPS[:-1], GroupResult(("counts", 0), {IN: 5})])
    write_result(folder, KEYS, SHARDS_FILE)
    assert read_tally(folder) == {IN: 5}


def test_what_was_forgotten_is_not_summed_again(tmp_path):
    """Also where a kill has left the counts beside the result."""
    folder = written(tmp_path, GROUPS)
    write_result(folder, KEYS, SHARDS_FILE)
    written(tmp_path, GROUPS)
    forget_end(folder)
    assert not has_ended(folder)
    assert not take_over(folder, lambda: KEYS, SHARDS_FILE)


def test_a_job_that_wrote_no_rows_has_no_aggregates(tmp_path):
    """Those of extract: its groups only count."""
    folder = written(tmp_path, [GroupResult(("counts", 0)), GroupResult(("pairs", 0), {IN: 1})])
    write_result(folder, [("counts", 0), ("pairs", 0)], "problems.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["problems.json", TALLY_FILE]
    assert json.loads((tmp_path / "problems.json").read_text()) == []


counted = st.dictionaries(
    st.tuples(st.sampled_from(["page", "image"]), st.just("kept"), st.sampled_from(["", "é"])),
    st.integers(1, 9),
)


@given(groups=st.lists(counted, max_size=5))
def test_the_tally_is_the_sum_of_all_groups(groups, tmp_path_factory):
    folder = tmp_path_factory.mktemp("job")
    ends = [GroupResult(("pairs", number), outcomes) for number, outcomes in enumerate(groups)]
    write_result(written(folder, ends), [end.key for end in ends], "problems.json")
    assert read_tally(str(folder)) == sum(map(Counter, groups), Counter())
