"""`make torture`: prints its seed, and runs again from it."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.integration import kafka_cluster
from tests.torture.torture import Torture


def main() -> int:
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of a run to repeat")
    parser.add_argument("--faults", type=int, default=30)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--minutes", type=int, default=600, help="of the simulated fleet, at 60 records each")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave logs and data of brokers and workers here")
    arguments = parser.parse_args()
    if (reason := kafka_cluster.missing()) is not None:
        print(f"no Kafka: {reason}", file=sys.stderr)
        return 2
    print(f"seed {arguments.seed}: repeat with make torture ARGS='--seed {arguments.seed}'", flush=True)
    torture = Torture(
        arguments.seed, arguments.faults, arguments.workers, arguments.minutes, lambda line: print(line, flush=True)
    )
    with tempfile.TemporaryDirectory(prefix="seamwatch-torture-") as scratch:
        found = torture.run(arguments.keep or Path(scratch))
    for line in found[:20]:
        print(line)
    if found:
        print(f"{len(found)} differences; repeat with make torture ARGS='--seed {arguments.seed}'")
    else:
        print("nothing lost, nothing doubled")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
