"""The matrix as a picture: SVG, readable in a browser, light or dark, without scripts or fonts of its own."""

from html import escape

from kube46.check.matrix import Report
from kube46.check.model import MEANING, Cell, Target

ROW, LEFT, COLUMN, TOP = 30, 130, 86, 34
STYLE = """
    text { font: 14px ui-sans-serif, system-ui, sans-serif; fill: #24292f }
    .head { font-weight: 600 }
    .good { fill: #1a7f37; font-weight: 700; font-size: 17px }
    .bad { fill: #cf222e; font-weight: 700; font-size: 17px }
    .none { fill: #8c959f }
    .line { stroke: #d0d7de }
    .paper { fill: #ffffff }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 } .good { fill: #3fb950 } .bad { fill: #f85149 }
      .line { stroke: #30363d } .paper { fill: #0d1117 }
    }
"""


def as_svg(report: Report) -> str:
    """One block a family, a row a place, a column a target; each cell's failures are its tooltip."""
    rows = list(dict.fromkeys(cell.place for cell in report.cells))
    height = ROW * (len(rows) + 1) + TOP
    width = LEFT + COLUMN * len(Target) + 16
    body = [_block(report, family, rows, index * height) for index, family in enumerate(report.families)]
    total = height * len(report.families)
    verdict = f"{len(report.failures)} of {len(report.cells)} cells failed" if report.failures else "all cells passed"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" role="img">',
            f"  <title>kube46 check: {verdict}</title>",
            f"  <style>{STYLE}  </style>",
            f'  <rect class="paper" width="{width}" height="{total}" rx="6"/>',
            *body,
            "</svg>\n",
        ]
    )


def _block(report: Report, family: str, rows: list[str], top: int) -> str:
    cells = {(cell.place, cell.target): cell for cell in report.cells if cell.family == family}
    base = top + TOP
    parts = [_text(16, base, family, "head")]
    parts += [
        _text(LEFT + COLUMN * index, base, str(target), "head", MEANING[target]) for index, target in enumerate(Target)
    ]
    for number, row in enumerate(rows, 1):
        y = base + ROW * number
        parts.append(f'  <line class="line" x1="16" x2="{LEFT + COLUMN * len(Target)}" y1="{y - 20}" y2="{y - 20}"/>')
        parts.append(_text(16, y, row, ""))
        for index, target in enumerate(Target):
            parts.append(_mark(LEFT + COLUMN * index, y, cells.get((row, str(target)))))
    return "\n".join(parts)


def _mark(x: int, y: int, cell: Cell | None) -> str:
    if cell is None:
        return _text(x, y, "·", "none")
    if cell.good:
        return _text(x, y, "✔", "good", f"{cell.probes} probes")
    return _text(x, y, "✘", "bad", "\n".join(cell.failures))


def _text(x: int, y: int, text: str, kind: str, tip: str = "") -> str:
    title = f"<title>{escape(tip)}</title>" if tip else ""
    return f'  <text x="{x}" y="{y}" class="{kind}">{title}{escape(text)}</text>'
