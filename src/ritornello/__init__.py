"""Ritornello: an open music recommender that models listening behaviour as sequences, end to end."""
