"""Each overlay, rendered once."""

import os

import pytest

from tests.unit.deploy.manifests import K8S, KustomizeMissing, Manifest, kustomize, rendered

OVERLAYS = ("screening", "gpu", "backfill")


@pytest.fixture(scope="session")
def renderer() -> None:
    """Skips where nothing renders; in CI that is an error."""
    try:
        kustomize()
    except KustomizeMissing as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest, renderer: None) -> str:
    """The name of each overlay."""
    return str(request.param)


@pytest.fixture(scope="session")
def manifests(overlay: str) -> list[Manifest]:
    """The objects of the overlay."""
    return rendered(K8S / "overlays" / overlay)
