"""HTML that needs nothing but itself: text is escaped, pictures are inside."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

_STYLE = """
:root { --ink: #1b2530; --soft: #5c6a78; --line: #d9e0e6; --tile: #f4f7f9; --warn: #fff3d6; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.5rem 4rem; color: var(--ink);
  background: #fff; font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { margin: 0; font-size: 1.9rem; }
h2 { margin: 2.6rem 0 .6rem; padding-top: .8rem; border-top: 1px solid var(--line);
  font-size: 1.3rem; }
p { margin: .5rem 0; max-width: 50rem; }
.soft, figcaption { color: var(--soft); font-size: .9rem; }
.warn { background: var(--warn); padding: .7rem 1rem; border-left: 4px solid #d99a00; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(11.5rem, 1fr));
  gap: .7rem; margin: 1.4rem 0; }
.tile { background: var(--tile); border-radius: .5rem; padding: .7rem .9rem; }
.tile b { display: block; font-size: 1.55rem; line-height: 1.25; }
.tile span { color: var(--soft); font-size: .85rem; }
figure { margin: 1rem 0; }
figure img { max-width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; margin: .8rem 0;
  font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem .3rem 0; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
th { color: var(--soft); font-weight: 600; }
summary { cursor: pointer; color: var(--soft); }
@media print { h2 { break-after: avoid; } figure, table { break-inside: avoid; } }
"""
_NOTHING_FROM_OUTSIDE = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(title: str, lead: str, *parts: str) -> str:
    """A whole HTML document.

    Parameters
    ----------
    title, lead : plain text
    parts : HTML, as the functions of this module make it
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_NOTHING_FROM_OUTSIDE}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{html.escape(title)}</h1>\n{text(lead, 'soft')}\n" + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )  # fmt: skip


def section(title: str, *parts: str) -> str:
    """A heading and what belongs under it; nothing without parts."""
    body = [part for part in parts if part]
    return "\n".join([f"<h2>{html.escape(title)}</h2>", *body]) if body else ""


def text(words: str, kind: str = "") -> str:
    """A paragraph; `kind` is "", "soft" or "warn"."""
    return f'<p class="{kind}">{html.escape(words)}</p>' if kind else f"<p>{html.escape(words)}</p>"


def tiles(entries: Sequence[tuple[str, str, str]]) -> str:
    """Boxes of (what, number, remark)."""
    cells = [
        f'<div class="tile"><span>{html.escape(what)}</span><b>{html.escape(number)}</b>'
        f"<span>{html.escape(remark)}</span></div>"
        for what, number, remark in entries
    ]
    return f'<div class="tiles">{"".join(cells)}</div>'


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; a cell between double asterisks is bold."""
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>\n{body}</table></div>'


def _cell(words: str) -> str:
    bare = words.removeprefix("**").removesuffix("**")
    inner = html.escape(bare)
    return f"<td>{inner if bare == words else f'<b>{inner}</b>'}</td>"


def folded(title: str, *parts: str) -> str:
    """What is shown only when asked for."""
    return f"<details><summary>{html.escape(title)}</summary>{''.join(parts)}</details>"


def picture(figure: Figure, alt: str, caption: str = "", *, pixels: bool = False) -> str:
    """A drawing, inside the page.

    Parameters
    ----------
    figure : lines as SVG, or with `pixels` as PNG
    alt : what it shows, for those who do not see it
    caption : under it
    """
    stream = io.BytesIO()
    if pixels:
        figure.savefig(stream, format="png", dpi=110)
    else:
        with matplotlib.rc_context({"svg.hashsalt": "radarid"}):  # the same page every time
            figure.savefig(stream, format="svg", metadata={"Date": None})
    kind = "png" if pixels else "svg+xml"
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    under = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    source = f"data:image/{kind};base64,{data}"
    return f'<figure><img src="{source}" alt="{html.escape(alt)}">{under}</figure>'


def write(path: Path, document: str) -> Path:
    """Write a page, whole or not at all, for its owner only: spectrograms are personal data."""
    partial = path.with_name(path.name + ".partial")
    partial.touch()
    partial.chmod(0o600)
    partial.write_text(document, encoding="utf-8")
    os.replace(partial, path)
    return path
