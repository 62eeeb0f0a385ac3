"""Environment: how worker processes learn what to serve; nothing is imported here, so that it can be set up first."""

ROOT = "RITORNELLO_WORKSPACE"
HOST = "RITORNELLO_HOST"
SHARED_METRICS = "PROMETHEUS_MULTIPROC_DIR"  # read by prometheus_client when it is imported
