"""Odd and hostile files as visitors send them: those that are pictures, and those that are not."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def noise(width: int, height: int) -> Image.Image:
    """A picture of random pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def write_pictures(folder: Path) -> list[Path]:
    """Files that look odd and can all be captioned."""
    noise(64, 48).convert("CMYK").save(folder / "print.tif")
    noise(64, 48).convert("1").save(folder / "bits.bmp")
    Image.fromarray(np.arange(3072, dtype=np.uint16).reshape(48, 64) * 21).save(folder / "deep.png")
    Image.fromarray(np.linspace(-3e38, 3e38, 64, dtype=np.float32)[None]).save(folder / "f.tif")
    transparent = Image.new("RGBA", (30, 20), (200, 0, 0, 128))
    transparent.save(folder / "glass.png")
    frames = [Image.new("RGB", (30, 30), colour) for colour in ("green", "red")]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    Image.new("1", (1, 1), 1).save(folder / "one.png")
    noise(3000, 2).save(folder / "thin.png")
    noise(64, 48).save(folder / "no-suffix", "PNG")
    noise(64, 48).save(folder / "wrong-suffix.txt", "JPEG")
    noise(64, 48).save(folder / 'my "best"  dog\'s photo.png')
    noise(64, 48).save(folder / "日本 ünï.png")
    noise(64, 48).save(folder / "<img src=x onerror=alert(1)>.png")
    noise(64, 48).save(folder / "exif.jpg", exif=b"Exif\0\0MM\0*\0\0")
    return sorted(folder.iterdir())


def write_refused(folder: Path) -> dict[Path, str]:
    """Files that can't be captioned, each with the reason that is to be told."""
    refused = {
        "empty.jpg": (b"", "the file is empty"),
        "text.jpg": (b"not a picture, just words", "it is not a picture that can be recognised"),
        "page.png": (b"<html><script>alert(1)</script>", "it is not a picture that can be"),
        "drawing.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it is not a picture that"),
        "program.jpg": (
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n",
            "it is PostScript",
        ),
        "bomb.pgm": (b"P5 30000 30000 255\n" + bytes(30_000), "it has more than"),
        "bomb.png": (_png_bomb(), "it has more than"),
        "random.jpg": (os.urandom(2000), "it is not a picture that can be recognised"),
    }
    noise(64, 64).save(folder / "cut.jpg", quality=95)
    data = (folder / "cut.jpg").read_bytes()
    refused["cut.jpg"] = (data[: len(data) // 2], "it is cut short")
    for name, (content, _) in refused.items():
        (folder / name).write_bytes(content)
    return {folder / name: reason for name, (_, reason) in refused.items()}


def _png_bomb() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(30_000 * (1 + 30_000 // 8)), 1)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows)
    return png + chunk(b"IEND", b"")
