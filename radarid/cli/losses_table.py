"""What `radarid train --list-losses` prints: every loss that can be named in a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from radarid.cli.output import print_json

if TYPE_CHECKING:
    from radarid.learn.losses.base import Loss


def print_losses(as_json: bool = False) -> None:
    """Print every registered loss: what it is, what it needs, which options it has.

    Parameters
    ----------
    as_json : print a list of objects instead of text

    Raises
    ------
    TrainError
        An installed plug-in cannot be loaded.
    """
    from radarid.learn.losses import registered

    found = [describe(name, cls) for name, cls in sorted(registered().items())]
    if as_json:
        print_json(found)
        return
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    for loss in found:
        plug_in = "" if loss["package"] == "radarid" else f"  [plug-in of {loss['package']}]"
        console.print(f"{loss['name']}", style="bold", markup=False, end="")
        console.print(f"  {loss['what']}{plug_in}", markup=False)
        options = ", ".join(f"{key} = {value!r}" for key, value in loss["options"].items())
        console.print(f"    needs    {', '.join(loss['needs'])}", markup=False)
        console.print(f"    options  {options or 'none'}", markup=False)
    console.print(
        "\nSwitched on in a recipe by\n"
        "  [extra_losses.NAME]\n  weight = 1.0\n  options = { ... }\n"
        "or --set extra_losses.NAME.weight=1.0; needs are those of the default options.",
        markup=False,
    )


def describe(name: str, cls: type[Loss]) -> dict[str, Any]:
    """Facts about one loss: name, what, paper, equations, package, needs, options (defaults)."""
    from capture.schema import to_mapping

    options = cls.Options()
    return {
        "name": name,
        "what": (cls.__doc__ or "").strip().partition("\n")[0],
        "paper": cls.paper,
        "equations": cls.equations,
        "package": cls.__module__.partition(".")[0],
        "needs": sorted(cls(options).requires),
        "options": to_mapping(options),
    }
