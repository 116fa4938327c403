"""MediaPipe's network on real photos gives the tables that lie beside them (POSE_TEACHER_MODEL names its file)."""

import os
from pathlib import Path

import numpy as np
import pytest

from engine.crop import box_around
from train.teachers.annotation import believed, depth_of
from train.teachers.blazepose import SIDE_PX, TORSO, BlazePose, look
from train.teachers.photo_tables import TeacherTable, read_photos
from train.teachers.region import region_around

PHOTOS = int(os.environ.get("TEACHER_PHOTOS", "40"))


@pytest.fixture(scope="module")
def network():
    path = os.environ.get("POSE_TEACHER_MODEL")
    if path is None:
        if os.environ.get("REQUIRE_TEACHER") == "1":
            pytest.fail("REQUIRE_TEACHER=1, but POSE_TEACHER_MODEL names no file")
        pytest.skip("no teacher network")
    return BlazePose(Path(path))


def columns(folder, name):
    """The given tables: what the network said, and depth."""
    tables = {}
    for part in ("joints", "depth", "teacher"):
        path = folder / f"{name}_{part}.npz"
        if path.is_file():
            with np.load(path) as table:
                tables |= {key: table[key] for key in table.files}
    return tables


@pytest.mark.parametrize("name", ["lspet", "everyday", "coco_new"])
def test_points_and_depth_are_those_of_the_given_tables(name, network, shared_data):
    folder = shared_data / "labelled2d" / name
    (photos,), given = read_photos(folder), columns(folder, name)
    given_px = given["px33"].astype(np.float64)
    seen = np.flatnonzero(np.isfinite(given_px).all(axis=(1, 2)))
    rows = np.sort(np.random.default_rng(0).choice(seen, PHOTOS, replace=False))
    said, apart, sides = TeacherTable.empty(photos.images, network.name), [], []
    for row, image in photos.pictures(rows):
        region = region_around(photos.joints_px[row])
        points = look(network, image, region)
        said.put(row, points)
        torso_px = np.linalg.norm(given_px[row, TORSO[0]] - given_px[row, TORSO[1]])
        # whoever made the tables took the network's y for the place of a pixel's centre: half a pixel of the crop
        half = -region.up * region.side_px / SIDE_PX / 2
        own = [np.linalg.norm(points.px - given_px[row] + shift, axis=1) for shift in (half, 0 * half)]
        apart.append(np.median(own, axis=1) / torso_px)
        sides.append(box_around(photos.joints_px[row][np.isfinite(photos.joints_px[row]).all(axis=1)]).side_px)
    as_made, plain = np.median(apart, axis=0)
    depth_px, _ = depth_of(photos, said)
    weight, given_weight = believed(photos, said)[rows], given["depth_weight"][rows] > 0
    both = weight & given_weight
    off = (np.abs(depth_px - given["rel_depth_px"])[rows] / np.array(sides)[:, None])[both]
    labelled = np.isfinite(photos.joints_px[rows]).all(axis=2)
    same = (weight == given_weight)[labelled].mean()
    print(
        f"\n{name}, {len(rows)} photos: points {100 * as_made:.2f} % torso apart "
        f"({100 * plain:.2f} % with the half pixel), "
        f"depth {100 * np.median(off):.2f} % of the box (p90 {100 * np.quantile(off, 0.9):.2f}), weights agree in "
        f"{100 * same:.1f} % of the labelled joints"
    )
    assert as_made < 0.02
    assert plain < 0.03
    assert np.median(off) < 0.01
    assert same > 0.85
