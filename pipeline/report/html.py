"""HTML files that need nothing else: one style, no script, no request, and a policy in them that says so."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Any, Final

from pipeline.report import words
from pipeline.report.charts import BOX, HEIGHT
from pipeline.templating import environment

_STYLE: Final = "report.css"


def render(template: str, **values: Any) -> str:
    """A page; the same values give the same page."""
    templates = environment()
    style = files("pipeline").joinpath("templates", _STYLE).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    templates.globals.update(
        words=words,
        box=BOX,
        height=HEIGHT,
        style=style,
        # Whatever a name in the records holds, a browser fetches and runs nothing.
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
    )
    return templates.get_template(template).render(**values)
