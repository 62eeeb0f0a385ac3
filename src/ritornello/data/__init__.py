"""From logs to mapped arrays: sources, ids, sessions, labels, the time cut, the history encoder and as-of features."""
