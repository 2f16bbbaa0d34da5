"""Every command in the README is one that the command line really takes, option by option."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from radarid.cli import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    text = "\n".join(blocks).replace("\\\n", " ")
    table = re.findall(r"`(radarid [^`]+)`", README)
    lines = [line.strip().removeprefix("$ ") for line in text.splitlines()] + table
    return sorted({line.partition("  #")[0].strip() for line in lines if "radarid " in line
                   and not line.startswith("#")})


@pytest.mark.parametrize("line", commands())
def test_command_line_is_accepted(line: str) -> None:
    words = shlex.split(line[line.index("radarid ") :])[1:]
    group = typer.main.get_command(app)
    context = group.make_context("radarid", list(words), resilient_parsing=False)
    rest = [*context._protected_args, *context.args] if hasattr(context, "_protected_args") \
        else list(context.args)
    name, command, arguments = group.resolve_command(context, rest)  # type: ignore[attr-defined]
    assert command is not None, f"no command {name}"
    command.make_context(name, list(arguments), parent=context)


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"`make ([a-z]+)`", README))
    assert {"demo", "test"} <= named <= targets


def test_every_command_is_in_the_readme() -> None:
    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert known <= {line.split("radarid ")[1].split()[0] for line in commands()}


def test_pictures_exist_and_are_small() -> None:
    pictures = [ROOT / place for place in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README)]
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size < 200_000, picture
