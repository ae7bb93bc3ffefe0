"""Which words the boxes of a picture speak of. Knows no torch."""

from collections import defaultdict

from captioner.data import Picture, Region
from captioner.metrics.grounding import APART
from captioner.tokenizer import tokenize

# Words that end a phrase and name nothing: colours, numbers, and what stands for a noun.
_NO_NOUNS = frozenset(
    "black blue brown gray green grey orange pink purple red silver tan white yellow "
    "one two three four five six seven eight nine ten another each other others it them 's "
    "large small young old".split()
)


def token_places(caption: str, region: Region) -> range:
    """Where the words of a region stand among the tokens of its caption."""
    words = caption.split()
    start = sum(len(tokenize(word)) for word in words[: region.start])
    return range(start, start + sum(map(len, map(tokenize, words[region.start : region.end]))))


def regions_by_head(picture: Picture) -> dict[str, list[Region]]:
    """The regions of a picture by the head of their phrase, its last word ("a brown *dog*").

    A phrase that ends in no noun ("one in *red*", "the *other*") has no head; a word that is a
    scene in one caption and a thing in another is the thing.
    """
    heads: dict[str, list[Region]] = defaultdict(list)
    for region in picture.regions:
        words = picture.captions[region.caption].split()[region.start : region.end]
        for head in tokenize(" ".join(words))[-1:]:
            if head not in _NO_NOUNS:
                heads[head].append(region)
    return {head: _things(regions) for head, regions in heads.items()}


def is_scene(region: Region) -> bool:
    """Whether a region is about the whole picture."""
    return APART in region.kind.split("/")


def _things(regions: list[Region]) -> list[Region]:
    return [region for region in regions if not is_scene(region)] or regions
