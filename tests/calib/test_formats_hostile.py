"""Files that are meant to do harm, and files that chance has harmed."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from calib.camera import Camera, rigid
from calib.errors import UserError
from calib.formats import read_rig, write_rig
from calib.rig import Quality, Rig

PLACES = [rigid(np.eye(3), np.zeros(3)), rigid(np.diag([-1.0, 1, -1]), np.array([0, 0, 4.0]))]
RIG = Rig(
    {
        n: replace(Camera.from_fov(640, 480, 60), cam_from_world=p, assumed=False)
        for n, p in zip("ab", PLACES, strict=True)
    },
    quality=Quality("green", ("fine",), "board", True, 0.2),
)


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("the pickle was run",))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("payload", [Trap(), {"K": [1.0]}, [1.0, 2.0]], ids=["trap", "dict", "list"])
@pytest.mark.parametrize("name", ["cameras.pkl", "rig.toml"])
def test_a_pickle_is_refused_and_never_run(tmp_path, protocol, payload, name):
    (tmp_path / name).write_bytes(pickle.dumps(payload, protocol))
    with pytest.raises(UserError, match="is a pickle"):
        read_rig(tmp_path / name)


def test_entities_in_xml_are_refused(tmp_path):
    (tmp_path / "Calib.qca.txt").write_text('<!DOCTYPE c [<!ENTITY a "b">]><calibration>&a;</calibration>')
    with pytest.raises(UserError, match="declares XML entities"):
        read_rig(tmp_path / "Calib.qca.txt")


def test_a_thousand_brackets_are_one_line(tmp_path):
    for name, text in (
        ("a.yaml", "a: " + "[" * 9999 + "]" * 9999),
        ("a.json", "[" * 99999),
        ("a.yml", "%YAML:1.0\n" + "a:\n"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(UserError):
            read_rig(tmp_path / name)


TOKENS = [
    "nan",
    "-1",
    "0",
    "1e400",
    "[",
    "]",
    "{",
    "}",
    "\n",
    "  ",
    '"',
    "'",
    ":",
    "=",
    "a",
    "\0",
    "null",
    "[1]",
    "&x",
    "</a>",
    "# ",
]


def harmed(text: str, rng: np.random.Generator) -> str:
    """The text with one to three cuts, doublings, or strange words in it."""
    for _ in range(rng.integers(1, 4)):
        start = int(rng.integers(0, len(text) + 1))
        end = min(len(text), start + int(rng.choice([1, 3, 30, 300])))
        token = TOKENS[rng.integers(len(TOKENS))]
        kinds = (
            text[:start] + text[end:],
            text[:start] + token + text[start:],
            text[:end] + text[start:],
            text[:start],
        )
        text = kinds[rng.integers(len(kinds))]
    return text


@pytest.mark.parametrize("name", ["a.toml", "b.toml", "c.yml", "c.xml", "c.json", "d.yaml", "model"])
def test_whatever_happens_to_a_file_it_is_read_or_refused_in_one_line(tmp_path, name):
    formats = {"a": "rig", "b": "anipose", "c": "opencv", "d": "kalibr", "m": "colmap"}
    path = write_rig(tmp_path / name, RIG, format=formats[name[0]])
    path = path / "images.txt" if path.is_dir() else path
    whole, rng = path.read_text(), np.random.default_rng(5)
    for _ in range(60):
        path.write_text(harmed(whole, rng))
        try:
            read_rig(path, unit=None if name == "a.toml" else "m")
        except UserError as error:
            lines = str(error).count("\n")
            assert lines == 0
