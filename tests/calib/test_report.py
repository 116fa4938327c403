import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from calib import report_page
from calib.camera import Camera, rigid
from calib.predicted import WORST_MM, Volume, mm_per_px, sees, volume_of
from calib.report import CameraReport, PairReport, ReportData, ScaleReport, ViewReport, as_json, write_report
from calib.rig import Quality, Rig
from calib.verdict import Reason, Verdict

TARGET = np.array([1.2, 3.0, 0.9])
LARGEST_PAGE = 1_500_000


def look_at(center_m, target_m=TARGET):
    """cam_from_world of a camera that stands here and looks there, upright."""
    z = np.asarray(target_m) - center_m
    z = z / np.linalg.norm(z)
    x = np.cross(z, [0, 0, 1.0])
    x = x / np.linalg.norm(x)
    R = np.stack([x, np.cross(z, x), z])
    return rigid(R, -R @ np.asarray(center_m))


def room(count: int = 2, *, metric: bool = True) -> Rig:
    centers = [(0.0, 0.0, 1.4), (2.6, 0.4, 1.6), (2.6, 5.0, 2.0), (0.0, 5.5, 1.0)][:count]
    lens = replace(Camera.from_fov(1280, 720, 70), dist=np.array([-0.12, 0.05, 0.001, 0, 0]), assumed=False)
    cameras = {f"cam{i}": replace(lens, cam_from_world=look_at(np.array(c))) for i, c in enumerate(centers)}
    return Rig(cameras, quality=Quality("green", (), "board", metric, 0.2))


def views(count: int, seed: int = 0) -> tuple[ViewReport, ...]:
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(9), np.arange(6)), -1).reshape(-1, 2) * 45.0
    seen = [grid + rng.uniform((0, 0), (900, 480)) for _ in range(count)]
    return tuple(ViewReport(f"{k:02d}.png", px, rng.normal(0, 0.2, px.shape), k % 7 != 3) for k, px in enumerate(seen))


def full(count: int = 2, pictures: int = 12) -> ReportData:
    rig = room(count)
    sigma = {"fx_px": 0.7, "fy_px": 0.71, "cx_px": 0.5, "cy_px": 0.5}
    cameras = tuple(CameraReport(name, camera, views(pictures), sigma) for name, camera in rig.cameras.items())
    verdict = Verdict((Reason("green", "both stand above the floor"), Reason("yellow", "tape & rig differ by <1 %>")))
    scales = (ScaleReport("tape between the lenses", 2.61, 2.638, 0.01),)
    pairs = (PairReport("cam0", "cam1", 25, 0.24, 0.06, 0.002),)
    return ReportData("Two cameras <in a room>", verdict, cameras, rig, pairs, scales, made_at="2026-01-02")


def written(folder, report: ReportData) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in write_report(folder, report)}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, str]:
    return written(tmp_path_factory.mktemp("full"), full())


class Balance(HTMLParser):
    """Every element is closed, in order; void ones excepted."""

    def __init__(self):
        super().__init__()
        self.open, self.addresses, self.ids = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "br", "image", "use", "path", "rect"):
            self.open.append(tag)
        self.addresses += [value for key, value in attrs if key in ("src", "href", "xlink:href", "data", "action")]

    def handle_startendtag(self, tag, attrs):
        self.addresses += [value for key, value in attrs if key in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag):
        if tag in ("image", "use", "path", "rect"):
            return
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def test_the_page_stands_alone(files):
    page = files["report.html"]
    found = Balance()
    found.feed(page)
    assert found.open == []
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in found.addresses)
    assert "<script" not in page
    assert "url(http" not in page
    assert "@import" not in page
    assert page.count("<svg") == 2 + 2 * 3
    assert "prefers-color-scheme: dark" in page
    for used in set(re.findall(r"var\((--\w+)\)", page)):
        assert page.count(f"{used}:") == 2, f"{used} has a light and a dark value"


def test_the_page_of_four_cameras_with_forty_views_is_small(tmp_path):
    page = written(tmp_path, full(4, 40))["report.html"]
    assert len(page.encode()) < LARGEST_PAGE


def test_words_from_outside_cannot_become_markup(tmp_path):
    report = full()
    evil = replace(report.cameras[0], name="<b>&\"'", views=(replace(report.cameras[0].views[0], name="<i>.png"),))
    page = written(tmp_path, replace(report, cameras=(evil,)))["report.html"]
    assert "<in a room>" not in page
    assert "<1 %>" not in page
    assert "<i>.png" not in page
    assert "Camera &lt;b&gt;&amp;" in page


def test_the_light_and_its_reasons_come_first_and_the_worst_leads(files):
    page = files["report.html"]
    assert 'aria-label="yellow"' in page
    assert page.index('class="light"') < page.index("<h2>")
    assert page.index("tape &amp; rig differ") < page.index("both stand above")
    lines = files["report.txt"].splitlines()
    assert lines[3] == "YELLOW: usable, with this in mind"
    assert lines[4].startswith("  [yellow]")


