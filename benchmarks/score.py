"""Measures scoring beside the bare forward passes of its model and a plain float32 open_clip loop.

    python -m benchmarks.score [--quick] [--input PATTERN] [--model NAME] [--checkpoint FILE]
                               [--device cuda]

Forward passes are counted once for each distinct picture and each distinct caption. Pairs and
pictures come from the archives that PATTERN names (the demonstration crawl by default) and lie in
memory for all sides. Without a checkpoint the model has random weights, which cost the same. The
loop is open_clip as clip-retrieval runs it: every pair goes through both towers in float32, and
other threads prepare pictures ahead. Ours and the loop are measured from decoded pictures, and from
bytes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
import torch
from PIL.Image import Image as PillowImage
from PIL.Image import fromarray

from benchmarks.machine import cpu
from benchmarks.score_sides import (
    DECODE,
    DecodedPictures,
    Loop,
    bare_seconds,
    make_scorer,
    plain_loop,
    random_checkpoint,
    score_all,
    without_caches,
)
from benchmarks.score_work import Work, read_work
from pairsieve.clip.encoder import Encoder, load_encoder
from pairsieve.clip.model import identify
from pairsieve.clip.settings import EncoderSettings, ModelSettings
from pairsieve.images.decode import Decoded, Undecodable, decode
from pairsieve.images.prepare import Prepared, prepare
from pairsieve.images.processes import Processes
from pairsieve.records.pair import Pair
from pairsieve.records.sample import Image, Score
from pipeline.orchestrate.config_file import CONFIGS

MAX_MOVED = 0.002  # by which a similarity may differ from float32
PASSING_SHARE = 0.1  # of the pairs pass the threshold at which decisions are compared


@dataclass
class Times:
    """What each round measured. Seconds of ours are of all pairs, rates are pairs a second."""

    bare_s: list[float] = field(default_factory=list)
    from_decoded_s: list[float] = field(default_factory=list)
    from_bytes_s: list[float] = field(default_factory=list)
    model_share: list[float] = field(default_factory=list)
    loop_from_decoded_rate: list[float] = field(default_factory=list)
    loop_from_bytes_rate: list[float] = field(default_factory=list)


def square_of(picture: Prepared | Undecodable) -> PillowImage:
    """Return a picture that is decoded and resized; the transform then keeps its size."""
    assert isinstance(picture, Prepared)
    return fromarray(picture.squares[0])


def image_of(content: bytes) -> PillowImage:
    """Decode a picture that is known to be decodable."""
    decoded = decode(content, DECODE)
    assert isinstance(decoded, Decoded)
    return decoded.image


def moved(ours: Sequence[float], exact: Sequence[float]) -> tuple[float, int]:
    """Return the largest change of a similarity, and how many pairs cross the threshold.

    One pair in ten passes that threshold.
    """
    our_values = np.asarray(ours)
    exact_values = np.asarray(exact)
    threshold = float(np.quantile(exact_values, 1 - PASSING_SHARE))
    crossed = (our_values >= threshold) != (exact_values >= threshold)
    return float(np.abs(our_values - exact_values).max()), int(crossed.sum())


def main() -> None:
    """Take turns, and print a table and the goals."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the demonstration crawl, once")
    parser.add_argument(
        "--input",
        default=str(CONFIGS / "demo" / "crawl.warc.gz"),
        help="archives with pages and their pictures",
    )
    parser.add_argument("--model", default="ViT-B-32")
    parser.add_argument("--checkpoint", help="weights of the model; random ones by default")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    options = parser.parse_args()
    rounds, loop_pairs = (1, 128) if options.quick else (3, 512)
    with tempfile.TemporaryDirectory() as folder:
        run(options, rounds, loop_pairs, folder)


