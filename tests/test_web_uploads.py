"""Nothing on the server is opened that was not uploaded."""

from pathlib import Path

import pytest
from browsing import finished, photo

gr = pytest.importorskip("gradio")
from gradio.data_classes import FileData, ImageData, ListFiles  # noqa: E402

from captioner.errors import CaptionerError, ImageError  # noqa: E402
from captioner.web.uploads import (  # noqa: E402
    MOST_FILES,
    MOST_PIXELS,
    REMEMBERED,
    Pictures,
    UploadedFiles,
    UploadedPicture,
    UploadsOnly,
    open_upload,
)


def uploaded(component, name):
    path = Path(component.GRADIO_CACHE, "abc", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return str(path)


@pytest.mark.parametrize("kind", [UploadedPicture, UploadedFiles])
def test_a_file_of_the_server_that_was_not_uploaded_is_refused(kind, tmp_path):
    component = kind()
    photo(9, 9).save(tmp_path / "secret.png")
    cache = Path(component.GRADIO_CACHE)
    for path in (str(tmp_path / "secret.png"), f"{cache}/../secret.png", "/etc/passwd", ""):
        payload = (
            ImageData(path=path)
            if kind is UploadedPicture
            else ListFiles(root=[FileData(path=path)])
        )
        with pytest.raises(gr.Error, match="must be an uploaded file"):
            component.preprocess(payload)


def test_an_address_is_not_fetched_whichever_input_it_is_sent_for(monkeypatch):
    async def fetch(url, cache_dir):
        raise AssertionError(f"{url} was fetched")

    monkeypatch.setattr("gradio.processing_utils.async_ssrf_protected_download", fetch)
    with UploadsOnly() as page:
        inputs = [UploadedPicture(), UploadedFiles(file_count="multiple"), gr.Slider()]
        gr.Button().click(print, inputs)
    (event,) = page.fns.values()
    for url in ("http://example.org/a.png", "https://example.org/a.png"):
        file = {"path": url, "meta": {"_type": "gradio.FileData"}}
        for sent in ([file, None, 5], [None, [file], 5], [None, None, {"deep": [file]}]):
            with pytest.raises(gr.Error, match="must be an uploaded file, not an address"):
                finished(page.preprocess_data(event, sent, None))


def test_an_uploaded_picture_is_handed_on_unopened():
    component = UploadedPicture()
    path = uploaded(component, "no-picture.jpg")
    assert component.preprocess(ImageData(path=path)) == path
    assert component.preprocess(None) is None


def test_many_files_keep_the_visitors_names():
    component = UploadedFiles(file_count="multiple")
    path = uploaded(component, "a.jpg")
    files = ListFiles(root=[FileData(path=path, orig_name="my a.jpg"), FileData(path=path)])
    assert component.preprocess(files) == [(path, "my a.jpg"), (path, "a.jpg")]
    assert component.preprocess(None) == []


def test_too_many_files_are_refused():
    component = UploadedFiles(file_count="multiple")
    path = uploaded(component, "a.jpg")
    files = ListFiles(root=[FileData(path=path)] * (MOST_FILES + 1))
    with pytest.raises(gr.Error, match="there are 51 files, but at most 50 are captioned at once"):
        component.preprocess(files)


def test_a_remembered_picture_is_opened_by_its_name_alone(tmp_path):
    pictures = Pictures()
    photo(9, 7).save(tmp_path / "a.png")
    name = pictures.add(str(tmp_path / "a.png"))
    assert pictures.open(name).size == (9, 7)
    assert "a.png" not in name and name != pictures.add(str(tmp_path / "a.png"))
    for wrong in ("", "nothing", str(tmp_path / "a.png")):
        with pytest.raises(CaptionerError, match="not kept here any more: choose it again"):
            pictures.open(wrong)


def test_the_oldest_pictures_are_forgotten(tmp_path):
    pictures = Pictures()
    photo(9, 7).save(tmp_path / "a.png")
    first, second = (pictures.add(str(tmp_path / "a.png")) for _ in range(2))
    for _ in range(REMEMBERED - 1):
        last = pictures.add(str(tmp_path / "a.png"))
    with pytest.raises(CaptionerError, match="choose it again"):
        pictures.open(first)
    assert pictures.open(second).size == pictures.open(last).size == (9, 7)


def test_a_picture_that_would_fill_the_memory_is_refused_before_it_is_decoded(tmp_path):
    from PIL import Image

    Image.new("1", (8000, MOST_PIXELS // 8000 + 1)).save(tmp_path / "big.png")
    with pytest.raises(ImageError, match="^cannot read big.png: it has more than 40,000,000 pix"):
        open_upload(str(tmp_path / "big.png"))


def test_what_is_wrong_is_told_without_the_servers_path(tmp_path):
    (tmp_path / "notes.jpg").write_text("no picture")
    with pytest.raises(ImageError, match="^cannot read notes.jpg: it is not a picture"):
        open_upload(str(tmp_path / "notes.jpg"))
