"""Carries calls over a Ray Serve handle, by value or by reference, and names its failures."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]
from ray.exceptions import ObjectLostError, RayActorError, RayTaskError
from ray.serve.exceptions import RayServeException

from serve_app.dispatch.edge import CallLost, MessageTooLarge
from serve_app.messages import InferenceRequest, Result

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle


class ServeEdge:
    """The `infer_many` method of a deployment.

    Args:
        handle: The deployment's handle.
        target: Which of the deployment's stages is meant; given along with every call.
    """

    def __init__(self, handle: DeploymentHandle[Any], target: str) -> None:
        self._target = target
        # pickle, not Serve's default cloudpickle: a call's values are plain data, and it costs half.
        self._by_value = handle.options(
            method_name="infer_many", request_serialization="pickle", response_serialization="pickle"
        )
        self._by_reference = handle.options(method_name="infer_many", _by_reference=True)
        self._handle = handle

    async def call(self, requests: list[InferenceRequest], by_reference: bool) -> list[Result]:
        """See `Edge`; if it is cancelled, so is the call at the other end."""
        handle = self._by_reference if by_reference else self._by_value
        response = handle.remote(self._target, requests)
        try:
            results: list[Result] = await response
        except asyncio.CancelledError:
            response.cancel()  # type: ignore[no-untyped-call]
            raise
        except RayTaskError:
            raise
        except (RayActorError, ObjectLostError, RayServeException) as error:
            raise CallLost(type(error).__name__) from error
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and not by_reference:
                raise MessageTooLarge from error
            raise CallLost(error.code().name) from error
        return results

    def num_replicas(self) -> int:
        """See `Edge`."""
        return live_replicas(self._handle)


def live_replicas(handle: DeploymentHandle[Any]) -> int:
    """Replicas that a handle can reach now.

    Serve offers no public count; this is the set that the handle's own router chooses from.
    """
    router = handle._init_router()._asyncio_router.request_router  # type: ignore[attr-defined]
    return len(router.curr_replicas) if router is not None else 0
