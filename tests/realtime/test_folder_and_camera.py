import cv2
import numpy as np
import pytest

from realtime.sources import SourceError, open_source


def test_pictures_come_in_natural_order_and_may_differ_in_size(tmp_path):
    for number, size in ((2, (40, 60)), (10, (50, 50)), (1, (40, 60))):
        cv2.imwrite(str(tmp_path / f"img{number}.png"), np.full((*size, 3), number, np.uint8))
    (tmp_path / "notes.txt").write_text("not a picture")
    source = open_source(video=str(tmp_path))
    frames = list(source.frames())
    assert [int(f.image_bgr[0, 0, 0]) for f in frames] == [1, 2, 10]
    assert [f.image_bgr.shape[:2] for f in frames] == [(40, 60), (40, 60), (50, 50)]
    assert (source.size_px, source.frame_count, source.live) == ((60, 40), 3, False)
    assert source.description == "3 pictures, the first 60x40"


def test_a_damaged_picture_is_named(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((40, 40, 3), np.uint8))
    (tmp_path / "b.png").write_bytes(b"not a picture")
    source = open_source(video=str(tmp_path))
    with pytest.raises(SourceError, match=r"b\.png is not a readable picture"):
        list(source.frames())


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(SourceError, match="no pictures in"):
        open_source(video=str(tmp_path))
