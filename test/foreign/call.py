"""Makes calls with grpcio and prints what it is told of each, as JSON.

Reads from standard input {"address", "calls": [{"path", "request", "metadata"}]}, a request being
the bytes of a message in base64: no stubs are needed.
"""

import base64
import json
import sys
from typing import Any

import grpc


def main() -> None:
    asked = json.load(sys.stdin)
    with grpc.insecure_channel(asked["address"]) as channel:
        json.dump([outcome(channel, call) for call in asked["calls"]], sys.stdout)


def outcome(channel: grpc.Channel, call: dict[str, Any]) -> dict[str, str]:
    rpc = channel.unary_unary(call["path"])
    request = base64.b64decode(call["request"])
    metadata = tuple(call["metadata"].items())
    try:
        rpc(request, metadata=metadata, timeout=30)
    except grpc.RpcError as error:
        details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
        return {
            "code": error.code().name,
            "message": error.details(),
            "details": base64.b64encode(details).decode(),
        }
    return {"code": "OK", "message": "", "details": ""}


main()
