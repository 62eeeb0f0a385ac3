"""Training: channels on everything before a moment, rankers on what recall returned at earlier moments."""
