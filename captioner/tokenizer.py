"""Captions to the field's official tokens: lower-case Penn Treebank, punctuation dropped.

One regular expression does what the lexer of Stanford CoreNLP 3.4.1 does, which coco-caption runs
in Java, as far as captions need it. The scores and the vocabulary cut captions in the same way, so
that a word the model can say is a word the references can hold.
"""

import re
import unicodedata

# The list of coco-caption's PTBTokenizer. It also names "-LRB-" and the other brackets, but it is
# applied after lower-casing: the official tokens do keep "-lrb-", and so do these.
PUNCTUATION = frozenset("'' ' ` `` . ? ! , : - -- ... ; \"".split())
BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}

_CLEANED = str.maketrans(
    {
        **{"’": "'", "‘": "'", "“": '"', "”": '"', "…": "...", "–": " -- ", "—": " -- "},
        **{"½": " 1/2", "¼": " 1/4", "¾": " 3/4", "£": "#", "€": "$", "¢": " cents"},
        # A hyphen that does not break, and marks that are not seen.
        **{"\u2011": "-", "\u00ad": None, "\u200b": None, "\ufeff": None},
    }
)
_BRACKETS = str.maketrans(BRACKETS)
_ENTITIES = {"&amp;": "&", "&quot;": '"', "&lt;": "<", "&gt;": ">", "&apos;": "'"}

# Words that keep their full stop: always, with a capital letter, and before a number.
_ABBREVIATIONS = (
    "jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|mon|tues?|wed|thu(?:rs)?|fri"
    "|ala|ariz|calif|colo|conn|ct|dak|fla|ga|ind|kans?|ky|md|mich|minn|mo|mont|neb|nev|okla|penn"
    "|tenn|va|vt|wisc?|wyo|inc|cos?|corp|ltd|plc|bancorp|dept|bhd|assn|univ|intl|sys|invt|elec"
    "|natl|mrs?|ms|drs?|profs?|sens?|reps?|attys?|lt|col|gen|messrs|govs?|adm|rev|maj|sgt|cpl|pvt"
    "|capt|ste?|ave|pres|lieut|hon|brig|co?mdr|pfc|spc|supts?|det|mt|ft|adj|adv|asst|assoc|ens"
    r"|insp|mlle|mme|msgr|sfc|jr|sr|bros|(?:ph|ed)\.d|blvd|rd|rt|esq|bldg|etc|vs|al|ph|tel|est|ext|sq"
)
_CAPITAL_ABBREVIATIONS = "ark|art|del|ill|la|mass|miss|ore|pa|tex|wash"
_NUMBERED = "nos?|figs?|pp|prop|ca"
_TWO = "cannot|gonna|wanna|gotta|lemme|gimme"
_CLITIC = "s|m|d|ll|re|ve"
_NO_CLITIC = rf"(?!(?:{_CLITIC})\b)"
_TOKEN = re.compile(
    rf"""
    # Nine tokens of ten; first, because it is quick.
      (?!(?:{_TWO})\b)[a-z]+(?=[\s,]|$)
    | -[lr][rsc]b- | [^\W_]+(?:-[^\W_]+)*\.(?=[,;:])
    | (?:https?://|www\.)[^\s"<>]*[^\s"<>.,;:!?)] | [\w.+-]+@[\w-]+(?:\.[\w-]+)+ | [@\#][a-z]\w*
    | </?[a-z][^<>\s]*> | [<>]?[:;=][-']?(?:[()]|[dp]\b)
    # Words that Treebank cuts in two.
    | can(?=not\b) | (?:gon|wan)(?=na\b) | got(?=ta\b) | (?:lem|gim)(?=me\b) | y'(?=all\b)
    | '(?:t(?=is\b|was\b)|n\b(?!')) | [^\W\d_]+?(?=n't\b) | n't\b | '(?:{_CLITIC})\b
    # An apostrophe is a quotation mark, but for these.
    | '(?:n'|(?:em|till?|cause|\d0s)\b) | (?:ol|dunkin|somethin)'
    | (?:o'clock|c'mon|d'ye|s'mores|e'er|li'l)\b
    | (?-i:[A-HJ-XZ])'{_NO_CLITIC}[^\W\d_]{{2,}}
    | [^\W\d_]+[aeiouy]'{_NO_CLITIC}(?-i:[aeiouA-Z])[^\W\d_]*
    | (?:{_ABBREVIATIONS})\.(?!\w) | (?=(?-i:[A-Z]))(?:{_CAPITAL_ABBREVIATIONS})\.(?!\w)
    | (?:{_NUMBERED})\.(?=\s*\d) | [^\W\d_](?:\.[^\W\d_])*\.(?!\w)
    | \d+(?:[:.,/]\d+)+(?:-[^\W_]+)* | [-+.]\d+
    | (?-i:[A-Z]+&[A-Z]+) | c\+\+
    | [^\W_]+(?:[-./!?_](?!\w*n't\b)[^\W_]+)*
    | [?!]{{2,}} | \.+ | -+ | '' | `` | _+ | \*+
    | [^\w\s\U00010000-\U0010FFFF]
    """,
    re.VERBOSE | re.IGNORECASE,
)


def tokenize(caption: str) -> list[str]:
    """Cuts a caption into words as the official scores do, e.g. "A dog's ball." -> a dog 's ball.

    Args:
        caption: one sentence, or several; line breaks count as spaces.

    Returns:
        The words in order, lower-case, without punctuation.
    """
    text = unicodedata.normalize("NFC", caption).translate(_CLEANED)
    for entity, character in _ENTITIES.items():
        text = text.replace(entity, character)
    tokens = (token for token in _TOKEN.findall(text) if token.strip("-."))
    return [token.lower().translate(_BRACKETS) for token in tokens if token not in PUNCTUATION]
