"""Which regular expressions are taken for names that strangers chose, and where the others are refused."""

from __future__ import annotations

import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soulmesh.core.expense import TooExpensive, check_expense


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "live",
        r"^\d+ - .* - .*\.flac$",
        r"\(19[78]\d\)|\[(19|20)\d\d\]",
        "|".join(["word"] * 40),
        "(one|two|three|four) (five|six|seven) (eight|nine)",
        "(?:live|demo)? (?P<year>[0-9]{4}) (?!remaster)(?i:x)?",
        r"\(a+\)*",  # the brackets are in the name
        "[(*+)]{3,}",
        "[]*+?]+[^]*+]",
        r"\[*\*\+\+\++",
        "x{12}" * 30,
        "{}a{,}",
        "a.*?b.*?c.*?d",
    ],
)
def test_what_people_write_is_taken(expression: str) -> None:
    re.compile(expression)
    check_expense(expression)


@pytest.mark.parametrize(
    ("expression", "position"),
    [
        ("(a+)+", 4),
        ("(a|b)*", 5),
        ("x(ab){2,5}", 5),
        (r"(a+\\)*", 6),  # the backslash is one of the name's, the bracket is none
        ("a*b*c*d*", 7),
        (".*.+.{2,}.{0,99}", 10),
        ("(a|a)" * 23, 112),
        ("a?" * 23, 45),
        ("(" * 40 + "a?" * 23, 85),
        ("a?+" * 23, 67),
        ("(x|(y|(z|a*)b*)c*)(k|l|m|n)d*", 28),
    ],
)
def test_what_could_take_for_ever_is_refused_where_that_begins(expression: str, position: int) -> None:
    with pytest.raises(TooExpensive) as caught:
        check_expense(expression)
    assert caught.value.position == position


@given(st.text("ab*+?{}1,()[]|\\^", max_size=30))
def test_whatever_is_taken_ends_soon_on_a_name_made_for_it(expression: str) -> None:
    try:
        check_expense(expression)
        with warnings.catch_warnings(action="ignore", category=FutureWarning):
            found = re.compile(expression)
    except (TooExpensive, re.error, OverflowError):
        return
    found.search("a" * 15)
