"""What each model costs per update and in memory, and what those of river cost: `make bench-models`."""

from __future__ import annotations

import gc
import math
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import product
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from river import anomaly, drift, stats

from models import likelihood, season, steadiness, tails
from models.contrast import Structure
from models.cutpoints import CutPoints
from models.dispersion import Components
from models.series import SeriesDetector
from models.volume import VolumeProfile

REPEATS: Final = 5
"""The least of so many runs: others share the machine."""

OPERATORS, CLASSES, FIRMWARES = 5, 6, 3
CHANNELS, BLOCKS = 30, 42


class Line(NamedTuple):
    """name; how often it happens; µs each time; bytes that it holds, 0 where it holds nothing."""

    name: str
    each: str
    micros: float
    size: int


def timed(work: Callable[[], object], count: int = 1) -> float:
    """µs of one of the `count` things that `work` does."""
    best = math.inf
    for _ in range(REPEATS):
        gc.collect()
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best / count * 1e6


def looped(update: Callable[[float], object], values: list[float]) -> float:
    """µs of one update, without what the loop itself costs."""

    def run() -> None:
        for value in values:
            update(value)

    def nothing() -> None:
        for value in values:
            _ignore(value)

    return max(timed(run, len(values)) - timed(nothing, len(values)), 0.0)


def _ignore(_: float) -> None:
    pass


def ours() -> Iterator[Line]:
    g = np.random.default_rng(1)
    histogram = np.bincount((np.log(g.lognormal(6, 0.5, 400)) / 0.04).astype(np.int64), minlength=458)
    yield Line(
        "cut points",
        "a cell, once in its life",
        timed(lambda: [CutPoints.of(histogram, 0.04) for _ in range(50)], 50),
        7 * 8,
    )
    shape = g.standard_normal((season.SLOTS, CHANNELS))
    yield Line(
        "season",
        "an operator and minute, all its channels",
        timed(lambda: [season.at(shape, i * 60_000) for i in range(200)], 200),
        shape.nbytes,
    )
    profile = VolumeProfile()
    minutes = iter(range(10**9))
    learn = looped(lambda value: profile.learn_one({"minute": next(minutes) * 60_000}, value), [20.0] * 20_000)
    yield Line("volume", "a cohort and minute", learn, len(msgspec.msgpack.encode(profile.snapshot())))
    days = g.standard_normal((7, 126 * CHANNELS))
    variance = np.full(days.shape, 1.0)
    yield Line(
        "steadiness",
        "a cell, once a day while it learns",
        timed(lambda: steadiness.find_break(days, variance), days.shape[1]),
        0,
    )
    yield Line("tails", "a kind of signal, once a week", timed(lambda: tails.inverse_dof(g.standard_normal(800))), 8)
    yield from _lattice(g)
    b, c = g.standard_normal((2, 300, CHANNELS)) + 2.0
    yield Line(
        "likelihood, shift", "a scope, channel and span", timed(lambda: likelihood.shift(b, np.abs(c)), b.size), 0
    )
    yield Line("likelihood, rate", "a scope, channel and span", timed(lambda: likelihood.rate(b, np.abs(c)), b.size), 0)
    detector = SeriesDetector()
    at = iter(range(10**9))

    def both(value: float) -> None:
        x: dict[Any, Any] = {"at": next(at) * 300_000, "value": value}
        detector.score_one(x)
        detector.learn_one(x)

    cost = looped(both, g.lognormal(3, 0.1, 5_000).tolist())
    yield Line("series", "a value, scored and learnt", cost, len(msgspec.msgpack.encode(detector.snapshot())))


