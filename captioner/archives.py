"""What `captioner download` can fetch: addresses, sizes and checksums of public archives.

Sizes and checksums are those that several public repositories state for these files.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Archive:
    """A zip on a server.

    Attributes:
        url: where it is.
        size: its exact size in bytes.
        checksum: algorithm and digest, as "sha256:..." or "md5:...".
        unpacked: bytes that its content takes, rounded up; the zip itself says it exactly.
        folder: what it is unpacked into, inside the folder that was asked for.
    """

    url: str
    size: int
    checksum: str
    unpacked: int
    folder: str = ""

    @property
    def name(self) -> str:
        """Its file name."""
        return urlsplit(self.url).path.rpartition("/")[2]


COCO = "http://images.cocodataset.org"
FLICKR8K = "https://github.com/jbrownlee/Datasets/releases/download/Flickr8k"
KARPATHY = "https://cs.stanford.edu/people/karpathy/deepimagesent"

# A photo shrinks by less than 1 % in a zip, and 118,287 files fill their last blocks by half.
DOWNLOADS = {
    "coco": (
        Archive(
            url=f"{COCO}/annotations/annotations_trainval2017.zip",
            size=252_907_541,
            checksum="sha256:113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
            unpacked=834_500_000,
        ),
        Archive(
            url=f"{COCO}/zips/val2017.zip",
            size=815_585_330,
            checksum="sha256:4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
            unpacked=840_000_000,
        ),
        Archive(
            url=f"{COCO}/zips/train2017.zip",
            size=19_336_861_798,
            checksum="sha256:69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
            unpacked=19_900_000_000,
        ),
    ),
    "flickr8k": (
        Archive(
            url=f"{FLICKR8K}/Flickr8k_text.zip",
            size=2_340_801,
            checksum="md5:bf6c1abcb8e4a833b7f922104de18627",
            unpacked=15_000_000,
            folder="Flickr8k_text",
        ),
        Archive(
            url=f"{FLICKR8K}/Flickr8k_Dataset.zip",
            size=1_115_419_746,
            checksum="md5:f18a1e2920de5bd84dae7cf08ec78978",
            unpacked=1_150_000_000,
        ),
    ),
    "karpathy": (
        Archive(
            url=f"{KARPATHY}/caption_datasets.zip",
            size=36_745_453,
            checksum="sha256:4cfd70132527b80933105e5829dc9034eaab9573482e2e680abbab6130244817",
            unpacked=191_600_000,
        ),
    ),
}
