"""Invented names of artists and titles of songs, pleasant to read and nobody's."""

import numpy as np

FIRST = (
    "Amber Arlo Blue Cedar Clara Dover Ebba Fern Golden Harbor Ines Juno Kite Lark Luma Marlow Nova Opal Paper Quiet"
)
SECOND = (
    "Avenue Bloom Coast Dahl Ember Fields Garden Hollow Isle Jansen Keys Lanterns Mercer North Orchard Parade River"
)
ADJECTIVES = (
    "Amber Bright Distant Early Electric Empty Gentle Golden Half Hidden Late Little Lost Midnight Northern Open"
)
NOUNS = (
    "Bridge City Dance Embers Fever Garden Harbour Island Letters Light Morning Ocean Radio Rain Season Shadow Summer"
)
ENDINGS = ("", "", "", " Again", " for Two", " in June", " on Tape", " Tonight", " Without You")


def artist_names(count: int, rng: np.random.Generator) -> list[str]:
    """Return names, all different."""
    return distinct([f"{first} {second}" for first in FIRST.split() for second in SECOND.split()], count, rng)


def track_titles(count: int, rng: np.random.Generator) -> list[str]:
    """Return titles, all different."""
    bases = [f"{adjective} {noun}" for adjective in ADJECTIVES.split() for noun in NOUNS.split()]
    return distinct([base + ending for base in bases for ending in dict.fromkeys(ENDINGS)], count, rng)


def distinct(names: list[str], count: int, rng: np.random.Generator) -> list[str]:
    """Return that many of the names in a random order; past their number they are counted: II, III, ..."""
    order = rng.permutation(len(names))
    rounds = (names[order[index % len(names)]] for index in range(count))
    return [name if index < len(names) else f"{name} {index // len(names) + 1}" for index, name in enumerate(rounds)]
