"""`write_report`: a run or a comparison -> one HTML file."""

from __future__ import annotations

from pathlib import Path

from radarid.errors import RunError
from radarid.learn.report import page
from radarid.learn.report.compare_page import compare_page
from radarid.learn.report.run_page import run_page
from radarid.learn.run_folder import RunFolder


def write_report(folder: Path, out: Path | None = None, store: Path | None = None) -> Path:
    """Write the report of a run or of a comparison as one self-contained HTML file.

    Parameters
    ----------
    folder : of an evaluated run, or of a comparison
    out : the file; None for report.html in the folder
    store : gait store of a run's clips; None takes the one it was trained on

    Returns
    -------
    Path
        Of the file. It loads nothing from anywhere, and only its owner can read it.

    Raises
    ------
    RunError
        Neither a run nor a comparison, not evaluated, or damaged.
    """
    if (folder / "compare.json").is_file():
        document = compare_page(folder)
    elif RunFolder(folder).exists:
        document = run_page(folder, store)
    else:
        raise RunError(
            "neither a run nor a comparison", where=folder, remedy="radarid train, radarid compare"
        )
    return page.write(out or folder / "report.html", document)
