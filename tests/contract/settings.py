"""Other values for every field of a Config, made from the field's type: what holds for one setting has to hold for all.

A component that comes into a table is tested with them without a line of its own. Where a made value makes no sense (a
name out of a list), the field goes into SPECIAL.
"""

import msgspec

SPECIAL: dict[tuple[str, str], list[object]] = {
    ("daily_mix", "familiarity"): [0.0, 1.0],
    ("personal_fm", "familiarity"): [0.0, 1.0],
    ("personal_fm", "explore"): [0.0, 0.9],
    ("similar", "familiarity"): [0.0, 1.0],
    ("similar", "personal"): [0.9, 0.0],
    ("similar", "content"): [0.0, 5.0],
    ("playlists", "familiarity"): [0.0, 1.0],
    ("playlists", "personal"): [0.9, 0.0],
    ("playlists", "length"): [0.0, 1.0],
    ("playlists", "continuation"): [{"neighbours": 1, "amplify": 0.0, "artist": 5.0}],
    ("themed", "familiarity"): [0.0, 1.0],
    ("themed", "personal"): [0.0, 1.0],
    ("graph", "hops"): [2, 1],
    ("graph", "weights"): [{"performed_by": 0.2}, {"has_genre": 3.0}],
    ("vector", "pooling"): ["average", "recency"],
    ("vector", "source"): ["both", "searches"],
    ("vector", "epochs"): [2, 3],
    ("vector", "width"): [32, 16],
    ("vector", "heads"): [4, 1],
    ("vector", "temperature"): [0.05, 0.5],
    ("interests", "readout"): ["mean", "max"],
    ("interests", "epochs"): [2, 1],
    ("network", "utility"): [{"play": 1.0, "finish": 0.5}],
    ("network", "held_out"): [2],
    ("network", "balance"): ["learned"],
    ("network", "propensity"): [5.0],
    ("multipath", "fusion"): ["gate"],
}

# What else has to be set for a field to tell: one epoch of the planted world is two steps, after which heads agree.
ALONGSIDE: dict[tuple[str, str], dict[str, object]] = {("vector", "heads"): {"epochs": 4}}


def other_values(component: str, field: str, value: object) -> list[object]:
    """Return values to try in place of a field's default, the mildest first."""
    if (component, field) in SPECIAL:
        return SPECIAL[component, field]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        others = [value // 2, value // 100, 1, value + 1]
        return [other for other in dict.fromkeys(others) if other >= 1 and other != value]
    if isinstance(value, float):
        return [value / 2, value * 10, value / 100] if value else [0.5]
    if isinstance(value, tuple) and len(value) > 1:
        return [value[:-1], value[1:]]
    raise AssertionError(
        f"{component}.{field} has the default {value!r}: name other values in SPECIAL of {__name__}, so that the laws "
        "are tested with them"
    )


def fields_of(config: type[msgspec.Struct]) -> dict[str, object]:
    """Return the fields of a Config and their defaults."""
    return msgspec.structs.asdict(config())
