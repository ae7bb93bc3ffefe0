"""Which words the boxes of a picture speak of. Knows no torch."""

from collections import defaultdict

from captioner.data import Picture, Region
from captioner.tokenizer import tokenize


def token_places(caption: str, region: Region) -> range:
    """Where the words of a region stand among the tokens of its caption."""
    words = caption.split()
    start = sum(len(tokenize(word)) for word in words[: region.start])
    return range(start, start + sum(map(len, map(tokenize, words[region.start : region.end]))))


def regions_by_head(picture: Picture) -> dict[str, list[Region]]:
    """The regions of a picture by the head of their phrase, its last word ("a brown *dog*")."""
    heads: dict[str, list[Region]] = defaultdict(list)
    for region in picture.regions:
        words = picture.captions[region.caption].split()[region.start : region.end]
        for head in tokenize(" ".join(words))[-1:]:
            heads[head].append(region)
    return heads
