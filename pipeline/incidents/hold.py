"""How long a state and a scope are held: what stops an incident from flapping, whatever the readings do.

    firing      is left for recovering only when the excess is gone, and after `hold_ms` in it
    recovering  is left for firing at once when the excess is back; for resolved when it is gone, after `hold_ms` in it

Each time that it fires again, from recovering or within a day of resolved, the hold is doubled, up to `LONGEST_MS`: in
a time t an incident begins to fire at most 1 + log2(LONGEST / STEADY) + t / LONGEST times.

Its scope may move at once when it first turns out to be another. Where a fault is uneven, the wider scope and the
narrower one take turns at explaining it better; so after that a scope is held as well, twice as long with every move,
up to `LONGEST_SCOPE_MS`.
"""

from __future__ import annotations

from typing import Final

STEADY_MS: Final = 3_600_000
"""The first hold."""
LONGEST_MS: Final = 8 * STEADY_MS
LONGEST_SCOPE_MS: Final = 24 * STEADY_MS


def may_move(moves: int, held_ms: int) -> bool:
    """Whether a scope that was moved so many times, the last time `held_ms` ago, may be moved again."""
    return moves == 0 or held_ms >= min(STEADY_MS << min(moves - 1, 8), LONGEST_SCOPE_MS)


def hold_ms(relapses: int) -> int:
    """How long firing and recovering are held at least, after so many relapses."""
    return min(STEADY_MS << min(relapses, 8), LONGEST_MS)


def next_state(state: str, held_ms: int, relapses: int, *, gone: bool, back: bool) -> str | None:
    """The state to go to after `held_ms` in this one; None: stay.

    gone, back: the excess is surely gone, or surely back; neither where a reading cannot tell.
    """
    steady = gone and held_ms >= hold_ms(relapses)
    if state == "firing":
        return "recovering" if steady else None
    if state == "recovering":
        return "firing" if back else "resolved" if steady else None
    return None
