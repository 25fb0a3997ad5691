"""HTML files that need nothing else: one style, no script, no request, and a policy in them that says so."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.report import words
from pipeline.report.charts import BOX, HEIGHT

_STYLE: Final = "report.css"


def render(template: str, **values: Any) -> str:
    """A page; the same values give the same page."""
    environment = Environment(
        loader=PackageLoader("pipeline"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = files("pipeline").joinpath("templates", _STYLE).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment.globals.update(
        words=words,
        box=BOX,
        height=HEIGHT,
        style=style,
        # Whatever a name in the records holds, a browser fetches and runs nothing.
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
    )
    return environment.get_template(template).render(**values)
