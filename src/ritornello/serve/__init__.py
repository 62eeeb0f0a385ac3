"""The service: live events in, slates out, over HTTP; the pipeline and the history are those of training and evaluation."""
