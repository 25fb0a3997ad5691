"""Where the recorded data sets are. Nobody here made them and they are no part of this repository."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
DATA: Final = Path(os.environ.get("SEAMWATCH_DATA", ROOT.parent / "shared" / "data"))


def missing(folder: str) -> str | None:
    """Why a data set cannot be used; None when it can."""
    place = DATA / folder
    return None if place.is_dir() else f"the recorded data are not at {place}; set SEAMWATCH_DATA"
