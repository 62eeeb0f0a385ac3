"""Evaluation: how good the lists are, by protocols that an independent judge repeats to the sixth decimal."""
