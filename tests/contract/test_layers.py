"""The order of the layers and the doors of the heavy libraries, checked by reading the imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = ("capture", "radarid.dsp", "radarid.data", "radarid.learn", "radarid.live",
          "radarid.bench", "radarid.cli")
SHARED = {"radarid", "radarid.config", "radarid.errors", "radarid.seeding", "radarid.provenance",
          "radarid.progress", "radarid.garbage"}
DOORS = {
    "numba": ("radarid/dsp/kernels", "capture/simulate/synthesis.py"),
    "h5py": ("radarid/data/store", "radarid/live/gallery_file.py"),
    "cv2": ("capture/camera/reader.py", "capture/camera/live.py", "radarid/learn/facenet_graph.py"),
    "facenet_pytorch": ("capture/camera/faces.py", "radarid/learn/teacher.py"),
    "mmwave": ("capture/vendor.py", "radarid/bench/contenders.py"),
    "pymmWave": ("capture/vendor.py",),
    "serial": ("capture/dca1000/radar_cli.py",),
    "torch": (
        "radarid/learn/", "radarid/live/", "capture/camera/faces.py",
        "capture/camera/torchvision_guard.py", "radarid/bench/contenders_tiles.py",
    ),
    "onnxruntime": ("radarid/live/onnx_session.py",),
    "openvino": ("radarid/live/openvino_session.py",),
    "tornado": ("radarid/live/dashboard/",),
    "torchvision": ("radarid/learn/", "capture/camera/torchvision_guard.py"),
}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            for name in node.names:
                yield node.lineno, f"{node.module}.{name.name}"


def layer_of(module: str) -> int | None:
    for rank in reversed(range(len(LAYERS))):
        if module == LAYERS[rank] or module.startswith(LAYERS[rank] + "."):
            return rank
    return None


FILES = sorted([*ROOT.glob("capture/**/*.py"), *ROOT.glob("radarid/**/*.py")])


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down_the_layers_and_through_the_doors(path: Path) -> None:
    place = path.relative_to(ROOT).as_posix()
    module = place.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    own = layer_of(module)
    wrong = []
    for line, name in imports(path):
        target = layer_of(name)
        if target is not None and own is not None and target > own:
            wrong.append(f"{place}:{line}: {LAYERS[own]} imports {name} from above")
        if own == 0 and name.partition(".")[0] == "radarid":
            wrong.append(f"{place}:{line}: capture imports {name}")
        if own is None and module in SHARED - {"radarid"} and target not in (None, 0):
            wrong.append(f"{place}:{line}: shared module imports layer {name}")
        doors = DOORS.get(name.partition(".")[0])
        if doors is not None and not place.startswith(doors):
            wrong.append(f"{place}:{line}: {name} may only be imported in {', '.join(doors)}")
    assert not wrong, "\n".join(wrong)


def test_every_module_belongs_to_a_layer() -> None:
    places = (p.relative_to(ROOT).as_posix().removesuffix(".py") for p in FILES)
    modules = {place.replace("/", ".").removesuffix(".__init__") for place in places}
    strays = {module for module in modules if layer_of(module) is None}
    assert strays <= SHARED | {"radarid.__main__"}


def test_the_walk_sees_an_upward_import(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("def f():\n    from radarid.live import engine\n    import numba.core\n")
    assert (2, "radarid.live") in set(imports(bad))
    assert (3, "numba.core") in set(imports(bad))
    assert layer_of("radarid.live") == 4
