import re

import pytest
from PIL import Image

from captioner.errors import CaptionerError
from captioner.report import MapFolder, Report, sentence


@pytest.fixture
def captioned(tiny_model, tmp_path):
    path = tmp_path / "a <b>.png"
    Image.new("RGB", (80, 50), (10, 120, 200)).save(path)
    return path, tiny_model.caption(path, beam_size=2)


def test_a_sheet_for_each_picture_is_named_after_it(captioned, tmp_path):
    path, caption = captioned
    for _ in range(2):  # a second run replaces the first
        maps = MapFolder(tmp_path / "maps")
        maps.add(path, caption)
        maps.add(path, caption)
        maps.close()
    names = sorted(p.name for p in (tmp_path / "maps").iterdir())
    assert names == ["a <b>-2.png", "a <b>.png"]
    assert Image.open(tmp_path / "maps" / names[0]).width > 160


def test_the_report_is_one_file_and_text_stays_text(captioned, tmp_path):
    path, caption = captioned
    report = Report(tmp_path / "report.html")
    report.add(path, caption)
    report.close()
    page = (tmp_path / "report.html").read_text()
    assert sentence(caption.text) in page and "a &lt;b&gt;.png" in page and "<b>" not in page
    assert re.findall(r'src="(.{22})', page) == ["data:image/jpeg;base64"]
    assert "http" not in page and page.rstrip().endswith("</html>")


def test_what_can_not_be_written_is_said(captioned, tmp_path):
    path, caption = captioned
    with pytest.raises(CaptionerError, match="can't write the report '.*absent"):
        Report(tmp_path / "absent" / "report.html")
    (tmp_path / "file").touch()
    with pytest.raises(CaptionerError, match="can't write to '.*file"):
        MapFolder(tmp_path / "file").add(path, caption)


def test_captions_are_written_as_sentences():
    assert sentence("a dog 's ball") == "A dog 's ball."
