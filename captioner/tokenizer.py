"""Captions to the field's official tokens: lower-case Penn Treebank, punctuation dropped.

The scores and the vocabulary cut captions in the same way, so that a word the model can say is a
word the references can hold.
"""

from nltk.tokenize.treebank import TreebankWordTokenizer

# The list of coco-caption's PTBTokenizer. Treebank writes brackets as -LRB- and the like when
# asked to; here they are still themselves.
PUNCTUATION = frozenset("'' ' ` `` -lrb- -rrb- -lcb- -rcb- . ? ! , : - -- ... ; ( ) { } \"".split())
_TREEBANK = TreebankWordTokenizer()


def tokenize(caption: str) -> list[str]:
    """Cuts a caption into words as the official scores do, e.g. "A dog's ball." -> a dog 's ball.

    Args:
        caption: one sentence, or several; line breaks count as spaces.

    Returns:
        The words in order, lower-case, without punctuation.
    """
    tokens = []
    for token in _TREEBANK.tokenize(" ".join(caption.lower().split())):
        # Treebank splits off a full stop only at the end of the text; the official tokenizer
        # splits sentences first.
        word = token.rstrip(".") if token not in PUNCTUATION else ""
        if word and word not in PUNCTUATION:
            tokens.append(word)
    return tokens
