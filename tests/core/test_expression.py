"""Regular expressions on names that strangers chose: the same answers as Python's engine, always soon."""

from __future__ import annotations

import re
import warnings
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soulmesh.core.expression import LONGEST_NAME, BadExpression, Expression


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
        r"(?:live|demo)?.* [\w-]+ (?P<year>[0-9]{4})",
        r"\(a+\)*",  # the brackets are in the name
        "[(*+)]{3,}",
        "[]*+?]+[^]*+]",
        r"\[*\*\+\+\++",
        "x{12}" * 16,
        "{}a{,}",
        "a.*?b.*?c.*?d",
        "(?#one * and two **)a*b*",
        "(?i)a*b*",
        r"flac(?!.*live)",
        r"(.)\1\1",
        r"a++b",
        r"\x61*\N{LATIN SMALL LETTER B}*\0\07\141\u0062",
    ],
)
def test_what_people_write_is_taken(expression: str) -> None:
    re.compile(expression)
    Expression(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "(a+)+b",
        "(a|a)*b",
        "(a*)*b",
        "x(aa?){2,5}",
        "a*a*a*a*b",
        ".*.+.{2,}.{0,99}b",
        "(a|a)" * 39 + "b",
        "a?" * 60 + "a" * 60 + "b",
        "(" * 60 + "a*" + ")*" * 60 + "b",
        "(x|(y|(z|a*)b*)c*)(k|l|m|n)d*a",
        "(a|!)*a(a|!){12}b",
        "(?:aa?)(?#){0,24}b",
        "(?:a|aa)(?#one)(?#two)*b",
        r"(?#\))(a+)+b",
        "(?:){999999999}b",
        "(?:(?:){999}a){0,3}b",
        "((?:){9}a?)*b",
        r"(\b|a)*\Bb",
    ],
)
def test_what_would_take_python_for_ever_ends(expression: str) -> None:
    found = Expression(expression)
    assert not found.found("a" * LONGEST_NAME)
    assert not found.found("ac" * (LONGEST_NAME // 2))
    # The places among random letters are other ones each time.
    letters = Random(1).choices("a!", k=LONGEST_NAME)
    assert not found.found("".join(letters))


@pytest.mark.parametrize(
    ("expression", "position", "reason"),
    [
        ("(a", 0, "unterminated"),
        ("a{99999999999}", 0, "too large"),
        ("x" * 201, 0, "at most 200"),
        ("(a{99}b*){9}", 2, "more than 200 characters"),
        ("a*b*((x{3}){3}){99}c", 7, "more than 200 characters"),
        ("((()*)*){1,3000}a*", 6, "more than 200 characters"),
        ("a*(?=b*)", 2, "a look ahead or behind"),
        ("(?<!x)a*b*", 0, "a look ahead or behind"),
        (r"(.*)x\1", 5, "a reference to a group"),
        (r"(?P<n>.*)(?P=n)", 9, "a reference to a group"),
        ("a?+" * 23, 67, "not tried again"),
        ("a*(?>b*)", 2, "not tried again"),
        ("(?s)a", 0, "this kind of group"),
        ("(a)?(?(1)b|c)", 4, "this kind of group"),
        ("(?x)a # b*", 0, "this kind of group"),
        ("a(?x: b*)", 1, "this kind of group"),
        ("(?#)(?-i:a)", 4, "this kind of group"),
        ("(?a)(?u)a", 0, "incompatible"),
        # What a comment hid.
        ("(?=a)(?:aa?)(?#){0,24}c", 0, "a look ahead or behind"),
        ("(?=a)(?:aa?)(?#)(?#)*c", 0, "a look ahead or behind"),
        (r"(?#\))(?=a)(a+)+b", 6, "a look ahead or behind"),
        # Nothing, over and over, is kept each time.
        ("(?:^){999999999}", 5, "more than 200 characters"),
        ("(?=a){999999999}", 0, "a look ahead or behind"),
        ("(?:(?=a){999}){999}b", 3, "a look ahead or behind"),
        (r"(?:(?!\b){200}){30}c", 3, "a look ahead or behind"),
        ("(?:){999999999}+", 4, "not tried again"),
        ("(?>){999999999}", 0, "not tried again"),
        (r"()\1{999999999}", 2, "a reference to a group"),
        # One way only, but far to go at each place.
        ("(?:a(?=(?:aa){200}))*b", 4, "a look ahead or behind"),
        ("(?:a(?=(?:a(?=(?:aa){50})){50}))*b", 4, "a look ahead or behind"),
        ("(?=a)a*" + "a" * 50 + "b", 0, "a look ahead or behind"),
        # Numerals of others are letters here.
        ("(?=a)a{\u0663}*a*", 0, "a look ahead or behind"),
        ("[" + "".join(chr(256 + n) + "-\uffff" for n in range(60)) + "]", 26, "too many characters"),
        (r"[\0-\U0010ffff]" * 12, 123, "too many characters"),
    ],
)
def test_what_is_not_taken_is_refused_where_it_stands(expression: str, position: int, reason: str) -> None:
    with pytest.raises(BadExpression, match=reason) as caught:
        Expression(expression)
    assert caught.value.position == position


def test_nothing_is_found_in_a_name_that_no_disk_bears() -> None:
    for expression in ("a", "a*b*"):
        assert Expression(expression).found("a" * LONGEST_NAME)
        assert not Expression(expression).found("a" * (LONGEST_NAME + 1))


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("STRA\u00dfE.*x*y", "Stra\u00dfe 5y"),
        ("\u017f+k*t+", "St"),  # what Python takes for the same letter is the same here
        ("\u212a+x*y", "ky"),
        (r"^a*\d*$", "a12\n"),
        (r"a*\Z\n?", "a\n"),
        (r"\bab*c*\b", "x abc y"),
        (r"[^\W\d_]+-+[a-f]*$", "Z\u00fcrich--FACE"),
        (r".*\n.*x", "a\nbx"),
        (r"\Ba*b*$", "-ab-"),
        ("^a(?#c)*b", "aab"),
        ("^a(?#c)(?#d)+?x*$", "aa"),
        (r"^(?#\)a*)b*x*$", "bbx"),
        ("(?#c)(?i)(?#d)^(?#e)A(?#f){2}(?#g)x*y*$", "aax"),
        ("^a*(?#c)|(?#d)b*(?#e)x", "bx"),
        ("^a{\u0661}*b*$", "a{\u0661}}b"),
        ("^a{}*b*{$", "a{}}b{"),
        ("^a*b*\\\u00b2$", "a\u00b2"),
        ("^(?P<a\u00b7b>a*)x*$", "aax"),
        (r"^[]\]-]*[^]\\]*[a\-z]*[\x61-\u0063-]*$", "]-]xyab-"),
        (r"^[!-~]*[\x00-\uffff]*x$", "a\u00e9x"),
        ("^(?:|a||b)*(|)*(?:(?:)*)*x*$", "abx"),
        (r"^(?:\b)*(?:\Z)*(?:$|^)+a*x*", "aax"),
        (r"^(?:(?:^)?a?){3}x*$", "aax"),
    ],
)
def test_letters_edges_and_lines_are_those_of_python(expression: str, name: str) -> None:
    for text in (name, name.swapcase(), name + "\n", "\n" + name, name[1:], name[:-1], ""):
        wanted = re.search(expression, text, re.IGNORECASE) is not None
        assert Expression(expression).found(text) == wanted, text


PIECES = [
    *"aab*+?|()",
    "{2}",
    "{,2}",
    "{1,}",
    "[ab]",
    "[^a]",
    ".",
    "^",
    "$",
    r"\b",
    r"\B",
    r"\Z",
    r"\w",
    "(?:",
    "??",
    "()",
    "{0}",
    "(?#)",
    r"(?#\)a*)",
    "[]-]",
    "{\u0662}",
]


@given(
    st.lists(st.sampled_from(PIECES), max_size=10).map("".join),
    st.lists(st.text("ab -\n", min_size=1, max_size=8), min_size=1, max_size=8),
)
def test_it_finds_what_python_finds(expression: str, names: list[str]) -> None:
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):
            python = re.compile(expression, re.IGNORECASE)
        ours = Expression(expression)
    except (re.error, BadExpression):
        return
    for name in names:
        assert ours.found(name) == (python.search(name) is not None), name


@given(st.text("ab*+?{}1,()[]|\\^", max_size=30))
def test_whatever_is_taken_ends_on_a_name_made_for_it(expression: str) -> None:
    try:
        found = Expression(expression)
    except BadExpression:
        return
    found.found("a" * 200)