def _lattice(g: np.random.Generator) -> Iterator[Line]:
    """126 cohorts: those of production, and those of certification at two operators."""
    cohorts = [
        (o, c, f, e)
        for o, c, f, e in product(range(OPERATORS), range(CLASSES), range(FIRMWARES), ("production", "certification"))
        if e == "production" or o < 2
    ]
    levels: list[Sequence[Hashable]] = [
        [cohort[:3] for cohort in cohorts],
        [cohort[:2] for cohort in cohorts],
        [cohort[0] for cohort in cohorts],
        [0] * len(cohorts),
        [cohort[1] for cohort in cohorts],
        [cohort[1:3] for cohort in cohorts],
        [cohort[3] for cohort in cohorts],
        [(cohort[0], cohort[3]) for cohort in cohorts],
        list(cohorts),
    ]
    components = Components(levels)
    residual, sampling = g.standard_normal((BLOCKS, len(cohorts))), np.full((BLOCKS, len(cohorts)), 0.5)
    yield Line(
        "dispersion",
        "a kind of signal and span, once a week",
        timed(lambda: components.fit(residual, sampling, 0.1)),
        8 * len(levels),
    )
    masks = [tuple(i for i in range(4) if mask >> i & 1) for mask in range(16)]
    nodes: dict[tuple[int, ...], None] = {}
    for mask in masks:
        groups: dict[tuple[Any, ...], list[int]] = {}
        for leaf, cohort in enumerate(cohorts):
            groups.setdefault(tuple(cohort[i] for i in mask), []).append(leaf)
        nodes |= dict.fromkeys(tuple(group) for group in groups.values())
    structure = Structure([(c[0], c[:2], c[:3]) for c in cohorts], levels[3:8], list(nodes))
    shape = (len(cohorts), CHANNELS)
    values, noise = g.standard_normal(shape), np.full(shape, 0.5)
    nested, crossed, own = np.full((CHANNELS, 3), 0.01), np.full((CHANNELS, 5), 0.01), np.full(CHANNELS, 0.01)
    once = timed(lambda: structure.solve(values, noise, nested, crossed, own))
    held = structure.membership.data.nbytes + structure.membership.indices.nbytes + structure.z_dense.nbytes
    yield Line(
        f"contrast ({len(nodes)} scopes of {len(cohorts)} cohorts)",
        "a scope, channel and span",
        once / len(nodes) / CHANNELS,
        held,
    )


def rivers() -> Iterator[Line]:
    """Built where each is used, as none of them can be told to begin anew."""
    values = np.random.default_rng(1).standard_normal(20_000).tolist()
    unit = [min(max(value / 10 + 0.5, 0.0), 1.0) for value in values]
    adwin: Any = drift.ADWIN
    made: list[tuple[str, Any, list[float]]] = [
        ("stats.EWMean", stats.EWMean(0.05), values),
        ("stats.EWVar", stats.EWVar(0.05), values),
        ("stats.Quantile (P²)", stats.Quantile(0.99), values),
        ("drift.ADWIN", adwin(), unit),
        ("drift.PageHinkley", drift.PageHinkley(), values),
        ("drift.KSWIN", drift.KSWIN(seed=1), values[:3_000]),
    ]
    for name, model, series in made:
        yield Line(name, "a value", looped(model.update, series), _size(model))
    trees: Any = anomaly.HalfSpaceTrees(seed=1)
    scorer: Any = anomaly.GaussianScorer
    gauss = scorer()

    def grow(value: float) -> None:
        trees.score_one({"x": value})
        trees.learn_one({"x": value})

    def fit(value: float) -> None:
        gauss.score_one({}, value)
        gauss.learn_one({}, value)

    yield Line("anomaly.HalfSpaceTrees", "a value, scored and learnt", looped(grow, unit[:3_000]), _size(trees))
    yield Line("anomaly.GaussianScorer", "a value, scored and learnt", looped(fit, values), _size(gauss))


def _size(model: Any) -> int:
    return int(model._raw_memory_usage)


def main() -> int:
    for title, lines in (("ours", ours()), ("river's", rivers())):
        sys.stdout.write(f"| {title} | what happens | µs each | bytes held |\n|---|---|---|---|\n")
        for line in lines:
            held = f"{line.size:,}" if line.size else "–"
            sys.stdout.write(f"| {line.name} | {line.each} | {line.micros:.3g} | {held} |\n")
        sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
