"""What must hold of how every page looks: nothing runs off it, and axe finds nothing serious."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

LOOKS = [("light", 1280), ("dark", 1280), ("light", 380), ("dark", 380)]
in_every_look = pytest.mark.parametrize("look", LOOKS, ids=str)
_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@contextmanager
def looking(browser: Browser, url: str, state: Any, look: tuple[str, int]) -> Iterator[Page]:
    """A page as somebody sees it whose session is `state`, in a scheme and a width, without animation."""
    scheme, width = look
    context = browser.new_context(
        base_url=url,
        storage_state=state,
        color_scheme=scheme,  # type: ignore[arg-type]
        viewport={"width": width, "height": 900},
        reduced_motion="reduce",
    )
    yield context.new_page()
    context.close()


def flaws(page: Page, name: str = "") -> list[str]:
    """A line for each thing that is wrong with the page as it stands now."""
    page.wait_for_load_state()  # a page that was clicked to has no style in its first moment
    name = name or page.url
    wide = page.evaluate(_WIDE)
    found = [f"{name}: {wide} px too wide"] if wide > 0 else []
    for violation in Axe().run(page).response["violations"]:
        if violation["impact"] in ("serious", "critical"):
            where = ", ".join(str(node["target"][0]) for node in violation["nodes"][:3])
            found.append(f"{name}: {violation['id']}: {where}")
    return found
