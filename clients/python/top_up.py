"""An auto top-up: recharges accounts that fall below the number of their alert "low"."""

import os
import time
from collections.abc import Generator
from pathlib import Path

import grpc

from client import Client
from points.v1 import account_pb2, ledger_pb2, points_pb2

POINTS = 50
TIMEOUT_SECONDS = 5


def top_ups(
    client: Client, cursor_file: Path, user_id_prefix: str = ""
) -> Generator[list[points_pb2.RechargeResponse], None, None]:
    """Goes on from the cursor in a file; without the file it begins now. Yields what each message
    led to, once its cursor is stored: mostly nothing, at least every second.

    If the server or its database goes away, it begins again where the file says. What it did since
    changes nothing then: the request ids of top_up are the same.
    """
    while True:
        cursor = cursor_file.read_text() if cursor_file.exists() else ""
        request = ledger_pb2.StreamEntriesRequest(cursor=cursor, user_id_prefix=user_id_prefix)
        messages = client.ledger.StreamEntries(request)  # without a deadline, which would end it
        try:
            for message in messages:
                low = [entry for entry in message.entries if "low" in entry.alerts]
                answers = [top_up(client, entry) for entry in low]
                store(cursor_file, message.cursor)
                yield answers
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
            time.sleep(1)
        finally:
            messages.cancel()


def top_up(client: Client, entry: account_pb2.Entry) -> points_pb2.RechargeResponse:
    """The request id is made from the entry, so that the same entry again changes nothing. The hash
    is part of it, since a failover may lose an entry and give its number to another one."""
    request_id = f"topup-{entry.sequence}-{entry.hash.hex()[:16]}"
    request = points_pb2.RechargeRequest(
        user_id=entry.user_id, request_id=request_id, points=POINTS
    )
    return client.points.Recharge(request, timeout=TIMEOUT_SECONDS)


def store(cursor_file: Path, cursor: str) -> None:
    """Replaces the file by renaming, so that there is no half of it after a crash."""
    new = cursor_file.with_suffix(".new")
    with new.open("w") as file:
        file.write(cursor)
        file.flush()
        os.fsync(file.fileno())
    new.replace(cursor_file)
