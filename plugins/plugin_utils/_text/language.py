# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which language a text is in, by its function words: the few hundred commonest words, which no text does without.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from .lexicon import Lexicon
from .reading import HEADING, Page, TextError

FEWEST_WORDS = 25  # of a text; below that, function words tell nothing. Our own bounds, like the next
SHORTEST = 8  # words of a paragraph that is judged by itself
FOREIGN_SHARE = 0.1  # of a text's words; more than that in another language is no quotation


def language_of(text: str, words: Lexicon) -> str:
    """The language with the most function words in a text; "" where none has two, or none leads.

    Letters by themselves do not count: initials and the like would be words of some language.
    """
    counted = Counter(re.findall(r"[^\W\d_]{2,}", text.casefold()))
    scores = {
        name: sum(number for word, number in counted.items() if word in known)
        for name, known in words.function_words.items()
    }
    (first, most), (_second, next_most) = Counter(scores).most_common(2)
    different = len(words.function_words[first] & counted.keys())
    return first if most > next_most and different >= 2 and most >= sum(counted.values()) / 8 else ""


def language(page: Page, words: Lexicon) -> str:
    """The language of a text, one of those that are read. Raises TextError with the reason where it is another."""
    read = " and ".join(words.names[name] for name in words.languages)
    blocks = [block.text for block in page.blocks if block.kind != HEADING]
    total = sum(len(text.split()) for text in blocks)
    if total < FEWEST_WORDS:
        raise TextError(f"it has {total} words; a statement has more")
    shares: Counter[str] = Counter()
    for text in _pieces(blocks):
        shares[language_of(text, words)] += len(text.split())
    known = shares.pop("", 0)
    judged = sum(shares.values())
    if not judged or known > total / 2:
        raise TextError(f"its language was not recognised; only {read} are read")
    foreign = {name: share for name, share in shares.items() if name not in words.languages}
    if foreign and sum(foreign.values()) > FOREIGN_SHARE * judged:
        worst = max(foreign, key=lambda name: foreign[name])
        part = "" if foreign[worst] > 0.9 * judged else "in part "
        raise TextError(f"it is {part}in {words.names[worst]}; only {read} are read")
    return max(words.languages, key=lambda name: shares[name])


def _pieces(blocks: Sequence[str]) -> list[str]:
    """Blocks, the short ones put together with their neighbours."""
    pieces: list[str] = []
    for text in blocks:
        if pieces and len(pieces[-1].split()) < SHORTEST:
            pieces[-1] = f"{pieces[-1]} {text}"
        else:
            pieces.append(text)
    return pieces
