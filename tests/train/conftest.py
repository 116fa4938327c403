import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.crop import box_around, camera_matrix
from train.datasets.sample import Sample


@pytest.fixture
def stick_figure():
    """Makes a sample: 16 coloured dots on a plain picture, so that pixels tell where joints are."""

    def make(seed: int = 0, *, depth: bool = True) -> Sample:
        rng = np.random.default_rng(seed)
        px = rng.uniform(60, 240, (16, 2)).astype(np.float32)
        image = np.full((300, 320, 3), 60, np.uint8)
        for x, y in px:
            cv2.circle(image, (round(float(x)), round(float(y))), 3, (255, 255, 255), -1)
        jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
        relative = rng.normal(0, 0.05, 16).astype(np.float32) * depth
        relative[6] = 0
        weight = np.ones((16, 3), np.float32)
        weight[:, 2] = depth
        K = camera_matrix(320, 300, fov_deg=60)
        return Sample(f"stick {seed}", jpeg, K, px, relative, weight, box_around(px.astype(np.float64)))

    return make


@pytest.fixture
def tiny_lsp(tmp_path):
    """Three photos in the layout of LSP extended; the second lacks its right hip, the third nearly everything."""
    joints = lsp_joints(3)
    joints[1, 2] = (np.nan, np.nan, 0)
    joints[2, 3:] = (np.nan, np.nan, 0)
    write_lsp(tmp_path, joints)
    return tmp_path, joints


@pytest.fixture
def small_lsp(tmp_path):
    """Enough photos to train and be judged on, all fully labelled."""
    folder = tmp_path / "small"
    folder.mkdir()
    write_lsp(folder, lsp_joints(200))
    return folder


def lsp_joints(count: int) -> np.ndarray:
    places = np.random.default_rng(0).uniform(20, 180, (count, 14, 2))
    return np.concatenate([places, np.ones((count, 14, 1))], axis=2).astype(np.float32)


def write_lsp(folder: Path, joints: np.ndarray) -> None:
    """Joints and photos in the layout of LSP extended: `a_joints.npz` and a zip."""
    noise = np.random.default_rng(1).integers(0, 255, (50, 50, 3), dtype=np.uint8)
    jpeg = cv2.imencode(".jpg", cv2.resize(noise, (200, 200)))[1].tobytes()
    names = np.array([f"a/{i}.jpg" for i in range(len(joints))])
    with zipfile.ZipFile(folder / "a_00.zip", "w") as archive:
        for name in names:
            archive.writestr(str(name), jpeg)
    np.savez(folder / "a_joints.npz", zip=np.array(["a_00.zip"] * len(joints)), image=names, joints=joints)
