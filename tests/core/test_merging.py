"""Two programs changed one file: what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soulmesh.core.merging import merged


@pytest.mark.parametrize(
    ("before", "ours", "theirs", "whole"),
    [
        (["a"], ["a", "b"], ["a", "c"], ["a", "c", "b"]),
        (["a", "b"], ["b"], ["a", "b", "c"], ["b", "c"]),
        (["a", "b"], ["a"], ["b"], []),
        ({}, {"x": 1}, {"y": 2}, {"y": 2, "x": 1}),
        ({"x": 1}, {}, {"x": 1, "y": 2}, {"y": 2}),
        ({"x": 1}, {"x": 2}, {"x": 3}, {"x": 2}),
        ({"x": 1}, {"x": 1}, {}, {}),
        ({"x": 1}, {"x": 2}, {}, {"x": 2}),
        ({"x": {"n": 1, "m": 1}}, {"x": {"n": 2, "m": 1}}, {"x": {"n": 1, "m": 5}}, {"x": {"n": 2, "m": 5}}),
        (None, {"x": ["a"]}, {"x": ["b"]}, {"x": ["b", "a"]}),
        ({}, {"x": ["a"]}, {"x": {"a": 1}}, {"x": ["a"]}),
    ],
)
def test_what_either_changed_is_changed(before: Any, ours: Any, theirs: Any, whole: Any) -> None:
    assert merged(before, ours, theirs) == whole


VALUES = st.recursive(
    st.integers(0, 3),
    lambda inner: st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES, VALUES)
def test_who_changed_alone_is_right(before: Any, after: Any) -> None:
    assert merged(before, after, before) == after
    assert merged(before, before, after) == after
    assert merged(before, after, after) == after
