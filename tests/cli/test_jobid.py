# SPDX-License-Identifier: LGPL-3.0
"""projections.notation.jobid against the examples and rules of RFC 19."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.notation.jobid import FORMS, MAX_JOBID, encode, parse

# RFC 19 gives the same number in several encodings, or one text in one of them.
EXAMPLE = {
    "dec": "6731191091817518",
    "hex": "0x17e9fb8df16c2e",
    "dothex": "0017.e9fb.8df1.6c2e",
    "kvs": "job.0017.e9fb.8df1.6c2e",
    "words": "reform-remote-galileo--heart-package-academy",
    "f58": "ƒuZZybuNNy",
    "f58plain": "fuZZybuNNy",
    "emoji": "👩💅📓😸👑🚓",
}
ZERO = {
    "dec": "0",
    "hex": "0x0",
    "dothex": "0000.0000.0000.0000",
    "kvs": "job.0000.0000.0000.0000",
    "words": "academy-academy-academy--academy-academy-academy",
    "f58": "ƒ1",
    "f58plain": "f1",
    "emoji": "😃",
}
LARGEST = {
    "dec": "18446744073709551615",
    "hex": "0xffffffffffffffff",
    "dothex": "ffff.ffff.ffff.ffff",
    "kvs": "job.ffff.ffff.ffff.ffff",
    "words": "natural-analyze-verbal--natural-analyze-verbal",
    "f58": "ƒjpXCZedGfVQ",
    "f58plain": "fjpXCZedGfVQ",
    "emoji": "🚹💗💧👗😷📷📚",
}


@pytest.mark.parametrize(
    ("jobid", "texts"), [(6731191091817518, EXAMPLE), (0, ZERO), (MAX_JOBID, LARGEST)]
)
def test_each_form_both_ways(jobid: int, texts: dict[str, str]) -> None:
    assert texts == {form: encode(jobid, form) for form in FORMS}
    assert dict.fromkeys(FORMS, jobid) == {form: parse(text) for form, text in texts.items()}


def test_f58_is_the_usual_form() -> None:
    assert encode(6731191091817518) == "ƒuZZybuNNy"


@given(st.integers(0, MAX_JOBID), st.sampled_from(sorted(FORMS)))
def test_what_is_encoded_is_parsed(jobid: int, form: str) -> None:
    assert jobid == parse(encode(jobid, form))


@pytest.mark.parametrize(
    ("jobid", "text"),
    [
        (4181414752813056, "ƒZemgA8Bzf"),
        (32031603597246464, "🚹💂🙌😳💱🏃"),
        (4181414752813056, "random-idea-yoyo--sugar-printer-academy"),
        (4181414752813056, "Random Idea-YOYO, sugar/printer academy"),  # any mark, any case
        (7, "  7\n"),
        (7, "+7"),
        (7, "job.7"),
        (7, " job. f8"),
        (0xFF, "0xFf"),
        (0x1_0002_0003_0004, "1.2.3.4"),
        (0xFACE_0000_0000_0001, "FACE.0.0.1"),  # dotted hex comes before f58
        (0, "f111111111111"),
    ],
)
def test_other_spellings(jobid: int, text: str) -> None:
    assert jobid == parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "job.",
        "f",
        "ƒ",
        "f0",  # 0, I, O, l are no digits of base 58
        "fé",
        "f1111111111111",  # 13 digits
        "fjpXCZedGfVR",  # 2^64
        "18446744073709551616",
        "-1",
        "1_000",
        "٣",  # int() would take it
        "12x",
        "0x",
        "0X1f",
        "0xg",
        "0x10000000000000000",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.10000",
        "1.2.3.x",
        "😃x",
        "🤖",  # later than Unicode 6.0
        "😃😃😃😃😃😃😃😃",  # 8 digits
        "academy-academy",
        "academy-academy-academy--academy-academy",
        "academy-academy-academy--academy-academy-academy-academy",
        "academy-academy-academy--academy-academy-nosuchword",
        "academy-academy-ego--academy-academy-academy",  # ego: for 24 bits only
        "neon-analyze-verbal--academy-academy-ego",
        "neon-analyze-verbal--academy-academy-academy",  # 2^32 in the first half
    ],
)
def test_no_job_id(text: str) -> None:
    with pytest.raises(ValueError, match="is not a job id: expected f58") as caught:
        parse(text)
    assert len(str(caught.value).splitlines()) == 1


@given(st.text() | st.text("f1.-0x😃aƒ "))
def test_any_text_is_an_id_or_an_error(text: str) -> None:
    try:
        jobid = parse(text)
    except ValueError as error:
        message = str(error)
        assert message.startswith(f"{text!r} is not a job id: ")
    else:
        assert 0 <= jobid <= MAX_JOBID


@pytest.mark.parametrize("jobid", [-1, MAX_JOBID + 1])
def test_no_number_of_64_bits(jobid: int) -> None:
    with pytest.raises(ValueError, match="has to fit in 64 bits"):
        encode(jobid, "dec")


def test_no_such_form() -> None:
    with pytest.raises(ValueError, match=r"unknown job id encoding 'f57': .*dothex.*emoji"):
        encode(1, "f57")
