"""The film of before and after."""

import av

from tests.realtime.takes.walked_take import Scene
from tests.train.true_labels import labelled_take
from train.own_rig.film import film


def test_it_shows_the_held_out_part_side_by_side(tmp_path):
    scene = Scene(seconds=3.0)
    folder = labelled_take(scene, tmp_path / "t")
    networks = [("before", scene.engine(noise=0.05)), ("after", scene.engine(noise=0.0))]
    path = film(folder, networks, tmp_path / "film.mp4", step=lambda *_: None)
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert frames[0].shape == (480, 1280, 3)
    assert len(frames) == 18
    assert all(engine.frames >= 18 for _, engine in networks)
    left, right = frames[-1][:, :640].astype(int), frames[-1][:, 640:].astype(int)
    assert abs(left - right).max() > 60
