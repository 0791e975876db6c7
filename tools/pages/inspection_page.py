"""An inspection as one page."""

from __future__ import annotations

from pathlib import Path

from ...export.inspection.facts import Inspection
from .inspection_facts import facts_of
from .page import save_page


def save_inspection_page(inspection: Inspection, path: Path) -> None:
    """Write the page.

    Args:
        inspection: what was found.
        path: of the page, .html.

    Raises:
        InputError: the name is not a page's, or the file cannot be written.
    """
    save_page(path, "inspection", title=inspection.path.name, inspection=inspection, sections=facts_of(inspection))
