"""What persists of each device: its clock, and how far it has counted its records."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.simulate.chance import stream
from pipeline.simulate.durations import HOUR_MS, MINUTE_MS
from pipeline.simulate.world import World


@dataclass(frozen=True, slots=True)
class Devices:
    """What persists of each device of a world; arrays of (device,)."""

    skew: NDArray[np.float64]
    """ms that its clock is ahead."""
    uptime: NDArray[np.bool_]
    """Its clock counts from when it was switched on, `skew` ms before the simulation began."""
    written: NDArray[np.int64]
    """Records so far, the next sequence number; grows as the simulation goes on, as does the next."""
    heard: NDArray[np.float64]
    """ms of the simulation when its connection was last in use."""


def draw_devices(world: World) -> Devices:
    g = stream(world.seed, "devices")
    scale, size = world.fleet.nuisances.skew, world.devices
    usual, off, lot = 300.0 * g.standard_normal(size), g.uniform(-30, 30, size) * MINUTE_MS, g.random(size)
    far = lot < 0.03 * scale
    uptime = lot > 1 - 0.002 * scale
    skew = np.where(far, off, scale * usual)
    skew[uptime] = g.uniform(1, 700, size)[uptime] * HOUR_MS
    # Each has a past: a counter near 0 would look as if it had just been reset.
    return Devices(skew=skew, uptime=uptime, written=g.integers(1_000, 100_000, size), heard=np.zeros(size))


class Line:
    """Records of one block put in the order in which their devices wrote them."""

    def __init__(self, devices: Devices, device: NDArray[np.int64], at: NDArray[np.float64]) -> None:
        self._devices = devices
        self._order = _by_device(device, at)
        self._device = device[self._order]
        self._begins = np.flatnonzero(np.diff(self._device, prepend=-1))
        self._lengths = np.diff(np.append(self._begins, len(device)))
        self._rank = np.arange(len(device)) - np.repeat(self._begins, self._lengths)

    def numbered(self) -> NDArray[np.int64]:
        """Each record's sequence number; moves the devices' counters on."""
        seq = np.empty(len(self._order), dtype=np.int64)
        seq[self._order] = self._devices.written[self._device] + self._rank
        self._devices.written[self._device[self._begins]] += self._lengths
        return seq

    def kept(self, received: NDArray[np.float64]) -> NDArray[np.float64]:
        """Arrivals as a connection that keeps its order makes them: what was sent later comes 1 ms later or more."""
        ready = received[self._order]
        first = self._device[self._begins]
        ready[self._begins] = np.maximum(ready[self._begins], self._devices.heard[first])
        # Far more than a block and its delays last, so that one device's arrivals never reach the next one's.
        apart = np.repeat(np.arange(len(self._begins)) * 1e9, self._lengths) - self._rank
        ready = np.maximum.accumulate(ready + apart) - apart
        self._devices.heard[first] = ready[self._begins + self._lengths - 1] + 1
        kept = np.empty(len(received))
        kept[self._order] = ready
        return kept


def _by_device(device: NDArray[np.int64], at: NDArray[np.float64]) -> NDArray[np.intp]:
    """The order by device, then time. One integer key without ties: far faster than sorting by two columns."""
    if len(at) == 0:
        return np.empty(0, dtype=np.intp)
    within = ((at - at.min()) * 16).astype(np.int64)
    return np.argsort(device * (int(within.max()) + 1) + within)
