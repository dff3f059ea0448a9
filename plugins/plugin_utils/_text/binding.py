# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which sentences bind their author, by the lexicon: what is stored, how long, secured, deleted, logged, never, only.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .language import language_of
from .lexicon import Language, Lexicon
from .sentences import Sentence

FEWEST_WORDS = 2  # of a sentence that binds anybody; less is a name or a link
_LINK = re.compile(r"<?(?:https?://|www\.)\S+|\S+@\S+\.\w+")


def words_for(sentence: Sentence, words: Lexicon, main: str) -> Language:
    """The lexicon's part for the language of a sentence, which is the text's unless it is clearly another."""
    own = language_of(sentence.text, words)
    return words.languages.get(own) or words.languages[main]


def kinds(sentence: Sentence, words: Language) -> list[str]:
    """What a sentence binds its author to, as kinds of the lexicon; none where it does not bind."""
    text = _LINK.sub(" ", sentence.text)
    if len(re.findall(r"[^\W\d_]+", text)) < FEWEST_WORDS or _asks(text):
        return []
    found = [kind for kind, phrases in words.binding.items() if phrases.search(text)]
    if words.excused.search(text) and not words.strong & set(found):
        return []
    return found


def _asks(text: str) -> bool:
    """Whether it is a question, a question's answer not being in it."""
    return text.rstrip(" \"'\u201d\u2019)").endswith("?")


def binding(sentences: Sequence[Sentence], words: Lexicon, main: str) -> dict[int, list[str]]:
    """The sentences that bind, by their place in the text, with their kinds."""
    told = {}
    for place, sentence in enumerate(sentences):
        part = words_for(sentence, words, main)
        told[place] = kinds(sentence, part) or (_heading_kinds(sentence.section, part) if sentence.number == 1 else [])
    return {place: found for place, found in told.items() if found}


def _heading_kinds(heading: str, words: Language) -> list[str]:
    """What a heading binds its author to that is a sentence of its own."""
    if not words.binding_heading.match(heading) or _asks(heading):
        return []
    return [kind for kind, phrases in words.binding.items() if phrases.search(heading)]
