"""A listening world: invented listeners who meet tracks, judge them, act, remember; its logs, and the truth behind them.

`world` holds the rules, `catalogue`, `listeners` and `schedule` what is given, `appeal`, `chain`, `choice` and `memory` how
people behave, `engine` lets them live, `generate` writes logs. It knows no recommender: whoever wants to know how one does
hands it a policy.
"""
