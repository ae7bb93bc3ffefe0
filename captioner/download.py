"""Fetches zips: says first what they take, goes on with what is there, checks and unpacks them.

Knows nothing of what is in them. Needs no more than the standard library and tqdm.
"""

import hashlib
import shutil
import ssl
import sys
import time
import zipfile
import zlib
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path, PureWindowsPath
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tqdm import tqdm

from captioner.archives import Archive
from captioner.errors import DownloadError

ATTEMPTS = 5  # in a row that bring nothing
TIMEOUT = 60  # seconds of silence
CHUNK = 1 << 18

# What may pass by itself. Not every OSError: a full disk won't.
BROKEN = (URLError, HTTPException, ConnectionError, TimeoutError, ssl.SSLError)


def download(
    archives: Sequence[Archive], folder: Path, *, keep_archives: bool = False, pause: float = 1.0
) -> None:
    """Fetches archives into a folder and unpacks them there; what is done already is left alone.

    Args:
        archives: what to fetch, in this order.
        folder: made if need be; a half-fetched file waits in it as `NAME.part`.
        keep_archives: leave the zips there.
        pause: seconds before the second attempt; doubled for each one after it.

    Raises:
        DownloadError: it doesn't fit on the disk, can't be fetched, or isn't what it should be.
    """
    todo = [archive for archive in archives if not _marker(archive, folder).exists()]
    if not todo:
        print(
            f"{folder} holds all of it already; without its .zip.unpacked files it is fetched anew",
            file=sys.stderr,
        )
        return
    check_space(todo, folder)
    folder.mkdir(parents=True, exist_ok=True)
    for archive in todo:
        path = folder / archive.name
        if path.exists():
            verify(archive, path)
        else:
            part = fetch(archive, folder, pause)
            verify(archive, part, remove=True)
            part.replace(path)
        unpack(path, folder / archive.folder)
        _marker(archive, folder).write_text(archive.checksum + "\n")
        if not keep_archives:
            path.unlink()


def check_space(archives: Sequence[Archive], folder: Path) -> None:
    """Says on stderr what the archives take, before any of it is fetched.

    Raises:
        DownloadError: that doesn't fit into the folder.
    """
    there = sum(_size(folder / a.name) or _size(_part(a, folder)) for a in archives)
    missing = sum(archive.size for archive in archives) - there
    needed = missing + sum(archive.unpacked for archive in archives)
    free = _free(folder)
    names = ", ".join(archive.name for archive in archives)
    print(
        f"to download: {missing:,} bytes ({names})\n"
        f"space needed: {needed:,} bytes at most, with what is in them\n"
        f"space free in {folder}: {free:,} bytes",
        file=sys.stderr,
    )
    if needed > free:
        raise DownloadError(
            f"{folder} has {free:,} bytes free, and {needed:,} are needed; give a folder on a "
            "larger disk"
        )


def fetch(archive: Archive, folder: Path, pause: float) -> Path:
    """Fetches an archive as far as it isn't there yet; gives the path of its `.part`.

    Raises:
        DownloadError: several attempts in a row brought nothing, or the server has another file.
    """
    part = _part(archive, folder)
    failures, most = 0, _size(part)
    with tqdm(
        total=archive.size, initial=most, desc=archive.name, unit="B", unit_scale=True
    ) as bar:
        while _size(part) < archive.size:
            reason = "the connection ended early"
            try:
                receive(archive, part, bar)
            except BROKEN as error:
                reason = getattr(error, "reason", "") or error
            # A server that always breaks off and can't go on would else keep us for ever.
            failures = 0 if _size(part) > most else failures + 1
            most = max(most, _size(part))
            if failures == ATTEMPTS:
                raise DownloadError(
                    f"can't fetch {archive.url}: {reason}; the same command goes on from byte "
                    f"{_size(part):,}"
                )
            if failures:
                time.sleep(pause * 2 ** (failures - 1))
    return part


def receive(archive: Archive, part: Path, bar: tqdm) -> None:
    """Makes one attempt to fetch what is missing of a file, as far as the connection lasts."""
    have = _size(part)
    request = Request(archive.url, headers={"User-Agent": "captioner"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urlopen(request, timeout=TIMEOUT)
    except HTTPError as error:
        with error:
            # Servers say 408 and 429 when they are busy, and 5xx when they are not well.
            if error.code < 500 and error.code not in (408, 429):
                raise DownloadError(
                    f"can't fetch {archive.url}: the server says {error.code} {error.reason}"
                ) from error
            raise
    with response:
        if response.status != 206:  # it sends the file from its beginning
            have = 0
        length = response.headers.get("Content-Length")
        if length and have + int(length) != archive.size:
            raise DownloadError(
                f"{archive.url} has {have + int(length):,} bytes, not the {archive.size:,} that "
                "are expected: it isn't the same file any more"
            )
        bar.n = have
        with part.open("ab" if have else "wb") as file:
            while chunk := response.read(min(CHUNK, archive.size - have)):
                file.write(chunk)
                have += len(chunk)
                bar.update(len(chunk))


def verify(archive: Archive, path: Path, *, remove: bool = False) -> None:
    """Compares a file with the checksum of its archive.

    Args:
        archive: what the file should be.
        path: the file.
        remove: remove it if it is another, so that the next run fetches it anew.

    Raises:
        DownloadError: it is another.
    """
    algorithm, _, expected = archive.checksum.partition(":")
    print(f"checking {archive.name}", file=sys.stderr)
    with path.open("rb") as file:
        new = hashlib.new(algorithm, usedforsecurity=False)
        found = hashlib.file_digest(file, lambda: new).hexdigest()
    if found != expected:
        mend = "it has been removed, run this again" if remove else "remove it and run this again"
        if remove:
            path.unlink()
        raise DownloadError(f"{path} has the {algorithm} {found}, not {expected}: {mend}")


def unpack(path: Path, folder: Path) -> None:
    """Unpacks a zip into a folder; every file's CRC is checked on the way.

    Raises:
        DownloadError: it is damaged, doesn't fit on the disk, or would write outside the folder;
            in the last two cases nothing has been written.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            # What macOS adds to a zip is of no use elsewhere.
            members = [m for m in archive.infolist() if not m.filename.startswith("__MACOSX/")]
            for member in members:
                place = PureWindowsPath(member.filename)  # knows all of / and \ and C:
                if place.anchor or ".." in place.parts:
                    raise DownloadError(f"{path} would write outside {folder}: {member.filename!r}")
            size, free = sum(member.file_size for member in members), _free(folder)
            if size > free:
                raise DownloadError(
                    f"{path} unpacks to {size:,} bytes, and {folder} has {free:,} bytes free; "
                    "make room and run this again"
                )
            for member in tqdm(members, desc=f"unpacking {path.name}", unit="file"):
                archive.extract(member, folder)
    # An encrypted member is a RuntimeError.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise DownloadError(
            f"can't unpack {path}: {error}; remove it and run this again"
        ) from error


def _marker(archive: Archive, folder: Path) -> Path:
    """The file that says that an archive has been unpacked."""
    return folder / f".{archive.name}.unpacked"


def _part(archive: Archive, folder: Path) -> Path:
    return folder / f"{archive.name}.part"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _free(folder: Path) -> int:
    """Bytes free where a folder is or will be."""
    folder = folder.resolve()
    return shutil.disk_usage(next(p for p in (folder, *folder.parents) if p.exists())).free
