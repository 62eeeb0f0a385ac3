"""What an install lacks is told in one line that says how to get it, and how to do without."""

import pytest

from ritornello.extras import needing


def test_what_is_missing_is_told_with_the_way_out():
    with (
        pytest.raises(
            ValueError, match=r"^this needs more: pip install 'ritornello\[all\]', or ask for less \(No module"
        ),
        needing("all", "this needs more", otherwise="ask for less"),
    ):
        import ritornello.no_such_module  # noqa: F401


def test_other_mistakes_are_told_as_they_are():
    with pytest.raises(KeyError), needing("all", "this needs more"):
        {}["lost"]
