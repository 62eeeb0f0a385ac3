"""Configuration: what is written is what runs, and what is misspelt is refused in one line."""

import msgspec
import pytest

from ritornello.config import Config, apply_override, load_config


def test_nothing_given_is_the_defaults():
    assert load_config(None, []) == Config()


def test_a_file_and_overrides_on_top_of_it(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(
        'seed = 3\n[recall]\nchannels = ["popular"]\nquotas = {popular = 7}\n[recall.settings.popular]\ndepth = 5\n'
    )
    config = load_config(path, ["rank.cuts=4", "rank.model=logistic", "recall.settings.popular.depth=9"])
    assert (config.seed, config.recall.channels, config.recall.quotas) == (3, ("popular",), {"popular": 7})
    assert (config.rank.cuts, config.rank.model) == (4, "logistic")
    assert config.recall.settings == {"popular": {"depth": 9}}


def test_a_configuration_survives_being_written():
    config = load_config(None, ["features.clock=false", "recall.quota=50"])
    assert msgspec.convert(msgspec.to_builtins(config), Config) == config


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("rank.cutz=4", "unknown field `cutz`"),
        ("rank.cuts=many", "Expected `int`"),
        ("rank.cuts", "takes section.key=value"),
        ("=4", "takes section.key=value"),
        ("seed.deep=1", "Expected `int`"),
        ("tower.size=1", "unknown field `tower`"),
    ],
)
def test_a_wrong_override_is_refused_in_one_line(override, message):
    with pytest.raises(ValueError, match=message) as error:
        load_config(None, [override])
    assert "\n" not in str(error.value)


def test_a_value_is_no_section():
    with pytest.raises(ValueError, match="seed is a value, not a section"):
        apply_override({"seed": 1}, "seed.deep=2")


def test_a_missing_or_broken_file_is_told(tmp_path):
    with pytest.raises(ValueError, match="no configuration file at"):
        load_config(tmp_path / "none.toml", [])
    (tmp_path / "broken.toml").write_text("[rank\n")
    with pytest.raises(ValueError, match="is no valid TOML"):
        load_config(tmp_path / "broken.toml", [])
