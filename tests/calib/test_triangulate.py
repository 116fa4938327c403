"""Four ways to a point from two rays."""

import cv2
import numpy as np
import pytest
from scipy.optimize import minimize

from calib.triangulate import midpoints, polynomial, triangulated
from tests.calib.walker import Clip, Noise, Walker, make_pair, spread_times


def two_views(noise_px, frames=40):
    cameras = make_pair()
    clip = Clip(Walker(2), cameras, spread_times(frames, 10.0), Noise(noise_px, 0.0))
    tracks = clip.tracks()
    rays = np.stack([tracks[name].rays(camera).reshape(-1, 2) for name, camera in cameras.items()])
    poses = np.stack([camera.cam_from_world for camera in cameras.values()])
    return rays, poses, clip.truth_m().reshape(-1, 3)


@pytest.mark.parametrize("method", [triangulated, midpoints, polynomial])
def test_without_noise_every_way_is_exact_and_what_is_not_seen_is_nan(method):
    rays, poses, truth_m = two_views(0.0)
    rays[1, 3] = np.nan
    points_m = method(rays, poses)
    assert np.isnan(points_m[3]).all()
    seen = np.isfinite(rays).all((0, 2))
    assert np.isnan(points_m[~seen]).all()
    assert np.abs(points_m[seen] - truth_m[seen]).max() < 1e-6


def test_with_noise_the_ways_differ_by_less_than_a_millimetre():
    rays, poses, truth_m = two_views(3.0)
    seen = np.isfinite(rays).all((0, 2))
    errors_mm = [
        1000 * np.linalg.norm(method(rays, poses) - truth_m, axis=1)[seen].mean()
        for method in (triangulated, midpoints, polynomial)
    ]
    assert min(errors_mm) > 10
    assert np.ptp(errors_mm) < 1


def test_the_polynomial_way_moves_the_pixels_least():
    rays, poses, _ = two_views(3.0, frames=4)
    good = np.flatnonzero(np.isfinite(rays).all((0, 2)))[:6]
    points = polynomial(rays, poses)

    def cost(point, i):
        at = point @ poses[:, :3, :3].transpose(0, 2, 1) + poses[:, :3, 3]
        return 1e6 * ((at[:, :2] / at[:, 2:] - rays[:, i]) ** 2).sum()

    for i in good:
        best = minimize(cost, points[i], (i,), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9})
        assert cost(points[i], i) <= best.fun * (1 + 1e-4) + 1e-6


def test_the_linear_way_is_opencvs():
    rays, poses, _ = two_views(2.0)
    seen = np.isfinite(rays).all((0, 2))
    found = cv2.triangulatePoints(poses[0, :3], poses[1, :3], rays[0, seen].T, rays[1, seen].T)
    assert triangulated(rays, poses)[seen] == pytest.approx((found[:3] / found[3]).T, abs=1e-6)


def test_a_weight_moves_the_point_towards_the_surer_ray():
    rays, poses, _ = two_views(3.0)
    seen = np.isfinite(rays).all((0, 2))
    weights = np.ones(rays.shape[:2])
    weights[0] = 10.0

    def miss_of_first(points):
        at = points @ poses[0, :3, :3].T + poses[0, :3, 3]
        return np.linalg.norm(at[seen, :2] / at[seen, 2:] - rays[0, seen], axis=1).mean()

    assert miss_of_first(triangulated(rays, poses, weights)) < 0.1 * miss_of_first(triangulated(rays, poses))
    assert triangulated(rays, poses, np.full(rays.shape[:2], 7.0))[seen] == pytest.approx(
        triangulated(rays, poses)[seen], abs=1e-9
    )
