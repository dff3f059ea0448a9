# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The published text of a statement: read, held against its register, or made into a first draft of one.

reading: a file's headings, paragraphs, items. sentences: their sentences and places. language, lexicon, binding: what
the sentences say. check and draft: what comes of it.

PRIVATE to the collection.
"""
