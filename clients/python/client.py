"""A client of Points, and what its refusals say."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status

# The stubs import each other by their packages' names: gen/ belongs on the path.
GEN = Path(__file__).parent / "gen"
sys.path.insert(0, str(GEN))

from points.v1 import ledger_pb2_grpc, points_pb2_grpc, policies_pb2_grpc  # noqa: E402


@dataclass(frozen=True)
class Client:
    """The stubs of all services, over one channel."""

    channel: grpc.Channel
    points: points_pb2_grpc.PointsServiceStub
    policies: policies_pb2_grpc.PolicyServiceStub
    ledger: ledger_pb2_grpc.LedgerServiceStub


def dial(address: str, token: str | None) -> Client:
    """A client that repeats a call which finds no server, as the service config says.

    A token, if there is one, goes with every call. With TLS it is `grpc.secure_channel`.
    """
    options = [("grpc.service_config", (GEN / "service_config.json").read_text())]
    channel = grpc.insecure_channel(address, options=options)
    if token is not None:
        channel = grpc.intercept_channel(channel, Bearer(token))
    return Client(
        channel,
        points_pb2_grpc.PointsServiceStub(channel),
        policies_pb2_grpc.PolicyServiceStub(channel),
        ledger_pb2_grpc.LedgerServiceStub(channel),
    )


@dataclass(frozen=True)
class InsufficientPoints:
    """What a call that the balance does not cover is refused with."""

    balance: int
    required: int
    shortfall: int
    outcome: str


def read_insufficient_points(error: grpc.RpcError) -> InsufficientPoints | None:
    """Reads it from a call's error; None where the error is another."""
    status = rpc_status.from_call(error)
    info = None if status is None else error_info(status.details)
    if info is None or info.reason != "INSUFFICIENT_POINTS":
        return None
    return InsufficientPoints(
        balance=int(info.metadata["balance"]),
        required=int(info.metadata["required"]),
        shortfall=int(info.metadata["shortfall"]),
        outcome=info.metadata["outcome"],
    )


def error_info(details: Iterable[any_pb2.Any]) -> error_details_pb2.ErrorInfo | None:
    """Why Points refused; None where the error is none of Points."""
    info = error_details_pb2.ErrorInfo()
    for detail in details:
        if detail.Unpack(info) and info.domain == "points.v1":
            return info
    return None


class Bearer(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Sends a token with every call."""

    def __init__(self, token: str) -> None:
        self._header = ("authorization", f"Bearer {token}")

    def _authorized(self, details: Any) -> Any:
        return details._replace(metadata=[*(details.metadata or ()), self._header])

    def intercept_unary_unary(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> Any:
        return continuation(self._authorized(client_call_details), request)

    def intercept_unary_stream(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> Any:
        return continuation(self._authorized(client_call_details), request)

    def intercept_stream_stream(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        return continuation(self._authorized(client_call_details), request_iterator)
