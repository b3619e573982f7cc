"""Text, tables and pictures in a row, as Markdown and as HTML."""

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from wlam.evaluation.report import STYLE, embed

PAGE_STYLE = """
body { max-width: 1800px } td:nth-child(3), th:nth-child(3) { text-align: left }
tr.win { background: #e2f4e2 } tr.lose { background: #fbe9e2 }
"""


@dataclass(frozen=True)
class Block:
    """A heading with text, a table and, in HTML, a picture below it."""

    title: str
    level: int = 2
    text: Sequence[str] = ()  # paragraphs
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    kinds: Sequence[str] = ()  # of rows in HTML: "win", "lose" or ""
    picture: Figure | None = None


def as_markdown(blocks: Iterable[Block]) -> str:
    """The document as Markdown; pictures are left out."""
    lines = []
    for block in blocks:
        lines += [f"{'#' * block.level} {block.title}", ""]
        lines += [part for text in block.text for part in (text, "")]
        if block.rows:
            rule = ["---"] * len(block.header)
            for cells in (block.header, rule, *block.rows):
                lines.append("| " + " | ".join(_escape(c) for c in cells) + " |")
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def put(page: str, part: str, text: str) -> str:
    """A page of Markdown with another text between <!-- PART --> and <!-- /PART -->.

    Raises:
        ValueError: the page has no such place.
    """
    begin, end = f"<!-- {part} -->", f"<!-- /{part} -->"
    if begin not in page or end not in page:
        raise ValueError(f"page: found no {begin} … {end}; needed both")
    head, _, rest = page.partition(begin)
    _, _, tail = rest.partition(end)
    return f"{head}{begin}\n{text.strip()}\n{end}{tail}"


def _escape(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")


def as_html(title: str, blocks: Iterable[Block]) -> str:
    """The document as one file of HTML that needs no other."""
    parts = []
    for block in blocks:
        parts.append(f"<h{block.level}>{html.escape(block.title)}</h{block.level}>")
        parts += [f"<p>{_inline(text)}</p>" for text in block.text]
        if block.picture is not None:
            parts.append(embed(block.picture))
        if block.rows:
            head = "".join(f"<th>{html.escape(cell)}</th>" for cell in block.header)
            parts.append(f"<table><tr>{head}</tr>")
            kinds = block.kinds or [""] * len(block.rows)
            for row, kind in zip(block.rows, kinds, strict=True):
                cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
                parts.append(f'<tr class="{kind}">{cells}</tr>')
            parts.append("</table>")
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}"
        f"</title><style>{STYLE}{PAGE_STYLE}</style>{''.join(parts)}</html>\n"
    )


def _inline(text: str) -> str:
    """The Markdown of paragraphs: lists, code, emphasis and links."""
    text = html.escape(text).replace("\n- ", "<br>- ")
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    text = re.sub(r"\*([^*]+)\*", r"<em>\1</em>", text)
    return re.sub(r"\[([^]]+)\]\(([^)]+)\)", r'<a href="\2">\1</a>', text)
