"""Environment: how worker processes learn what to serve; nothing of theirs is imported here, so that it can be set up first."""

import logging

ROOT = "RITORNELLO_WORKSPACE"
HOST = "RITORNELLO_HOST"
TEXT_MODEL = "RITORNELLO_TEXT_MODEL"
TEXT_SIMILARITY = "RITORNELLO_TEXT_SIMILARITY"
SHARED_METRICS = "PROMETHEUS_MULTIPROC_DIR"  # read by prometheus_client when it is imported


def log_to_stderr() -> None:
    """Let what happens be read where the process was started."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("faiss").setLevel(logging.WARNING)  # it tells which of its libraries it tried
