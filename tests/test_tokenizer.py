import shutil

import pytest

from captioner.tokenizer import tokenize


@pytest.mark.parametrize(
    ("caption", "tokens"),
    [
        ("A dog's red ball.", "a dog 's red ball"),
        ("Two dogs ( one black ) run , and bark !", "two dogs one black run and bark"),
        ('The "big" T-shirt -- it isn\'t here...', "the big t-shirt it is n't here"),
        ("He runs. She jumps.", "he runs she jumps"),
        ("\n a\tdog \n", "a dog"),
        ("3.5 feet", "3.5 feet"),
        ("", ""),
        (" . , ! ", ""),
    ],
)
def test_planted_captions(caption, tokens):
    assert tokenize(caption) == tokens.split()


def test_what_it_gave_it_gives_again():
    tokens = tokenize("A man, who isn't tall, throws the dog's frisbee.")
    assert tokenize(" ".join(tokens)) == tokens


def test_it_agrees_with_the_official_java_tokenizer_on_real_captions(flickr8k):
    if shutil.which("java") is None:
        pytest.skip("the official tokenizer needs Java")
    ptb = pytest.importorskip("pycocoevalcap.tokenizer.ptbtokenizer").PTBTokenizer()
    lines = (flickr8k / "Flickr8k_text" / "Flickr8k.token.txt").read_text().splitlines()
    captions = [line.split("\t")[1] for line in lines[::8]]
    official = ptb.tokenize({i: [{"caption": text}] for i, text in enumerate(captions)})
    same = [" ".join(tokenize(text)) == official[i][0] for i, text in enumerate(captions)]
    assert sum(same) / len(same) >= 0.999
