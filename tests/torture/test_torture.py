"""`make torture`, shortened: every kind of fault once, on three brokers with two workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration import kafka_cluster
from tests.integration.services import need
from tests.torture.faults import Kind, plan
from tests.torture.torture import Torture


@pytest.mark.kafka
@pytest.mark.timeout(600)
def test_nothing_is_lost_and_nothing_doubled_by_one_fault_of_each_kind(tmp_path: Path) -> None:
    need("Apache Kafka", kafka_cluster.missing())
    said: list[str] = []
    torture = Torture(seed=3, faults=len(Kind), workers=2, minutes=260, say=said.append)
    assert torture.run(tmp_path) == [], said


def test_a_seed_gives_the_same_faults_again_and_each_kind_as_often_as_any_other() -> None:
    faults = plan(7, 60)
    assert faults == plan(7, 60)
    assert faults != plan(8, 60)
    kinds = [fault.kind for fault in faults]
    assert {kinds.count(kind) for kind in Kind} == {10}
