"""What a page would load from elsewhere is found, and what it links to is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from singleshot.tools.site.outside import outside_resources


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        pytest.param(
            "a.html", '<script src="https://cdn.example/x.js"></script>', ["https://cdn.example/x.js"], id="script"
        ),
        pytest.param(
            "a.html", '<link rel="stylesheet" href="//fonts.example/a.css">', ["//fonts.example/a.css"], id="style"
        ),
        pytest.param("a.html", '<img src="http://x.example/a.png">', ["http://x.example/a.png"], id="picture"),
        pytest.param(
            "a.html", '<img srcset="a.png 1x,https://x.example/b.png 2x">', ["https://x.example/b.png 2x"], id="sizes"
        ),
        pytest.param(
            "a.html", '<div style="background: url(https://x.example/b.png)">', ["https://x.example/b.png"], id="inline"
        ),
        pytest.param("a.css", '@import "https://x.example/a.css";', ["https://x.example/a.css"], id="import"),
        pytest.param("a.css", "@font-face { src: url('//x.example/f.woff2') }", ["//x.example/f.woff2"], id="font"),
        pytest.param("a.html", '<a href="https://example.org">there</a>', [], id="a link to click on"),
        pytest.param("a.html", '<link rel="canonical" href="https://example.org">', [], id="the page's own name"),
        pytest.param("a.html", '<img src="data:image/png;base64,AA//">', [], id="a picture within"),
        pytest.param("a.html", '<script src="assets/x.js"></script>', [], id="the site's own"),
    ],
)
def test_what_is_loaded_from_elsewhere(tmp_path: Path, name: str, text: str, found: list[str]) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert outside_resources(tmp_path) == [f"{name}: {what}" for what in found]