def test_the_json_has_units_in_its_names_and_no_nan():
    report = full()
    empty = ViewReport("none.png", np.zeros((0, 2)), np.zeros((0, 2)), used=False)
    first = replace(report.cameras[0], views=(*report.cameras[0].views, empty))
    document = as_json(replace(report, cameras=(first,)))
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["schema"] == 1
    assert document["verdict"] == "yellow"
    assert document["reasons"] == ["tape & rig differ by <1 %>"]
    camera = document["cameras"]["cam0"]
    assert camera["fx_px"] == pytest.approx(914.0, abs=0.1)
    assert camera["rms_px"] == pytest.approx(0.2 * 2**0.5, abs=0.02)
    assert (camera["views"], camera["views_used"]) == (13, 10)
    assert camera["per_view"][-1] == {"name": "none.png", "used": False, "corners": 0, "rms_px": None}
    pair = document["rig"]["pairs"][0]
    assert pair["baseline_m"] == pytest.approx(2.638, abs=1e-3)
    assert pair["rotation_deg"] == pytest.approx(50.3, abs=0.1)
    assert document["rig"]["scale"][0]["difference_percent"] == pytest.approx(1.07, abs=0.01)
    volume = document["rig"]["volume"]
    assert volume["mm_per_px_p05"] < volume["mm_per_px_p50"] < volume["mm_per_px_p95"]


def test_rms_and_coverage_count_only_used_views():
    corners = np.array([[10.0, 10.0], [630.0, 470.0]])
    good = ViewReport("a", corners, np.array([[0.3, 0.4], [0.3, 0.4]]))
    bad = ViewReport("b", np.array([[300.0, 200.0]]), np.array([[30.0, 40.0]]), used=False)
    report = CameraReport("x", Camera.from_fov(640, 480, 60), (good, bad))
    assert report.rms_px == pytest.approx(0.5)
    assert report.coverage == pytest.approx(2 / 25)
    assert CameraReport("x", report.camera).rms_px is None


@pytest.mark.parametrize(
    "report",
    [
        ReportData("a lens alone", Verdict(), (CameraReport("webcam", Camera.from_fov(640, 480, 60), views(3)),)),
        ReportData("nothing was found", Verdict((Reason("red", "no board in any picture"),))),
        ReportData("no view used", Verdict(), (CameraReport("a", Camera.from_fov(64, 48, 60), views(4)[3:]),)),
        ReportData("a rig from a file", Verdict(), rig=room(metric=False), notes=("lengths taken as metres",)),
        ReportData("a rig of one", Verdict(), rig=Rig({"a": Camera.from_fov(640, 480, 60)})),
        ReportData("a rig of one in a world", Verdict(), rig=room(1)),
    ],
    ids=lambda report: report.title,
)
def test_parts_may_be_missing(tmp_path, report):
    files = written(tmp_path, report)
    assert all(report.title in text for text in files.values())
    assert json.loads(files["report.json"])["verdict"] == report.verdict.light


def test_lengths_of_a_rig_that_is_not_metric_are_marked(tmp_path):
    files = written(tmp_path, ReportData("imported", Verdict(), rig=room(metric=False)))
    assert "NOT METRIC" in files["report.txt"]
    assert "x, not metric" in files["report.html"]
    assert "1/1000 of the rig's unit (90 % in" in files["report.html"]
    assert json.loads(files["report.json"])["rig"]["metric"] is False


def test_a_lens_that_was_not_judged_is_not_called_green(tmp_path):
    lens = room().cameras["cam0"]
    cameras = (CameraReport("known", lens), CameraReport("guessed", replace(lens, assumed=True)))
    files = written(tmp_path, ReportData("two lenses", Verdict(), cameras))
    assert "Camera known: 1280x720, pinhole, given" in files["report.txt"]
    assert "Camera guessed: 1280x720, pinhole, assumed, not calibrated" in files["report.txt"]
    assert "assumed, not calibrated</b>" in files["report.html"]
    assert json.loads(files["report.json"])["cameras"]["guessed"]["verdict"] == "yellow"


def test_a_world_that_is_the_first_cameras_axes_has_no_floor(tmp_path):
    rig = room()
    first, second = rig.cameras.values()
    cameras = {
        "a": replace(first, cam_from_world=np.eye(4)),
        "b": replace(second, cam_from_world=rig.b_from_a("cam0", "cam1")),
    }
    report = ReportData("chain", Verdict(), rig=replace(rig, cameras=cameras))
    files = written(tmp_path, report)
    assert ">floor<" not in files["report.html"]
    assert json.loads(files["report.json"])["rig"]["volume"] is None


