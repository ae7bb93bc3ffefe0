"""Downloads from a server of our own, in a thread, that can be told to misbehave."""

import hashlib
import io
import re
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from captioner import download as module
from captioner.archives import DOWNLOADS, Archive
from captioner.cli import main
from captioner.download import download
from captioner.errors import DownloadError


class Handler(BaseHTTPRequestHandler):
    """Serves `server.files`; `server.said` collects the Range of each request."""

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        server = self.server
        server.said.append(self.headers.get("Range"))
        if self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/moved"))
            return self.end_headers()
        content = server.files.get(self.path.strip("/"))
        status = server.statuses.pop(0) if server.statuses else 200 if content else 404
        if status >= 400:
            return self.send_error(status)
        first = 0
        if server.ranges and self.headers.get("Range"):
            status, first = 206, int(self.headers["Range"][len("bytes=") : -1])
        self.send_response(status)
        if server.length:
            self.send_header("Content-Length", len(content) - first)
        self.end_headers()
        # It breaks off after so many bytes, as often as it was told to.
        if server.breaks:
            return self.wfile.write(content[first:][: server.breaks.pop(0)])
        self.wfile.write(content[first:])


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.said, server.statuses, server.breaks = {}, [], [], []
    server.ranges = server.length = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def offer(server, content=None, name="set.zip", **changes):
    """Puts a zip on the server; gives what should be fetched."""
    content = content or zipped(**{"train/a.txt": "A cat. " * 1000, "__MACOSX/._a": "x"})
    server.files[name] = content
    values = {
        "url": f"http://127.0.0.1:{server.server_port}/{name}",
        "size": len(content),
        "checksum": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "unpacked": 2 * len(content),
    }
    return Archive(**values | changes)


def fetch(archive, folder, **options):
    download([archive], folder, pause=0, **options)


def refused(text, archive, folder):
    with pytest.raises(DownloadError, match=re.escape(text)):
        fetch(archive, folder)


def test_a_set_is_fetched_unpacked_and_not_fetched_twice(server, tmp_path, capsys):
    archive = offer(server)
    fetch(archive, tmp_path / "new" / "set")
    assert (tmp_path / "new" / "set" / "train" / "a.txt").read_text() == "A cat. " * 1000
    names = sorted(path.name for path in (tmp_path / "new" / "set").iterdir())
    assert names == [".set.zip.unpacked", "train"]
    said = capsys.readouterr()
    assert f"to download: {archive.size:,} bytes (set.zip)" in said.err and not said.out
    assert f"space needed: {3 * archive.size:,} bytes at most" in said.err
    assert f"space free in {tmp_path / 'new' / 'set'}: " in said.err
    fetch(archive, tmp_path / "new" / "set")
    assert server.said == [None]
    assert "holds all of it already" in capsys.readouterr().err


def test_archives_can_be_kept_and_have_a_folder_of_their_own(server, tmp_path):
    archive = offer(server, folder="text")
    fetch(archive, tmp_path, keep_archives=True)
    assert (tmp_path / "text" / "train" / "a.txt").exists()
    assert (tmp_path / "set.zip").read_bytes() == server.files["set.zip"]


def test_a_zip_that_is_there_already_is_checked_and_unpacked(server, tmp_path):
    archive = offer(server)
    (tmp_path / "set.zip").write_bytes(server.files["set.zip"])
    fetch(archive, tmp_path)
    assert server.said == [] and (tmp_path / "train" / "a.txt").exists()
    other = offer(server, name="other.zip")
    (tmp_path / "other.zip").write_text("mine")
    refused(f"not {other.checksum[7:]}: remove it and run this again", other, tmp_path)
    assert (tmp_path / "other.zip").read_text() == "mine"


def test_a_broken_connection_is_gone_on_with_where_it_broke(server, tmp_path):
    archive = offer(server)
    server.breaks = [50] * 20  # far more than the attempts that may bring nothing
    fetch(archive, tmp_path)
    assert server.said[:3] == [None, "bytes=50-", "bytes=100-"] and len(server.said) == 21
    assert (tmp_path / "train" / "a.txt").exists()


def test_a_part_of_an_earlier_run_is_gone_on_with_also_after_a_redirect(server, tmp_path):
    archive = offer(server)
    (tmp_path / "set.zip.part").write_bytes(server.files["set.zip"][:70])
    moved = Archive(archive.url.replace("/set", "/moved/set"), *list(vars(archive).values())[1:])
    fetch(moved, tmp_path)
    assert server.said == ["bytes=70-", "bytes=70-"]
    assert (tmp_path / "train" / "a.txt").exists()


def test_a_server_that_knows_no_ranges_sends_it_all_again(server, tmp_path):
    archive = offer(server)
    server.ranges, server.breaks = False, [100]
    fetch(archive, tmp_path)
    assert server.said == [None, "bytes=100-"]
    assert (tmp_path / "train" / "a.txt").exists()


def test_a_server_that_is_busy_is_asked_again(server, tmp_path):
    archive = offer(server)
    server.statuses = [503, 429, 500, 408]
    fetch(archive, tmp_path)
    assert len(server.said) == 5 and (tmp_path / "train" / "a.txt").exists()


