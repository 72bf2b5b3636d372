"""Jobs as the tests need them, and words that no quoting may break."""

from __future__ import annotations

import sys
from typing import Any

from hypothesis import strategies as st

from curate.schedules import Job, when

ODD = '/srv/o\'dd "li%b" %\\%x $HOME ${X} $(ls) `ls` \\\\ ; # ü'

_NASTY = "%\\'\"$`;#{} \t\n\r~*!&|<>()\x7fü\u2028\U0001f993\udcff"

words = st.text(
    st.one_of(st.sampled_from(_NASTY), st.characters(codec="utf-8", exclude_characters="\0")),
    max_size=12,
)
"""Words of a command line; bytes that are no UTF-8 are among them, as `os.fsdecode` gives them."""

utf8_words = words.map(lambda word: word.replace("\udcff", ""))

libraries = words.map(lambda word: f"/srv/{word}")


def job(library: str = "/srv/zoo", **changed: Any) -> Job:
    given = {"name": "cleanup", "program": (sys.executable, "-m", "curate"), "at": when("03:00")}
    made: dict[str, Any] = {**given, "image": "registry/curate:1", "claim": "zoo", **changed}
    return Job(library=library, **made)
