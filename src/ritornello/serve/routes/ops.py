"""Ops: what runs the service: bundles, health, readiness, metrics."""

from fastapi import APIRouter, Request, Response

from ritornello import bundle
from ritornello.bundle import current_version, list_bundles
from ritornello.serve.bodies import BundleAnswer, BundlesAnswer, Health, Ready
from ritornello.serve.metrics import CONTENT_TYPE
from ritornello.serve.openapi import described, refused
from ritornello.serve.parameters import Version
from ritornello.serve.refusals import RefusedError
from ritornello.serve.service import Service, TheService
from ritornello.serve.wire import written

router = APIRouter(tags=["ops"])


@router.get("/health", **described(Health))
async def health() -> Response:
    """Tell that the process answers."""
    return written(Health())


@router.get("/ready", **described(Ready))
async def ready(service: TheService) -> Response:
    """Tell what is served, and why a newer bundle was refused, if one was."""
    snapshot = service.follower.current()
    return written(
        Ready(
            bundle=snapshot.version,
            trained_for=snapshot.served.bundle.at,
            users=len(snapshot.served.prepared.user_ids),
            tracks=snapshot.num_tracks,
            refused=service.follower.refused,
        )
    )


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}, **refused()})
async def metrics(request: Request, service: TheService) -> Response:
    """Return the numbers for Prometheus."""
    service.access.check(request)
    return Response(service.metrics.text(), media_type=CONTENT_TYPE)


@router.get("/v1/bundles", **described(BundlesAnswer))
async def bundles(request: Request, service: TheService) -> Response:
    """List the trained bundles and the one that is served."""
    service.access.check(request)
    return written(await service.compute(lambda: listed(service)))


@router.post("/v1/bundles/rollback", **described(BundlesAnswer, refusals=(409,)))
async def roll_back(request: Request, service: TheService) -> Response:
    """Serve the bundle that was published before the served one."""
    service.access.check(request)
    return written(await service.compute(lambda: switched(service, None)))


@router.post("/v1/bundles/{version}/publish", **described(BundlesAnswer, refusals=(404, 409)))
async def publish(request: Request, service: TheService, version: Version) -> Response:
    """Serve a bundle; one that cannot be loaded, or does not answer, is never published."""
    service.access.check(request)
    return written(await service.compute(lambda: switched(service, version)))


def listed(service: Service) -> BundlesAnswer:
    """Return all bundles, and the one that this process serves."""
    return BundlesAnswer(
        serving=service.follower.current().version,
        bundles=[BundleAnswer(version=name, is_current=served) for name, served in list_bundles(service.workspace)],
    )


def switched(service: Service, version: str | None) -> BundlesAnswer:
    """Change over, this process at once and the others within a moment.

    Raises:
        RefusedError: 404 for an unknown version, 409 where it cannot be served.
    """
    if version is not None and version not in [name for name, _ in list_bundles(service.workspace)]:
        raise RefusedError(404, f"no bundle {version!r}: `GET /v1/bundles` lists them")
    before = current_version(service.workspace)
    try:
        bundle.switch(service.workspace, version)
    except ValueError as error:
        raise RefusedError(409, f"{error}; {before} goes on") from error
    service.follower.check()
    return listed(service)
