"""How a page is looked at: in light, in dark, on a phone; and what axe-core has to say about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]  # has no types
from playwright.async_api import Page


@dataclass(frozen=True, slots=True)
class Look:
    scheme: Literal["light", "dark"]
    width: int

    def __str__(self) -> str:
        return f"{self.scheme}, {self.width} px"

    async def take(self, page: Page) -> None:
        await page.set_viewport_size({"width": self.width, "height": 844})
        await page.emulate_media(color_scheme=self.scheme)


LOOKS = (Look("light", 1280), Look("dark", 1280), Look("light", 390), Look("dark", 390))
GRAVE = ("serious", "critical")


async def width_over(page: Page) -> int:
    """Pixels by which the page is wider than the window."""
    over: int = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return over


async def faults(page: Page) -> list[str]:
    """What axe-core finds serious: the rule, and where."""
    found: dict[str, Any] = (await Axe().run(page)).response
    return [
        f"{one['id']} ({one['impact']}): {node['html'][:160]}"
        for one in found["violations"]
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]
