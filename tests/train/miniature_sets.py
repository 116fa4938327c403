"""Data sets in their official formats, a few pictures each: one drawn person, seen by real cameras' geometry."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from scipy.io import savemat

from calib.camera import Camera
from engine.skeleton import H36M17_TO_MPII16
from tests.train.miniature_studio import ANYBODY, CAMERAS, SIZE, Scene, drawn, person, studio

# where the 17 joints stand among Human3.6M's 32
H32 = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]


def h17(joints16: np.ndarray) -> np.ndarray:
    """mpii16 in Human3.6M's order; the spine between pelvis and thorax."""
    joints = np.zeros((17, joints16.shape[1]))
    joints[list(H36M17_TO_MPII16)] = joints16
    joints[7] = (joints16[6] + joints16[7]) / 2
    return joints


def as_studio_stores_it(camera: Camera) -> dict[str, object]:
    """An entry of cameras.pkl: R turns camera axes into the world's, T is the camera's place."""
    d = camera.dist
    return {
        "R": camera.R.T, "T": (-camera.R.T @ camera.t)[:, None],
        "f": np.diag(camera.K)[:2, None], "c": camera.K[:2, 2][:, None],
        "k": np.array([[d[0]], [d[1]], [d[4]]]), "p": np.array([[d[2]], [d[3]]]), "w": camera.width, "h": camera.height,
    }  # fmt: skip


def write_human36m(
    folder: Path,
    *,
    moments: int = 6,
    test_moments: int | None = None,
    actions=("Eating", "SittingDown"),
    seed: int = 0,
    scene: Scene = ANYBODY,
) -> Path:
    """Training subject S1 and test subject S9, moments at frames 1, 6, 11 ... of each action (S9: 1, 65, 129 ...)."""
    rng, cameras = np.random.default_rng(seed), scene.cameras
    inside = folder / "annotation_body3d" / "fps50"
    inside.mkdir(parents=True)
    table = {(s, name): as_studio_stores_it(camera) for s in ("S1", "S9") for name, camera in cameras.items()}
    (folder / "annotation_body3d" / "cameras.pkl").write_bytes(pickle.dumps(table, protocol=2))
    for subject, part, step in (("S1", "train", 5), ("S9", "test", 64)):
        names, pixels, space = [], [], []
        for action in actions:
            for moment in range(moments if part == "train" or test_moments is None else test_moments):
                world = scene.pose(rng)
                for name, camera in cameras.items():
                    cam_m = world @ camera.R.T + camera.t
                    px = camera.project(cam_m)
                    recording = f"{subject}_{action}_1.{name}"
                    names.append(f"{subject}/{recording}/{recording}_{moment * step + 1:06d}.jpg")
                    pixels.append(np.column_stack([h17(px), np.ones(17)]))
                    space.append(np.column_stack([h17(cam_m), np.ones(17)]))
                    path = folder / "images" / names[-1]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(scene.draw(cam_m, camera, moment))
        np.savez(inside / f"h36m_{part}.npz", imgname=np.array(names), part=np.array(pixels), S=np.array(space))
    return folder


