"""Plug-ins: names of a table, paths to classes, and one line for everything else."""

import pytest

from ritornello import plugins
from ritornello.rank.logistic import Logistic

TABLE = {"logistic": "ritornello.rank.logistic:Logistic"}


@pytest.mark.parametrize("name", ["logistic", "ritornello.rank.logistic:Logistic"])
def test_a_name_and_a_path_lead_to_the_class(name: str) -> None:
    assert plugins.find("ranker", name, TABLE) is Logistic


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "unknown ranker '': allowed are none, logistic, or module:Class"),
        ("nowhere:Ranker", "cannot be loaded"),
        ("ritornello.rank:Nothing", "cannot be loaded"),
        (":", "cannot be loaded"),
        ("os:getcwd", "is no class"),
    ],
)
def test_what_leads_to_no_class_is_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plugins.find("ranker", name, TABLE, also=("none",))


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="declares no Config"):
        plugins.configured(dict, None, where="rank.window")
    with pytest.raises(ValueError, match="unknown field `depth`; allowed are"):
        plugins.configured(Logistic, {"depth": 3}, where="rank.window")
