"""The application: what holds while it answers."""

import asyncio

from threadpoolctl import threadpool_info, threadpool_limits

from ritornello.serve.app import create_app, lifespan


def threads() -> set[int]:
    """Return how many threads the libraries of linear algebra would take."""
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_products_take_one_thread_while_requests_are_answered(root, clock):
    app = create_app(root, clock=clock)

    async def answering() -> set[int]:
        async with lifespan(app):
            return threads()

    with threadpool_limits(2, "blas"):
        assert threads() == {2}
        assert asyncio.run(answering()) == {1}
        assert threads() == {2}
