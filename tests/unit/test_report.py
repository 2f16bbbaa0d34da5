"""Reports: pages that need nothing else and say what the numbers say; Grad-CAM's closed form."""

from __future__ import annotations

import base64
import json
import stat
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch.nn import functional
from toy_store import make_store
from typer.testing import CliRunner

from radarid import config as configs
from radarid.cli import app
from radarid.errors import RunError
from radarid.learn.config import TrainConfig
from radarid.learn.evaluate import evaluate
from radarid.learn.probes import Probes, read_predictions
from radarid.learn.report import page, write_report
from radarid.learn.report.examples import Decisions
from radarid.learn.report.figures import embedding_map, retrieval
from radarid.learn.report.grad_cam import grad_cam
from radarid.learn.students import BACKBONES, build_student
from radarid.learn.trainer import train

QUICK = (
    "model.input.size=32", "model.student=mobilenet_v2", "optim.n_epochs=1", "optim.batch_size=16",
)  # fmt: skip


def evaluated(folder: Path, *changes: str) -> Path:
    store = make_store(folder / "gait.h5", n_people=4, n_walks=4, n_clips=2)
    overrides = [*QUICK, *changes]
    train(store, folder / "run", configs.load(TrainConfig, "train", "baseline", overrides))
    evaluate(folder / "run", control=False)
    return folder / "run"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return evaluated(tmp_path_factory.mktemp("one"), 'split.unknown_subjects=["p3"]')