def _photos(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Pixels of people in photos of 250 x 252."""
    return [camera.project(joints_m) for joints_m, camera in _photographed(rng, count, ANYBODY)]


def _photographed(rng: np.random.Generator, count: int, scene: Scene) -> list[tuple[np.ndarray, Camera]]:
    """People in the axes of one of the studio's cameras, and that camera."""
    cameras = list(scene.cameras.values())
    return [(scene.pose(rng) @ c.R.T + c.t, c) for c in (cameras[k % 4] for k in range(count))]


def write_mpii_json(folder: Path, *, train: int = 6, valid: int = 3, seed: int = 0, scene: Scene = ANYBODY) -> Path:
    """HRNet's layout; gt_valid.mat has the head boxes."""
    rng = np.random.default_rng(seed)
    (folder / "annot").mkdir(parents=True)
    (folder / "images").mkdir()
    for part, count in (("train", train), ("valid", valid)):
        entries, heads = [], []
        for k, (joints_m, camera) in enumerate(_photographed(rng, count, scene)):
            name, px = f"{part}{k:05d}.jpg", camera.project(joints_m)
            (folder / "images" / name).write_bytes(scene.draw(joints_m, camera, k))
            visible = [1] * 16
            entries.append(
                {"image": name, "joints": (px + 1).tolist(), "joints_vis": visible, "scale": 1.0, "center": [1, 1]}
            )
            top, neck = px[9] + 1, px[8] + 1
            middle, half = (top + neck) / 2, np.linalg.norm(top - neck) / 2
            heads.append([middle - half, middle + half])
        (folder / "annot" / f"{part}.json").write_text(json.dumps(entries))
        if part == "valid":
            savemat(folder / "annot" / "gt_valid.mat", {"headboxes_src": np.moveaxis(np.array(heads), 0, 2)})
    return folder


def write_mpii_release(folder: Path, *, count: int = 9) -> tuple[Path, list[np.ndarray]]:
    """The release's structs: `count` training pictures of one person, one without joints, a test picture."""
    people = _photos(np.random.default_rng(3), count)
    (folder / "images").mkdir(parents=True)
    pictures = np.zeros(count + 2, dtype=[("image", object), ("annorect", object)])
    for k, px in enumerate(people):
        name = f"{k:09d}.jpg"
        (folder / "images" / name).write_bytes(drawn(px, SIZE, k))
        points = np.array(
            [(float(x) + 1, float(y) + 1, float(j), "1") for j, (x, y) in enumerate(px)],
            dtype=[("x", object), ("y", object), ("id", object), ("is_visible", object)],
        )
        corners = [*(px[9] - 8 + 1), *(px[9] + 8 + 1)]
        pictures[k] = ({"name": name}, {"x1": corners[0], "y1": corners[1], "x2": corners[2], "y2": corners[3],
                                        "annopoints": {"point": points}, "scale": 1.0})  # fmt: skip
    pictures[count] = ({"name": "nobody.jpg"}, {"x1": 1.0})
    pictures[count + 1] = ({"name": "test.jpg"}, {"x1": 1.0})
    train = np.array([1.0] * (count + 1) + [0.0])
    savemat(folder / "mpii_human_pose_v1_u12_1.mat", {"RELEASE": {"annolist": pictures, "img_train": train}})
    return folder, people


def write_lsp(folder: Path, *, extended: bool, count: int = 3) -> tuple[Path, np.ndarray]:
    """LSP (3, 14, n), third row 1 where hidden, or LSP extended (14, 3, n), third column 1 where labelled."""
    (folder / "images").mkdir(parents=True)
    index = [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 8, 9]
    people = np.array([px[index] for px in _photos(np.random.default_rng(4), count)])
    flag = np.full((count, 14, 1), 1.0 if extended else 0.0)
    flag[0, 0] = 0.0 if extended else 1.0  # not labelled | hidden, and labelled all the same
    joints = np.concatenate([people, flag], axis=2)
    savemat(folder / "joints.mat", {"joints": joints.transpose(1, 2, 0) if extended else joints.transpose(2, 1, 0)})
    for k, px in enumerate(_photos(np.random.default_rng(4), count), 1):
        (folder / "images" / (f"im{k:05d}.jpg" if extended else f"im{k:04d}.jpg")).write_bytes(drawn(px, SIZE, k))
    return folder, people


def write_coco(folder: Path) -> tuple[Path, np.ndarray]:
    """Two people in two photos and a crowd."""
    (folder / "annotations").mkdir(parents=True)
    (folder / "val2017").mkdir()
    index = [13, 12, 14, 11, 15, 10, 3, 2, 4, 1, 5, 0]
    people = _photos(np.random.default_rng(5), 2)
    images, annotations = [], []
    for k, px in enumerate(people):
        (folder / "val2017" / f"{k:012d}.jpg").write_bytes(drawn(px, SIZE, k))
        images.append({"id": k, "file_name": f"{k:012d}.jpg"})
        points = np.zeros((17, 3))
        points[5:, :2], points[5:, 2] = px[index], 2
        annotations.append(
            {"id": 10 + k, "image_id": k, "keypoints": points.ravel().tolist(), "iscrowd": 0, "category_id": 1}
        )
    annotations.append({"id": 20, "image_id": 0, "keypoints": [0] * 51, "iscrowd": 1, "category_id": 1})
    content = {"images": images, "annotations": annotations}
    (folder / "annotations" / "person_keypoints_val2017.json").write_text(json.dumps(content))
    return folder, np.array(people)


def write_inf3dhp(folder: Path, *, frames: int = 4) -> tuple[Path, np.ndarray, np.ndarray]:
    """TS1: HDF5 as MATLAB writes it, axes reversed; the last frame is not valid."""
    import h5py

    rng, camera = np.random.default_rng(6), Camera(250, 250, np.array([[280.0, 0, 124], [0, 281, 126], [0, 0, 1]]))
    place = studio()[CAMERAS[0]]
    pictures = folder / "TS1" / "imageSequence"
    pictures.mkdir(parents=True)
    order = [9, 7, 12, 11, 10, 13, 14, 15, 2, 1, 0, 3, 4, 5, 6, 6, 8]
    px, joints = np.zeros((frames, 1, 17, 2)), np.zeros((frames, 1, 17, 3))
    for k in range(frames):
        cam_m = person(rng) @ place.R.T + place.t
        joints[k, 0] = cam_m[order] * 1000
        joints[k, 0, 15] = 1000 * (cam_m[6] + cam_m[7]) / 2
        px[k, 0] = camera.project(joints[k, 0] / 1000)
        (pictures / f"img_{k + 1:06d}.jpg").write_bytes(drawn(camera.project(cam_m), (250, 250), k))
    with h5py.File(folder / "TS1" / "annot_data.mat", "w") as file:
        file["annot2"], file["annot3"], file["univ_annot3"] = px, joints, joints * 1.1
        file["valid_frame"] = np.array([[1.0]] * (frames - 1) + [[0.0]])
        file["activity_annotation"] = np.full((frames, 1), 3.0)
    return folder, px[:, 0], joints[:, 0] / 1000


def write_voc(folder: Path) -> Path:
    """A picture with a person, a dog that is whole, a truncated bus and a difficult chair."""
    for name in ("Annotations", "SegmentationObject", "JPEGImages"):
        (folder / name).mkdir(parents=True)
    things = (("person", 0, 0), ("dog", 0, 0), ("bus", 1, 0), ("chair", 0, 1))
    palette = [(0, 0, 128), (0, 128, 0), (0, 128, 128), (128, 0, 0)]  # BGR of numbers 1 ... 4
    numbers, image = np.zeros((100, 200, 3), np.uint8), np.full((100, 200, 3), 50, np.uint8)
    xml = "<annotation>"
    for k, (name, truncated, difficult) in enumerate(things):
        numbers[20:60, 10 + 45 * k : 45 + 45 * k] = palette[k]
        image[20:60, 10 + 45 * k : 45 + 45 * k] = (k + 1) * 50
        xml += (
            f"<object><name>{name}</name><truncated>{truncated}</truncated><difficult>{difficult}</difficult></object>"
        )
    (folder / "Annotations" / "2007_000001.xml").write_text(xml + "</annotation>")
    cv2.imwrite(str(folder / "SegmentationObject" / "2007_000001.png"), numbers)
    cv2.imwrite(str(folder / "JPEGImages" / "2007_000001.jpg"), image)
    return folder


def write_videopose(folder: Path, *, frames: int = 11) -> tuple[Path, np.ndarray]:
    """VideoPose3D's npz (a pickled dictionary) beside cameras.pkl and the pictures of one camera."""
    rng, cameras = np.random.default_rng(7), studio()
    world = np.array([h17(person(rng)) for _ in range(frames)])
    joints32 = np.zeros((frames, 32, 3))
    joints32[:, H32] = world
    folder.mkdir(parents=True)
    np.savez(folder / "data_3d_h36m.npz", positions_3d=np.array({"S1": {"Eating 1": joints32.astype(np.float32)}}))
    table = {("S1", name): as_studio_stores_it(camera) for name, camera in cameras.items()}
    (folder / "cameras.pkl").write_bytes(pickle.dumps(table, protocol=2))
    name, camera = CAMERAS[1], cameras[CAMERAS[1]]
    for frame in range(0, frames, 5):
        path = folder / "images" / "S1" / f"S1_Eating_1.{name}" / f"S1_Eating_1.{name}_{frame + 1:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        px = camera.project(world[frame][list(H36M17_TO_MPII16)] @ camera.R.T + camera.t)
        path.write_bytes(drawn(px, SIZE, frame))
    return folder, world


def npz_with_a_hostile_pickle(path: Path, name: str, payload: bytes) -> None:
    """An object array whose pickle calls a function."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.npy", header.getvalue() + payload)


def write_human36m_release(folder: Path, *, frames: int = 7) -> tuple[Path, np.ndarray]:
    """The release's CDF files and videos of S1 by two cameras."""
    from cdflib.cdfwrite import CDF

    rng, cameras = np.random.default_rng(8), studio()
    people = [person(rng) for _ in range(frames)]
    (folder / "S1" / "Videos").mkdir(parents=True)
    for name in CAMERAS[:2]:
        camera = replace(cameras[name], width=1000, height=1000)
        K = camera.K.copy()
        K[:2] *= 4
        camera = replace(camera, K=K)
        space = np.zeros((frames, 32, 3))
        space[:, H32] = [h17(p @ camera.R.T + camera.t) for p in people]
        space[:, [4, 5, 9, 10, 11, 16, 20, 21, 22, 23, 24, 28, 29, 30, 31]] = space[:, [3]]  # ends are stored twice
        flat = camera.project(space.reshape(-1, 3)).reshape(frames, 32, 2)
        for kind, table in (("D3_Positions_mono", space * 1000), ("D2_Positions", flat)):
            place = folder / "S1" / "MyPoseFeatures" / kind
            place.mkdir(parents=True, exist_ok=True)
            file = CDF(str(place / f"Directions 1.{name}.cdf"), delete=True)
            width = table[0].size
            spec = {"Variable": "Pose", "Data_Type": 45, "Num_Elements": 1, "Rec_Vary": True, "Var_Type": "zVariable"}
            file.write_var({**spec, "Dim_Sizes": [frames, width]}, var_data=table.reshape(1, frames, width))
            file.close()
        path = str(folder / "S1" / "Videos" / f"Directions 1.{name}.mp4")
        video = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"mp4v"), 50, (1000, 1002 if name == CAMERAS[0] else 1000))
        for px in flat:
            size = (1000, 1002 if name == CAMERAS[0] else 1000)
            jpeg = drawn(px[H32][list(H36M17_TO_MPII16)], size, 0)
            video.write(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))
        video.release()
    return folder, np.array(people)