def test_attempts_that_bring_nothing_come_to_an_end(server, tmp_path):
    archive = offer(server)
    server.breaks = [80] + [0] * 9
    text = f"can't fetch {archive.url}: the connection ended early; the same command goes on from"
    refused(f"{text} byte 80", archive, tmp_path)
    assert len(server.said) == 6 and (tmp_path / "set.zip.part").stat().st_size == 80
    server.ranges, server.breaks, server.said = False, [80] * 9, []
    refused("goes on from byte 80", archive, tmp_path)
    assert len(server.said) == 5


def test_a_server_that_is_not_there_is_said(server, tmp_path):
    nowhere = offer(server, url="http://127.0.0.1:1/set.zip")
    refused("can't fetch http://127.0.0.1:1/set.zip: [Errno 111]", nowhere, tmp_path)


def test_an_absent_file_is_said_at_once(server, tmp_path):
    archive = offer(server)
    server.files.clear()
    refused(f"can't fetch {archive.url}: the server says 404 Not Found", archive, tmp_path)
    assert len(server.said) == 1


@pytest.mark.parametrize("part", [0, 10])
def test_a_file_of_another_size_is_said_before_it_is_fetched(server, tmp_path, part):
    archive = offer(server)
    (tmp_path / "set.zip.part").write_bytes(server.files["set.zip"][:part])
    server.files["set.zip"] += b"more"
    size = f"has {archive.size + 4:,} bytes, not the {archive.size:,} that are expected"
    refused(size, archive, tmp_path)
    assert (tmp_path / "set.zip.part").stat().st_size == part


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_another_checksum_is_refused_and_the_file_removed(server, tmp_path, length, algorithm):
    content = zipped(a="A cat.")
    archive = offer(server, checksum=f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}")
    found = hashlib.new(algorithm, server.files["set.zip"]).hexdigest()
    server.length = length
    text = f"has the {algorithm} {found}, not {archive.checksum.partition(':')[2]}: it has been"
    refused(text, archive, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..\\evil", "C:\\evil"])
def test_a_hostile_zip_writes_nothing(server, tmp_path, name):
    archive = offer(server, zipped(**{"good.txt": "A cat.", name: "x"}))
    text = f"{tmp_path / 'in' / 'set.zip'} would write outside {tmp_path / 'in'}: {name!r}"
    refused(text, archive, tmp_path / "in")
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "set.zip"]


def test_a_damaged_zip_is_said(server, tmp_path):
    content = zipped(**{"a.txt": "A cat."}).replace(b"A cat.", b"A hat.")
    refused("set.zip: Bad CRC-32 for file 'a.txt'; remove it", offer(server, content), tmp_path)
    refused("can't unpack", offer(server, b"no zip", "other.zip"), tmp_path)


def test_what_does_not_fit_is_refused_before_anything_is_fetched(server, tmp_path):
    archive = offer(server, unpacked=10**18)
    needed = f"{10**18 + archive.size:,}"
    refused(f"bytes free, and {needed} are needed", archive, tmp_path / "new")
    assert server.said == [] and not (tmp_path / "new").exists()


def test_a_zip_that_unpacks_to_more_than_fits_is_refused(server, tmp_path, monkeypatch):
    archive = offer(server, unpacked=0)
    free = iter([10**6, 5000])  # another program has filled the disk meanwhile
    monkeypatch.setattr(module, "_free", lambda folder: next(free))
    refused("unpacks to 7,000 bytes, and", archive, tmp_path)
    assert not (tmp_path / "train").exists()


def test_what_is_there_already_is_not_counted_again(server, tmp_path, capsys):
    archive = offer(server, unpacked=0)
    (tmp_path / "set.zip.part").write_bytes(server.files["set.zip"][:30])
    fetch(archive, tmp_path)
    assert f"to download: {archive.size - 30:,} bytes" in capsys.readouterr().err


def test_the_command_prints_the_folder_and_ctrl_c_leaves_a_part(
    server, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(DOWNLOADS, "coco", (offer(server),))
    monkeypatch.setattr(module, "CHUNK", 64)
    command = ["download", "coco", "--output", str(tmp_path / "out")]

    class Interrupted(module.tqdm):
        def update(self, n=1):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "tqdm", Interrupted)
        assert main(command) == 130
    said = capsys.readouterr()
    assert "stopped; the same command goes on with what is there" in said.err and not said.out
    assert (tmp_path / "out" / "set.zip.part").stat().st_size == 64
    assert main([*command, "--keep-archives"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out'}\n"
    assert server.said == [None, "bytes=64-"] and (tmp_path / "out" / "set.zip").exists()


def test_a_refused_download_is_one_sentence(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(DOWNLOADS, "coco", (offer(server, url="http://127.0.0.1:1/x.zip"),))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert main(["download", "coco", "--output", str(tmp_path)]) == 1
    assert "captioner: can't fetch http://127.0.0.1:1/x.zip: " in capsys.readouterr().err


def test_the_public_archives_are_whole_records():
    for archives in DOWNLOADS.values():
        for archive in archives:
            algorithm, _, digest = archive.checksum.partition(":")
            assert len(digest) == {"md5": 32, "sha256": 64}[algorithm]
            assert archive.name.endswith(".zip") and 0 < archive.size < archive.unpacked