def test_without_matplotlib_the_page_says_that_it_has_no_plots(tmp_path, monkeypatch):
    monkeypatch.setattr(report_page, "find_spec", lambda name: None)
    page = written(tmp_path, full())["report.html"]
    assert "<svg" not in page
    assert report_page.NO_PLOTS.replace('"', "&quot;") in page or report_page.NO_PLOTS in page


def test_a_rig_on_a_table_is_mapped_where_its_cameras_look(tmp_path):
    low = {
        name: replace(camera, cam_from_world=look_at(np.array([x, 0, 0.2]), (0.1, 1.0, 0.2)))
        for (name, camera), x in zip(room().cameras.items(), (0.0, 0.2), strict=True)
    }
    page = written(tmp_path, ReportData("table", Verdict(), rig=replace(room(), cameras=low)))["report.html"]
    assert "z = 1.0 m, from above" not in page
    assert re.search(r"z = 0\.\d m, from above", page)


def test_plots_are_loaded_only_when_they_are_drawn():
    code = "import sys, calib.formats, calib.report, calib.report_page; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[2], timeout=60)


def test_two_writings_of_one_report_are_the_same_to_the_byte(tmp_path, files):
    assert written(tmp_path, full()) == files


def test_the_predicted_error_is_what_noise_does():
    rig, rng = room(), np.random.default_rng(1)
    for point in ([1.2, 3.0, 0.9], [0.8, 2.2, 1.4], [1.6, 4.0, 0.3]):
        rays = [
            camera.rays(camera.project((camera.R @ point + camera.t)[None]) + rng.normal(0, 1, (4000, 2)))
            for camera in rig.cameras.values()
        ]
        found = triangulated(rig, rays, np.array(point))
        error_mm = 1000 * np.sqrt(((found - point) ** 2).sum(axis=1).mean())
        assert mm_per_px(rig, np.array([point]))[0] == pytest.approx(error_mm, rel=0.05)


def triangulated(rig: Rig, rays, start_m):
    """Gauss-Newton on the rays in pixels, two steps from the truth: the maximum likelihood point."""
    points = np.tile(start_m, (len(rays[0]), 1))
    for _ in range(2):
        H, g = np.zeros((len(points), 3, 3)), np.zeros((len(points), 3))
        for camera, seen in zip(rig.cameras.values(), rays, strict=True):
            x, y, z = (points @ camera.R.T + camera.t).T
            zero = np.zeros_like(z)
            J = np.stack([np.stack([1 / z, zero, -x / z**2], -1), np.stack([zero, 1 / z, -y / z**2], -1)], 1) @ camera.R
            J, residual = 914 * J, 914 * (seen - np.stack([x / z, y / z], -1))
            H += J.transpose(0, 2, 1) @ J
            g += (J.transpose(0, 2, 1) @ residual[..., None])[..., 0]
        points = points + np.linalg.solve(H, g[..., None])[..., 0]
    return points


def test_a_point_that_one_camera_sees_has_no_prediction():
    rig = room()
    behind = np.array([[1.2, -4.0, 1.0], [1.2, 3.0, 0.9], [40.0, 3.0, 1.0]])
    assert np.isnan(mm_per_px(rig, behind)).tolist() == [True, False, True]
    assert mm_per_px(rig, behind)[1] < 30


def test_two_cameras_at_one_place_promise_nothing():
    camera = room().cameras["cam0"]
    rig = Rig({"a": camera, "b": camera})
    assert mm_per_px(rig, TARGET[None])[0] == WORST_MM


def test_strong_distortion_does_not_fold_far_points_into_the_picture():
    camera = replace(room().cameras["cam0"], dist=np.array([-0.4, 0.0, 0.0, 0.0, 0.0]))
    angles = np.deg2rad(np.linspace(0, 89, 90))
    points_cam = np.column_stack([np.sin(angles), 0 * angles, np.cos(angles)]) * 3
    seen = sees(camera, (points_cam - camera.t) @ camera.R)
    assert seen[0]
    assert not seen[45:].any()


def test_the_volume_is_where_the_cameras_look():
    volume = volume_of(room())
    np.testing.assert_allclose(volume.middle_m[:2], TARGET[:2], atol=1e-6)
    assert (volume.low_m[2], volume.high_m[2]) == (0.0, 2.2)
    parallel = Rig(
        {
            n: replace(Camera.from_fov(640, 480, 60), cam_from_world=look_at(np.array([x, 0, 1]), (x, 3, 1)))
            for n, x in (("a", 0.0), ("b", 0.5))
        }
    )
    assert volume_of(parallel).middle_m[1] == pytest.approx(3.0)


def test_a_volume_that_is_given_is_taken():
    volume = Volume(np.array([1.0, 2.0, 0.0]), np.array([1.5, 2.5, 1.0]))
    figures = as_json(replace(full(), volume=volume))["rig"]["volume"]
    assert (figures["low_m"], figures["high_m"]) == ([1, 2, 0], [1.5, 2.5, 1])
    assert figures["seen_by_two"] <= 1
