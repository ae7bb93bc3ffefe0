import json
import os

import pytest

from captioner.data import read_dataset
from captioner.errors import DataError
from captioner.readable import KNOWN, find_unreadable, leave_out_unreadable


@pytest.fixture
def dataset(drawn_pictures, tmp_path):
    (tmp_path / "blue-circle.png").write_bytes(b"hello")
    return read_dataset(*drawn_pictures[:2])


def test_a_bad_picture_is_left_out_and_named(dataset, tmp_path):
    kept, told = leave_out_unreadable(dataset, "training", most=0.2, cache=tmp_path / "cache")
    assert len(kept) == 7 and "1 of 8 training pictures" in told and "blue-circle.png" in told
    names = [picture.path.name for picture in kept.pictures]
    assert "blue-circle.png" not in names and names == sorted(names, key=names.index)
    again, told = leave_out_unreadable(kept, "training", most=0.0, cache=tmp_path / "cache")
    assert again == kept and told == ""


def test_too_many_are_refused(dataset, tmp_path):
    with pytest.raises(DataError, match="1 of 8 dev pictures can't be read: .* --max-bad-images"):
        leave_out_unreadable(dataset, "dev", most=0.1, cache=tmp_path / "cache")


def test_each_file_is_looked_at_once_until_it_changes(dataset, tmp_path, monkeypatch):
    paths = [picture.path for picture in dataset.pictures]
    first = find_unreadable(paths, "dev", tmp_path / "cache")
    (bad,) = first
    seen = []
    monkeypatch.setattr("captioner.readable.load_image", seen.append)
    # What was wrong may be mended without a change of the file.
    assert find_unreadable(paths, "dev", tmp_path / "cache") == {} and seen == [bad]
    assert find_unreadable(paths, "dev", tmp_path / "cache") == {} and seen == [bad]
    os.utime(paths[0], (1, 1))
    find_unreadable(paths, "dev", tmp_path / "cache")
    assert seen == [bad, paths[0]]
    (tmp_path / "cache" / KNOWN).write_text("{")
    find_unreadable(paths, "dev", tmp_path / "cache")
    assert len(seen) == 2 + 8 and len(json.loads((tmp_path / "cache" / KNOWN).read_text())) == 8
