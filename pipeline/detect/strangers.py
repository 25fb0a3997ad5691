"""Cohorts that are none: records whose firmware or environment could not be read, and what is left over of a crowd.

A record with a spoilt `environment` is counted under `unknown`, as the wire contract has it; beside the cohorts it came
from that makes a cohort of no devices in particular, which comes and goes with the fault of the field. It is shown, and
not judged. What it violates of the contract counts where its devices are at home: with the largest cohort that agrees
with it in all that is known. Where an operator never sends the field, `unknown` is a value like any other.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.snapshot import Plain
from pipeline.detect.channels import COHORT_RATES
from pipeline.detect.roster import is_overflow
from pipeline.observation import UNKNOWN, Cohort

Floats: TypeAlias = NDArray[np.float64]
_CONTRACT: Final = COHORT_RATES.index("contract")


class Strangers:
    """Rows that are not judged, and at whose home their contract is.

    Who is a stranger is asked every two hours, and of a newcomer at once.
    """

    def __init__(self) -> None:
        self._hosts: dict[int, int | None] = {}

    def add(self, row: int, host: int | None = None) -> None:
        self._hosts[row] = host

    def forget(self, row: int) -> None:
        """A row is given to another cohort."""
        self._hosts.pop(row, None)
        self._hosts = {stranger: None if host == row else host for stranger, host in self._hosts.items()}

    def look(self, cohorts: list[Cohort], usual: Floats) -> None:
        """Who is a stranger now. `usual`: records a minute by row, not a number where unknown."""
        volume = np.nan_to_num(usual)
        known: dict[tuple[str, str], list[int]] = {}
        spoilt: list[int] = []
        for row, cohort in enumerate(cohorts):
            if UNKNOWN in (cohort.firmware, cohort.environment):
                spoilt.append(row)
            elif not is_overflow(cohort):
                known.setdefault((cohort.operator, cohort.device_class), []).append(row)
        hosts: dict[int, int | None] = {row: None for row, cohort in enumerate(cohorts) if is_overflow(cohort)}
        for row in spoilt:
            cohort = cohorts[row]
            alike = [
                other
                for other in known.get((cohort.operator, cohort.device_class), ())
                if cohort.firmware in (UNKNOWN, cohorts[other].firmware)
                and cohort.environment in (UNKNOWN, cohorts[other].environment)
            ]
            if not alike:
                continue
            host = max(alike, key=lambda other: (volume[other], -other))
            if volume[host] >= volume[row]:
                hosts[row] = host
        self._hosts = hosts

    def hand_over(self, rows: NDArray[np.intp], n: Floats, x: Floats) -> None:
        """Move what strangers among `rows` violate of the contract to their hosts, where those reported as well."""
        if not self._hosts:
            return
        at = {row: i for i, row in enumerate(rows.tolist())}
        for row, host in self._hosts.items():
            i, j = at.get(row), None if host is None else at.get(host)
            if i is not None and j is not None:
                for counts in (n, x):
                    counts[j, _CONTRACT] += counts[i, _CONTRACT]
                    counts[i, _CONTRACT] = 0.0

    def among(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """[rows] whether each is a stranger."""
        if not self._hosts:
            return np.zeros(len(rows), dtype=np.bool_)
        return np.isin(rows, np.fromiter(self._hosts, dtype=np.intp, count=len(self._hosts)))

    def snapshot(self) -> Plain:
        return {"hosts": [[row, host] for row, host in self._hosts.items()]}

    def restore(self, state: Plain) -> None:
        self._hosts = {row: host for row, host in state["hosts"]}
