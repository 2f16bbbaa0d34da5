"""Who walked: manifest before options before sidecar before name, and never a guess."""

from __future__ import annotations

from pathlib import Path

import pytest

from capture.errors import ConfigError
from capture.file.sidecar import Sidecar, write_sidecar
from radarid.data.manifest import (
    FactFinder,
    Facts,
    RawRecording,
    check_series,
    group_files,
    read_manifest,
)
from radarid.errors import IngestError


def raw(path: Path) -> RawRecording:
    return RawRecording(path.stem, (path,))


def manifest(folder: Path, text: str) -> Path:
    path = folder / "walks.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_manifest_names_files_beside_it(tmp_path: Path) -> None:
    table = manifest(
        tmp_path,
        "file,subject,session,take,camera,radar\n"
        "raw/a.bin, anna ,day1,w1,cam/a.avi,r.cfg\n"
        "raw/b.bin,bob,,,,\n",
    )
    find = FactFinder(manifest=read_manifest(table))
    assert find(raw(tmp_path / "raw" / "a.bin")) == Facts(
        "anna", "day1", "w1", tmp_path / "r.cfg", tmp_path / "cam" / "a.avi"
    )
    assert find(raw(tmp_path / "raw" / ".." / "raw" / "b.bin")) == Facts("bob", "s1", "b")
    with pytest.raises(IngestError, match="does not list this file"):
        find(raw(tmp_path / "raw" / "c.bin"))


@pytest.mark.parametrize(("text", "message"), [
    ("file,subject,sesion\n", "other columns; got file, subject, sesion"),
    ("file,session\n", "other columns"),
    ("", "other columns; got none"),
    ("file,subject\na.bin\n", "walks.csv:2: a row that does not have as many cells"),
    ("file,subject\na.bin,anna,x\n", "walks.csv:2: a row that does not have as many cells"),
    ("file,subject\na.bin,anna\n./a.bin,bob\n", "walks.csv:3: a file listed twice; got a.bin"),
])
def test_a_wrong_manifest_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(IngestError, match=message):
        read_manifest(manifest(tmp_path, text))
    with pytest.raises(IngestError, match="not a readable manifest"):
        read_manifest(tmp_path / "none.csv")


def test_each_fact_comes_from_the_first_who_knows(tmp_path: Path) -> None:
    path = tmp_path / "carl_s7_t3.bin"
    write_sidecar(Sidecar.path_for(path), Sidecar(
        subject="bob", session="day2", camera="b.avi", camera_offset_s=0.5
    ))
    rows = read_manifest(manifest(tmp_path, "file,subject,take\ncarl_s7_t3.bin,anna,\n"))
    pattern = "{subject}_{session}_{take}"
    camera = tmp_path / "b.avi"
    by_all = FactFinder(manifest=rows, subject="dora", session="day9", pattern=pattern)
    assert by_all(raw(path)) == Facts("anna", "day9", "carl_s7_t3", None, camera, 0.5)
    by_options = FactFinder(subject="dora", pattern=pattern)
    assert by_options(raw(path)) == Facts("dora", "day2", "carl_s7_t3", None, camera, 0.5)
    by_sidecar = FactFinder(pattern=pattern)
    assert by_sidecar(raw(path)) == Facts("bob", "day2", "carl_s7_t3", None, camera, 0.5)
    Sidecar.path_for(path).unlink()
    assert FactFinder(pattern=pattern)(raw(path)) == Facts("carl", "s7", "t3")
    assert FactFinder(pattern=pattern, take="w1")(raw(path)) == Facts("carl", "s7", "w1")
    with pytest.raises(IngestError, match="nobody says who walked"):
        FactFinder()(raw(path))


@pytest.mark.parametrize(("pattern", "name", "expected"), [
    ("{subject}", "anna", Facts("anna", "s1", "anna")),
    ("{subject}_{session}_{take}", "a_b_c_d", Facts("a", "b", "c_d")),
    ("walk-{take}.{subject}", "walk-2.anna", Facts("anna", "s1", "2")),
    ("{session}_p{subject}", "day1_p07", Facts("07", "day1", "day1_p07")),
])
def test_patterns_name_parts(pattern: str, name: str, expected: Facts, tmp_path: Path) -> None:
    assert FactFinder(pattern=pattern)(RawRecording(name, (tmp_path / "x.bin",))) == expected


def test_wrong_patterns_and_names_are_refused(tmp_path: Path) -> None:
    for pattern in ("{subject}_{day}", "{session}", "{subject}{subject}", "anna", "{}_{subject}"):
        with pytest.raises(IngestError, match="not a pattern of file names"):
            FactFinder(pattern=pattern)
    with pytest.raises(IngestError, match="does not fit the pattern"):
        FactFinder(pattern="{subject}_{take}")(raw(tmp_path / "anna.bin"))


def test_a_broken_sidecar_is_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    Sidecar.path_for(path).write_text('{"subjct": "anna"}')
    with pytest.raises(ConfigError, match="subjct"):
        FactFinder(subject="anna")(raw(path))


def test_split_files_are_one_recording_in_numeric_order() -> None:
    folder = Path("d")
    shuffled = [10, 2, 0, 1, 3, 9, 4, 8, 5, 7, 6]
    paths = [folder / f"walk_Raw_{k}.bin" for k in shuffled]
    paths += [folder / "t_1.bin", folder / "t_2.bin", Path("e/walk_Raw_0.bin"), folder / "t_1.bin"]
    assert group_files(paths) == [
        RawRecording("walk", tuple(folder / f"walk_Raw_{k}.bin" for k in range(11))),
        RawRecording("t_1", (folder / "t_1.bin",)),
        RawRecording("t_2", (folder / "t_2.bin",)),
        RawRecording("walk", (Path("e/walk_Raw_0.bin"),)),
    ]


def test_a_forgotten_part_is_noticed(tmp_path: Path) -> None:
    paths = [tmp_path / f"walk_Raw_{k}.bin" for k in range(3)]
    for path in paths:
        path.touch()
    (tmp_path / "other_Raw_7.bin").touch()
    check_series(*group_files(paths))
    for some in (paths[:2], paths[1:], [paths[0], paths[2]], paths[:1]):
        with pytest.raises(IngestError, match="some are missing.*expected numbers 0 to 2"):
            check_series(*group_files(some))
    paths[1].unlink()
    with pytest.raises(IngestError, match="some are missing"):
        check_series(*group_files([paths[0], paths[2]]))
