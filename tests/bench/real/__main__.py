"""What is said of recorded data: `make bench-real`, or part of it: `make bench-real ARGS=nab`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pipeline.incidents.wording import instant
from tests.bench.real.data import missing
from tests.bench.real.series import Judged, cloud, nab_score, write_nab_scores
from tests.bench.real.sessions import STRETCH, devices, first_firing, phones, players, said_of

SHUFFLES = 4


def main(argv: Sequence[str] | None = None) -> int:
    parts = {"nab": _nab, "cloud": _cloud, "players": _players, "phones": _phones}
    wanted = list(sys.argv[1:] if argv is None else argv) or list(parts)
    unknown = [name for name in wanted if name not in parts]
    if unknown:
        _say(f"no part is called {', '.join(unknown)}; there are {', '.join(parts)}")
        return 2
    for name in wanted:
        parts[name]()
    return 0


def _nab() -> None:
    if why := missing("nab"):
        return _say(why)
    with tempfile.TemporaryDirectory() as folder:
        count = write_nab_scores(Path(folder))
        scores = nab_score(Path(folder))
    _say(f"NAB, {count} of its 58 files: " + ", ".join(f"{name} {score:.1f}" for name, score in scores.items()))


def _cloud() -> None:
    if why := missing("ms_cloud"):
        return _say(why)
    groups: dict[str, list[Judged]] = {}
    for one in cloud():
        groups.setdefault(one.name.split("/")[0], []).append(one)
    _say("| series | weeks | events | found | other alarms | a week |", "|---|---|---|---|---|---|")
    everything = [one for group in groups.values() for one in group]
    for name, group in [*groups.items(), ("all", everything)]:
        weeks, false = sum(one.weeks for one in group), sum(one.false for one in group)
        events, found = sum(one.events for one in group), sum(one.found for one in group)
        _say(f"| {name} ({len(group)}) | {weeks:.0f} | {events} | {found} | {false} | {false / weeks:.2f} |")


def _players() -> None:
    if why := missing("yt_sessions"):
        return _say(why)
    _say("Players, as recorded:")
    for record in first_firing(said_of(players())):
        lead = record.signals[0]
        _say(f"  {instant(record.at)} {record.scope or 'everything'}: {lead.signal} × {lead.ratio}, {lead.shape}")
    for seed in range(1, SHUFFLES + 1):
        fired = list(first_firing(said_of(players(seed))))
        _say(f"Players, results shuffled within bands of the rate ({seed}): {len(fired)} incidents")


def _phones() -> None:
    if why := missing("ooo_http"):
        return _say(why)
    for session in ("d-1", "d-2"):
        lines, _ = phones(session)
        fired = list(first_firing(said_of(lines)))
        _say(f"Phones {session}, as recorded: {len(fired)} incidents")
        for factor in (1.15, 1.3, 2.0):
            right, delays, others = 0, [], 0
            names = devices(session)
            for name in names:
                lines, start = phones(session, name, factor)
                said = list(first_firing(said_of(lines)))
                exact = [record for record in said if record.scope.get("device_class") == name]
                right += bool(exact)
                delays += [(record.at - start) / 1000 / STRETCH for record in exact[:1]]
                others += len(said) - len(exact)
            _say(
                f"Phones {session}, one device × {factor}: found {right} of {len(names)}, {others} others, after "
                + ", ".join(f"{delay:.0f} s" for delay in sorted(delays))
            )


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