def run(options: argparse.Namespace, rounds: int, loop_pairs: int, folder: str) -> None:
    """Measure all sides in rounds, and print.

    `loop_pairs` is the number of pairs on which the loop, which is slow, is measured.
    """
    torch.set_num_threads(os.cpu_count() or 1)
    work = read_work(options.input, folder)
    checkpoint = options.checkpoint or random_checkpoint(options.model, folder)
    model = ModelSettings(options.model, checkpoint)
    passes = (os.cpu_count() or 1) if options.device == "cpu" else 1
    settings = EncoderSettings(options.device, precision=options.precision, passes=passes)
    encoder = load_encoder(model, identify(model), settings)
    decoded = {
        sha256.encode(): prepare(content, DECODE, [encoder.square], None)
        for sha256, content in work.contents.items()
    }
    rows = []
    for pair, image in work.with_picture:
        if isinstance(decoded[_key(image)], Prepared):
            rows.append((pair, image))
    sample = rows[:: max(1, len(rows) // loop_pairs)][:loop_pairs]
    loop = plain_loop(model, options.device)
    times = Times()
    with ThreadPoolExecutor(os.cpu_count()) as executor, closing(_warm_processes(encoder)) as warm:
        for _ in range(rounds):
            times.bare_s.append(_bare(encoder, work, rows))
            _measure_decoded(times, work, encoder, decoded, executor)
            scores = _measure_bytes(times, work, encoder, warm, executor)
            exact = _measure_loop(times, loop, sample, work, decoded)
    similarities = {score.key: score.similarity or 0.0 for score in scores}
    ours = [similarities[pair.key] for pair, _ in sample]
    device = torch.cuda.get_device_name() if options.device.startswith("cuda") else cpu()
    print(
        f"{device}; {options.model}, {encoder.precision}, batch {encoder.batch_size}; medians of "
        f"{rounds}"
    )
    _report(times, work, rows, len(sample))
    _print_goals(times, len(rows), moved(ours, exact), len(sample), has_amx="amx_bf16" in device)


def _key(image: Image) -> bytes:
    return (image.sha256 or "").encode()


def _warm_processes(encoder: Encoder) -> Processes:
    """Start the processes that decode, so that no side pays for the start."""
    processes = Processes(os.cpu_count() or 1)
    processes.result(processes.submit(prepare, b"", DECODE, [encoder.square], None))
    return processes


def _bare(encoder: Encoder, work: Work, rows: Sequence[tuple[Pair, Image]]) -> float:
    pictures = {image.sha256 for _, image in rows}
    captions = sorted({pair.caption for pair, _ in work.with_picture})
    return bare_seconds(encoder, len(pictures), captions)


def _measure_decoded(
    times: Times,
    work: Work,
    encoder: Encoder,
    decoded: dict[bytes, Prepared | Undecodable],
    executor: ThreadPoolExecutor,
) -> None:
    """Measure our scorer with pictures that are decoded already."""
    started = time.perf_counter()
    scorer = make_scorer(without_caches(encoder), DecodedPictures(decoded), executor)
    score_all(work.parts, work.images, _key, scorer)
    times.from_decoded_s.append(time.perf_counter() - started)


def _measure_bytes(
    times: Times,
    work: Work,
    encoder: Encoder,
    processes: Processes,
    executor: ThreadPoolExecutor,
) -> list[Score]:
    """Measure our scorer with decoding; return the scores."""
    started = time.perf_counter()
    fresh = without_caches(encoder)
    scorer = make_scorer(fresh, processes, executor)
    scores = score_all(
        work.parts, work.images, lambda image: work.contents[image.sha256 or ""], scorer
    )
    seconds = time.perf_counter() - started
    times.from_bytes_s.append(seconds)
    times.model_share.append(fresh.meter.busy_s / fresh.passes / seconds)
    return scores


def _measure_loop(
    times: Times,
    loop: Loop,
    sample: Sequence[tuple[Pair, Image]],
    work: Work,
    decoded: dict[bytes, Prepared | Undecodable],
) -> list[float]:
    """Measure the plain loop both ways; return its similarities from the same squares as ours."""
    rate, _ = loop.run(sample, lambda sha256: image_of(work.contents[sha256]))
    times.loop_from_bytes_rate.append(rate)
    rate, similarities = loop.run(sample, lambda sha256: square_of(decoded[sha256.encode()]))
    times.loop_from_decoded_rate.append(rate)
    return similarities


def _report(times: Times, work: Work, rows: Sequence[tuple[Pair, Image]], loop_pairs: int) -> None:
    """Print seconds and rates of every side."""
    pairs = len(rows)
    pictures = len({image.sha256 for _, image in rows})
    captions = len({pair.caption for pair, _ in work.with_picture})
    print(f"{pairs} pairs, {pictures} pictures, {captions} captions")
    for name, measured_s in (
        ("bare forward passes", times.bare_s),
        ("ours, from decoded pictures", times.from_decoded_s),
        ("ours, from bytes", times.from_bytes_s),
    ):
        seconds = statistics.median(measured_s)
        print(
            f"{name:32} {seconds:8.2f} s {pairs / seconds:8.1f} pairs/s "
            f"{pictures / seconds:8.1f} images/s"
        )
    for name, rates in (
        ("float32 loop, from decoded", times.loop_from_decoded_rate),
        ("float32 loop, from bytes", times.loop_from_bytes_rate),
    ):
        rate = statistics.median(rates)
        print(f"{name:32} {pairs / rate:8.2f} s {rate:8.1f} pairs/s (by {loop_pairs} pairs)")


def _print_goals(
    times: Times, pairs: int, movement: tuple[float, int], loop_pairs: int, *, has_amx: bool
) -> None:
    """Print the goals. `movement` is the result of `moved`."""
    largest_move, crossed = movement
    bare_s = statistics.median(times.bare_s)
    from_decoded_s = statistics.median(times.from_decoded_s)
    from_bytes_s = statistics.median(times.from_bytes_s)
    from_bytes_rate = pairs / from_bytes_s
    loop_rate = statistics.median(times.loop_from_decoded_rate)
    against_loop = from_bytes_rate / statistics.median(times.loop_from_bytes_rate)
    # bfloat16 is fast where the processor has AMX.
    target = 15 if has_amx else 3
    print(f"share of time in the model, from bytes: {statistics.median(times.model_share):.2f}")
    print(
        f"against float32: a similarity moves by {largest_move:.5f} at most; {crossed} of "
        f"{loop_pairs} decisions change where one in ten passes"
    )
    print(f"goal share_of_bare_forward {bare_s / from_decoded_s:.3f} >= 0.9")
    print(f"goal share_of_bare_forward_from_bytes {bare_s / from_bytes_s:.3f} >= 0.93")
    print(f"from bytes, ours is {against_loop:.2f} times as fast as the loop")
    print(f"goal pairs_against_fp32_loop {pairs / from_decoded_s / loop_rate:.2f} >= {target}")
    print(f"goal similarity_moved {largest_move:.5f} <= {MAX_MOVED}")


if __name__ == "__main__":
    main()
