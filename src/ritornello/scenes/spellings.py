"""Spellings: the groups of a name, other ways to write decades and languages among them."""

import re

from ritornello.data.facts import Facts, plain_words
from ritornello.schema import ERA, LANGUAGE

LANGUAGE_CODES = {
    "english": ("en", "eng"), "french": ("fr", "fra"), "german": ("de", "deu"), "spanish": ("es", "spa"),
    "italian": ("it", "ita"), "portuguese": ("pt", "por"), "dutch": ("nl", "nld"), "japanese": ("ja", "jpn"),
    "korean": ("ko", "kor"), "mandarin": ("zh", "zho"), "chinese": ("zh", "zho"), "russian": ("ru", "rus"),
    "polish": ("pl", "pol"), "turkish": ("tr", "tur"), "arabic": ("ar", "ara"), "hindi": ("hi", "hin"),
}  # fmt: skip
LANGUAGE_NAMES = {code: language for language, codes in LANGUAGE_CODES.items() for code in codes}
DECADES = {
    "fifties": "1950s", "sixties": "1960s", "seventies": "1970s", "eighties": "1980s", "nineties": "1990s",
    "noughties": "2000s",
}  # fmt: skip


def lookup(kind: str, wanted: str, facts: Facts) -> list[int]:
    """Return the groups of that id or name, other spellings of decades and languages among them."""
    groups = facts.groups[kind]
    if wanted in groups.row_of:
        return [groups.row_of[wanted]]
    words = " ".join(plain_words(wanted))
    spellings = [words]
    if kind == ERA:
        spellings.append(decade(words))
    elif kind == LANGUAGE:
        spellings.extend(LANGUAGE_CODES.get(words, ()))
    return next((groups.by_name[one] for one in spellings if one and one in groups.by_name), [])


def decade(word: str) -> str:
    """Return a decade in four figures.

    >>> decade("90s"), decade("nineties"), decade("10s"), decade("1990"), decade("jazz")
    ('1990s', '1990s', '2010s', '1990s', '')
    """
    if word in DECADES:
        return DECADES[word]
    figures = re.fullmatch(r"(\d\d)?(\d)0s?", word)
    if figures is None or (figures[1] is None and not word.endswith("s")):
        return ""
    century = figures[1] or ("19" if int(figures[2]) >= 3 else "20")
    return f"{century}{figures[2]}0s"


def readable(kind: str, name: str) -> str:
    """Return a group's name as a word that somebody would say: a code of a language says little.

    >>> readable("language", "fr"), readable("tag", "fr")
    ('french', 'fr')
    """
    return LANGUAGE_NAMES.get(name.lower(), name) if kind == LANGUAGE else name