class Seen(HTMLParser):
    """Every address that a page refers to, and its tags."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [str(v) for k, v in attrs if k in ("src", "href", "data", "action")]


def test_a_run_page_needs_nothing_and_shows_its_scores(run: Path) -> None:
    path = write_report(run)
    assert path == run / "report.html"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    document = path.read_text()
    seen = Seen(document)
    assert seen.addresses
    assert all(address.startswith("data:image/") for address in seen.addresses)
    assert not {"script", "link", "iframe", "object"} & set(seen.tags)
    assert "url(" not in document
    scores = json.loads((run / "evaluation.json").read_text())
    for value in (scores["clips"]["accuracy"], scores["walks"]["accuracy"],
                  scores["worst_subject"]["recall"], scores["retrieval"]["eer"]):  # fmt: skip
        assert f"<b>{value:.1%}</b>" in document
    assert f"{scores['calibration']['before']['ece']:.3f}" in document
    # Training, people, confusion, templates, reliability, map, and examples right or wrong.
    assert len(seen.addresses) in (7, 8)
    for address in seen.addresses:
        data = base64.b64decode(address.partition("base64,")[2])
        assert data[:4] == b"\x89PNG" or b"<svg" in data
        assert b"http-equiv" not in data


def test_the_same_run_gives_the_same_page(run: Path, tmp_path: Path) -> None:
    pages = [write_report(run, tmp_path / f"{k}.html").read_bytes() for k in range(2)]
    assert pages[0] == pages[1]


def test_people_enrolled_later_are_decided_by_template(tmp_path: Path) -> None:
    folder = evaluated(tmp_path, 'split.protocol="subject"', "split.test_fraction=0.5")
    probes, _ = read_predictions(folder)
    assert probes.templates is not None
    assert probes.templates.shape[0] == len(probes.subjects) == 2
    unit = probes.embeddings / np.linalg.norm(probes.embeddings, axis=1, keepdims=True)
    likeness = unit @ probes.templates.T  # templates have length 1
    assert np.allclose(Decisions(probes, ()).confidence, likeness.max(1), atol=1e-6)
    document = write_report(folder).read_text()
    assert "enrolled after the training" in document
    assert "How sure it may be" not in document


def test_a_store_that_is_gone_is_said(run: Path, tmp_path: Path) -> None:
    path = write_report(run, tmp_path / "page.html", store=tmp_path / "gone.h5")
    assert "not at " in path.read_text()


def test_what_is_no_run_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="neither a run nor a comparison"):
        write_report(tmp_path)
    (tmp_path / "config.json").write_bytes((run / "config.json").read_bytes())
    with pytest.raises(RunError, match="not evaluated yet"):
        write_report(tmp_path)


def test_the_command(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["report", str(run), "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"report": str(out), "bytes": out.stat().st_size}


def test_names_cannot_write_html() -> None:
    bad = '<img src=x onerror="alert(1)">&'
    document = page.page(
        bad, bad, page.section(bad, page.text(bad), page.table([bad], [[bad], [f"**{bad}**"]])),
        page.tiles([(bad, bad, bad)]), page.folded(bad), page.picture(Figure(), bad, bad),
    )  # fmt: skip
    seen = Seen(document)
    assert seen.tags.count("img") == 1  # the figure
    assert all(address.startswith("data:") for address in seen.addresses)
    assert page.section("nothing", "") == ""


def test_examples_are_the_surest_of_each_person() -> None:
    # Person 0 is right with odds of e^2 and e^3, person 1 wrong with e^1 and right with e^4.
    logits = np.array([[2, 0], [3, 0], [1, 0], [0, 4]], np.float32)
    probes = Probes(
        subjects=("a", "b"), rows=np.arange(4), labels=np.array([0, 0, 1, 1]),
        captures=np.arange(4), groups=np.arange(4), logits=logits, embeddings=logits,
    )  # fmt: skip
    decisions = Decisions(probes, ("a", "b"))
    assert decisions.examples(right=True).tolist() == [3, 1]
    assert decisions.examples(right=False).tolist() == [2]
    assert decisions.confidence[1] == pytest.approx(np.exp(3) / (1 + np.exp(3)))


def test_grad_cam_of_a_pooled_linear_classifier_is_its_class_map() -> None:
    # ResNet18 pools its last maps A_k (means) and classifies linearly, so the slope of logit c by
    # any place of A_k is W[c, k] / places: Zhou et al.'s class activation map, exactly.
    torch.manual_seed(0)
    student = build_student("resnet18", "repeat", 3).eval()
    images = torch.randint(0, 256, (2, 96, 96), dtype=torch.uint8)
    with torch.no_grad():
        maps = functional.relu(student.observe(images, ["layer4"])[2]["layer4"])
    assert maps.shape == (2, 512, 3, 3)
    for person in range(3):
        found = grad_cam(student, images, lambda embedding, logits, c=person: logits[:, c])
        weights = student.classifier.weight[person].detach() / 9
        expected = functional.relu(torch.einsum("k,nkhw->nhw", weights, maps))
        large = functional.interpolate(expected[:, None], size=(96, 96), mode="bilinear")[:, 0]
        most = large.amax((1, 2), keepdim=True)
        large = large / torch.where(most > 0, most, 1)
        assert np.allclose(found, large.numpy(), atol=1e-4)
        assert found.min() >= 0
        assert found.max() == pytest.approx(1) or not found.any()


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_grad_cam_of_every_student_keeps_its_place(name: str) -> None:
    torch.manual_seed(0)
    student = build_student(name, "repeat", 2).eval()
    images = torch.randint(0, 256, (1, 64, 64), dtype=torch.uint8)
    heat = grad_cam(student, images, lambda embedding, logits: embedding.norm(dim=1))
    assert heat.shape == (1, 64, 64)
    assert np.isfinite(heat).all()
    assert 0 <= heat.min() <= heat.max() <= 1
    assert all(parameter.grad is None for parameter in student.parameters())


def test_curves_carry_the_numbers() -> None:
    scores = {
        "cmc": [0.5, 0.75, 1.0], "det": {"far": [0.0, 0.25, 1.0], "frr": [1.0, 0.25, 0.0]},
        "eer": 0.25, "n_genuine": 4, "n_impostor": 8,
    }  # fmt: skip
    left, right = retrieval(scores).axes
    assert left.lines[0].get_ydata().tolist() == [50, 75, 100]
    # On normal deviates; 0 is drawn at half a genuine (1/8) or impostor score (1/16).
    x, y = right.lines[0].get_data()
    assert x == pytest.approx([-1.5341, -0.6745, 1.5341], abs=1e-4)
    assert y == pytest.approx([1.1503, -0.6745, -1.1503], abs=1e-4)


def test_the_map_draws_every_clip_and_marks_errors() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 4)
    embeddings = np.eye(8)[labels] + 0.1 * rng.normal(size=(12, 8))
    right = np.arange(12) != 5
    axes = embedding_map(embeddings, labels, right, ("a", "b", "c")).axes[0]
    drawn = [len(points.get_offsets()) for points in axes.collections]
    assert drawn == [4, 0, 3, 1, 4, 0]  # right and wrong, person by person
