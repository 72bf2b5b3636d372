"""XML: every text that it can hold comes back exactly, by a parser that is not ours."""

from __future__ import annotations

from contextlib import suppress
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.core.errors import FaultsError
from curate.formats import markup
from tests.formats.exchanged import NASTY


@given(st.one_of(st.text(), st.sampled_from(NASTY), st.text("\r\n\t \x85\u2028&<>\"']")))
def test_a_text_comes_back_or_is_refused(text: str) -> None:
    with suppress(FaultsError):
        markup.check("texts", [text])
        there_and_back(text)


def there_and_back(text: str) -> None:
    written = f"<a b={markup.attribute(text)}>{markup.element(text)}</a>"
    found = ElementTree.fromstring(written.encode())
    assert (found.get("b"), found.text or "") == (text, text)


@pytest.mark.parametrize("sign", ["\x00", "\x0b", "\x1f", "\ud800", "\ufffe", "\uffff"])
def test_what_xml_cannot_hold_is_refused(sign: str) -> None:
    with pytest.raises(FaultsError, match="which XML cannot hold"):
        markup.check("texts", ["fine", f"a{sign}b"])
