"""The live page in a real browser, headless: what a person would see of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from emulation import own_link
from headless import Page, browser, find_browser
from live_students import write_run
from made_up_snapshots import LAST, NOBODY, still
from walk_files import write_walk

from radarid.live.dashboard.server import Dashboard
from radarid.live.snapshot import Health, Snapshot

PROGRAM = find_browser()
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="no Chromium here (apt-get install chromium)"
)
LEFT, RIGHT, TOP, BOTTOM = 38, 8, 6, 20  # margins of a picture, in pixels
DARK, BRIGHT, GREY = [0, 0, 4], [252, 253, 191], [125, 139, 152]  # ends of magma; lost
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    assert PROGRAM is not None
    with browser(PROGRAM, tmp_path_factory.mktemp("profile")) as tab:
        yield tab


def show(page: Page, dashboard: Dashboard, snapshot: Snapshot) -> None:
    """Publish a snapshot, wait until the page shows it, and until its picture stands still."""
    dashboard.show(snapshot)
    page.wait_for(f"document.documentElement.dataset.number === '{snapshot.number}'")
    page.evaluate("new Promise((done) => setTimeout(done, 600))")


def text(page: Page, selector: str) -> str:
    return str(page.evaluate(f"document.querySelector({selector!r}).innerText"))


def pixel(page: Page, name: str, ago_s: float, share: float) -> list[int]:
    """Colour of a picture, so long before its newest moment and so far up its axis."""
    return list(page.evaluate(f"""(() => {{
        const canvas = document.getElementById({name!r}), ratio = window.devicePixelRatio;
        const width = canvas.clientWidth, height = canvas.clientHeight;
        const x = width - {RIGHT} - {ago_s} * (width - {LEFT + RIGHT}) / 10;
        const y = height - {BOTTOM} - {share} * (height - {TOP + BOTTOM});
        const found = canvas.getContext("2d").getImageData(x * ratio, y * ratio, 1, 1).data;
        return Array.from(found).slice(0, 3);
    }})()"""))


def test_pictures_show_the_body_the_noise_and_the_loss(page: Page) -> None:
    with Dashboard(port=0) as dashboard:
        page.open(dashboard.url)
        show(page, dashboard, still(1, lost_s=(4.0, 5.0)))
        # Pictures stop at the newest frame, at 8 s. The body is 3 m far in bins of
        # 62.5 mm up to 7.9375 m, that is at 3.03125 of 8 m; and it stands, at 128 of 256 bins.
        for name, body in (("range-time", 3.03125 / 8), ("spectrogram", 0.5)):
            assert pixel(page, name, 2.0, body) == pytest.approx(BRIGHT, abs=25)  # 0 has a line
            assert pixel(page, name, 7.0, body) == pytest.approx(BRIGHT, abs=25)
            assert pixel(page, name, 2.0, 0.82) == pytest.approx(DARK, abs=6)
            assert pixel(page, name, 3.5, 0.82) == pytest.approx(GREY, abs=6)  # at 4.5 s
            assert pixel(page, name, 3.5, body) == pytest.approx(GREY, abs=25)
    assert not page.errors


def test_decision_reception_and_history_are_told(page: Page) -> None:
    with Dashboard(port=0) as dashboard:
        page.open(dashboard.url)
        show(page, dashboard, still(2))
        decision = text(page, "#decisions")
        assert "alice" in decision
        assert "score +4.25, 2.25 over the threshold" in decision
        assert "second +1.50, 2.8 behind" in decision
        assert "walker 7: 5 clips, away, 3.0 m" in decision
        assert text(page, "#state") == "receiving"
        assert text(page, "#known") == "3 people known"
        assert "packets / s\t2310" in text(page, "#health")
        assert "packet to decision\t19 ms" in text(page, "#latency")
        unknown = replace(LAST, track=8, answer="unknown", best="bob", score=-0.5)
        silent = Health("silent", silence_s=3.4, recent_loss=0.2)
        show(page, dashboard, still(3, 9.0, [unknown], health=silent))
        assert "nearest is bob, score −0.50, 2.50 under the threshold" in text(page, "#decisions")
        assert text(page, "#state") == "silent for 3 s"
        assert "chirps lost now\t20.0 %" in text(page, "#health")
        rows = [row.split("\t")[2] for row in text(page, "#visits tbody").splitlines()]
        assert rows == ["unknown (nearest: bob)", "alice"]
        show(page, dashboard, still(4, 10.0, [NOBODY]))
        assert text(page, "#decisions").splitlines() == ["not enough signal", "nobody walks"]
        page.open(dashboard.url)  # whoever comes later sees the history, too
        page.wait_for("document.querySelectorAll('#visits tbody tr').length === 2")
    assert not page.errors


def test_a_hostile_name_is_only_text(page: Page) -> None:
    with Dashboard(port=0) as dashboard:
        page.open(dashboard.url)
        named = replace(LAST, answer=HOSTILE, best=HOSTILE)
        show(page, dashboard, replace(still(5, decisions=[named]), subjects=(HOSTILE,)))
        assert HOSTILE in text(page, "#decisions")
        assert HOSTILE in text(page, "#visits")
        assert page.evaluate("document.title") == "radarid"
        assert page.evaluate("document.querySelectorAll('img').length") == 0
    assert not page.errors


def test_the_page_says_when_it_is_cut_off_and_comes_back_by_itself(page: Page) -> None:
    with Dashboard(port=0) as dashboard:
        page.open(dashboard.url)
        show(page, dashboard, still(6))
        assert page.evaluate("document.getElementById('lost').hidden")
        port = int(dashboard.url.split(":")[2].rstrip("/"))
    page.wait_for("!document.getElementById('lost').hidden")
    with Dashboard(port=port) as dashboard:
        other = replace(LAST, track=0, answer="carol", best="carol")
        show(page, dashboard, still(0, 4.0, [other]))
        page.wait_for("document.getElementById('lost').hidden")
        assert "carol" in text(page, "#decisions")
        rows = [row.split("\t")[2] for row in text(page, "#visits tbody").splitlines()]
        assert rows == ["carol"]
        assert pixel(page, "range-time", 7.0, 0.82) == pytest.approx([10, 13, 17], abs=3)
    page.errors.clear()  # the browser notes every connection that was refused


def test_a_token_opens_the_page_and_leaves_the_address(page: Page) -> None:
    with Dashboard(port=0, token="a-token-of-more-than-20-letters") as dashboard:
        page.open(dashboard.url.partition("?")[0])
        page.wait_for("document.body && document.body.innerText.startsWith('401')")
        page.errors.clear()
        page.open(dashboard.url)
        show(page, dashboard, still(7))
        assert page.evaluate("location.href") == dashboard.url.partition("?")[0]
        assert page.evaluate("document.cookie") == ""  # out of a script's reach
        assert "alice" in text(page, "#decisions")
    assert all("status of 401" in error for error in page.errors)
    page.errors.clear()


@pytest.mark.slow
def test_a_radar_is_seen_through_the_command(page: Page, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    walk = write_walk(tmp_path / "raw", "w1")
    link = own_link()
    wiring = ["--dca", link.dca1000, "--config-port", link.config_port,
              "--data-port", link.data_port]  # fmt: skip
    with started("dashboard", "--run", run, "--web", 0, "--interface", link.host, "--passive",
                 *wiring) as live:  # fmt: skip
        url = line_with("live page: ", live).split()[-1]
        line_with("listening", live)
        page.open(url)
        page.wait_for("document.getElementById('state').innerText === 'waiting'")
        with started("emulate", walk, "--host", link.host, "--start-now", "--loop", *wiring):
            page.wait_for("document.querySelectorAll('#visits tbody tr').length > 0")
            page.wait_for("document.getElementById('state').innerText === 'receiving'")
            assert "walker 0" in text(page, "#decisions")
            assert "frames with losses\t0 of" in text(page, "#health")
        live.send_signal(signal.SIGINT)
        assert live.wait(30) == 0
    page.wait_for("!document.getElementById('lost').hidden")


@contextmanager
def started(*command: object) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-m", "radarid", *map(str, command)]
    with subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line_with(words: str, process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return line
    raise AssertionError(f"ended without saying {words!r}")
