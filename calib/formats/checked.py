"""Numbers from a file, checked on the way in: each fault is one line that names the file, the camera and the key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy.spatial.transform import Rotation

from calib.camera import Camera, rigid
from calib.errors import UserError

ROTATION_TOLERANCE = 2e-3  # files with three decimals pass; a scaled or sheared matrix does not
EXACT = 1e-9  # rotations that are off by less are left as they are
LARGEST_SIDE_PX = 100_000
Shape = tuple[int, ...]


def array(value: Any, where: str, *shapes: Shape) -> Float64[ndarray, "..."]:
    """Finite numbers in one of these shapes; lists of one number count as the number."""
    try:
        numbers = np.asarray(value)
        if numbers.dtype.kind not in "iuf" or _has_flag(value):
            raise TypeError
        numbers = numbers.astype(np.float64)
    except (TypeError, ValueError):
        raise UserError(f"{where} is not made of numbers: {_short(value)}") from None
    if len(shapes) == 1 and numbers.shape not in shapes and numbers.size == np.prod(shapes[0]) and _is_line(numbers):
        numbers = numbers.reshape(shapes[0])
    if shapes and numbers.shape not in shapes:
        wanted = " or ".join("x".join(map(str, shape)) or "one number" for shape in shapes)
        raise UserError(f"{where} needs {wanted} numbers, not {'x'.join(map(str, numbers.shape)) or 'one'}")
    if not np.isfinite(numbers).all():
        raise UserError(f"{where} has a number that is not finite; calibrate again or mend the file")
    return numbers


def _has_flag(value: Any) -> bool:
    """NumPy takes true for 1."""
    return isinstance(value, bool) or (isinstance(value, list | tuple) and any(map(_has_flag, value)))


def _is_line(numbers: ndarray) -> bool:
    return max(numbers.shape, default=1) == numbers.size


def number(value: Any, where: str) -> float:
    """One finite number."""
    return float(array(value, where, ()))


def rotation(value: Any, where: str) -> Float64[ndarray, "3 3"]:
    """A rotation from a 3x3 matrix or a Rodrigues vector; one with few decimals is brought to the nearest true one."""
    numbers = np.asarray(value, dtype=object)
    if numbers.size == 3:
        return Rotation.from_rotvec(array(value, where, (3,))).as_matrix()
    R = array(value, where, (3, 3))
    off = float(np.abs(R @ R.T - np.eye(3)).max())
    if off > ROTATION_TOLERANCE or np.linalg.det(R) < 0:
        kind = "a mirror image" if off <= ROTATION_TOLERANCE else f"off by {off:.2g}"
        raise UserError(f"{where} is no rotation ({kind}); calibrate again or mend the file")
    if off < EXACT:
        return R
    U, _, Vt = np.linalg.svd(R)
    return U @ Vt


def rodrigues(R: Float64[ndarray, "3 3"]) -> Float64[ndarray, "3"]:
    """Axis times angle in radians; exact also at half a turn."""
    return Rotation.from_matrix(R).as_rotvec()


def size_px(value: Any, where: str) -> tuple[int, int]:
    """Width and height of a picture."""
    width, height = array(value, where, (2,))
    if not (0 < width <= LARGEST_SIDE_PX and 0 < height <= LARGEST_SIDE_PX and width % 1 == height % 1 == 0):
        raise UserError(f"{where} is no picture size: {width:g} x {height:g}")
    return int(width), int(height)


def size_of_center(K: Float64[ndarray, "3 3"]) -> tuple[int, int]:
    """The picture size for which the principal point is the middle: a guess where a file has no size."""
    return max(1, round(2 * K[0, 2] + 1)), max(1, round(2 * K[1, 2] + 1))


def size_guess(names: Sequence[str], cameras: Mapping[str, Camera]) -> str:
    """The sentence that says so."""
    sizes = ", ".join(f"{name} {cameras[name].width}x{cameras[name].height}" for name in names)
    return f"the file has no picture size; taken as twice the principal point: {sizes}"


def intrinsics(value: Any, where: str) -> Float64[ndarray, "3 3"]:
    """K with positive focal lengths and without skew."""
    K = array(value, where, (3, 3))
    if K[0, 0] <= 0 or K[1, 1] <= 0:
        raise UserError(f"{where} has a focal length that is not positive: {K[0, 0]:g}, {K[1, 1]:g} px")
    if K[1, 0] != 0 or not np.array_equal(K[2], (0, 0, 1)):
        raise UserError(f"{where} is no camera matrix [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]; is it transposed?")
    if abs(K[0, 1]) > 1e-6 * K[0, 0]:
        raise UserError(f"{where} has a skew of {K[0, 1]:g} px, which is not supported; calibrate without skew")
    return K


def distortion(value: Any, where: str, model: Literal["pinhole", "fisheye"]) -> Float64[ndarray, "d"]:
    """OpenCV's coefficients: 5 or 8 of a pinhole camera, 4 of a fisheye; shorter ones are filled with zeros."""
    numbers = array(value, where).ravel()
    if model == "fisheye":
        if len(numbers) != 4:
            raise UserError(f"{where} needs 4 numbers for a fisheye, not {len(numbers)}")
        return numbers
    if len(numbers) in (0, 1, 2, 4, 5):
        return np.pad(numbers, (0, 5 - len(numbers)))
    if len(numbers) not in (8, 12, 14):
        raise UserError(f"{where} needs 4, 5 or 8 numbers, not {len(numbers)}")
    if numbers[8:].any():
        raise UserError(f"{where} has a thin prism or a tilted sensor, which are not supported; calibrate without")
    return numbers[:8]


def camera(
    where: str,
    *,
    size: tuple[int, int] | None,
    K: Any,
    dist: Any,
    R: Any = None,
    t: Any = None,
    model: Literal["pinhole", "fisheye"] = "pinhole",
) -> Camera:
    """A camera from a file's raw numbers, x_cam = R x_world + t in the file's unit. `size` None: guessed from K."""
    K = intrinsics(K, f"{where}, camera matrix")
    width, height = size_of_center(K) if size is None else size
    place = None
    if R is not None or t is not None:
        place = rigid(rotation(R, f"{where}, rotation"), array(t, f"{where}, translation", (3,)))
    return Camera(width, height, K, distortion(dist, f"{where}, distortion", model), model, place)


def wanted(table: Mapping[str, Any], key: str, where: str) -> Any:
    """A key that has to be there."""
    if key not in table:
        raise UserError(f"{where} has no `{key}`; is the file cut short?")
    return table[key]


def word(value: Any, where: str, known: Iterable[str]) -> str:
    """One of the words that are known."""
    known = tuple(known)
    if not isinstance(value, str) or value not in known:
        raise UserError(f"{where} {_short(value)} is not known; known: {', '.join(known)}")
    return value


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """A table."""
    if not isinstance(value, Mapping):
        raise UserError(f"{where} is no table: {_short(value)}")
    return value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
