"""What every client in clients/ plays, and prints: the lines of clients/scenario.txt."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
from google.protobuf.duration_pb2 import Duration

from client import Client, error_info, read_insufficient_points
from points.v1 import account_pb2, points_pb2, points_pb2_grpc, policies_pb2, policy_pb2
from top_up import store, top_ups
from verify import read_journal, verify_journal

Stub = points_pb2_grpc.PointsServiceStub

TIMEOUT_SECONDS = 5


def play_scenario(client: Client) -> None:
    points = client.points
    user_id = f"python-{uuid.uuid4()}"
    recharge(points, user_id)
    consume_twice(points, user_id)
    be_refused(points, user_id)
    freeze_and_settle(points, user_id)
    settle_in_parts(points, user_id)
    read_statement(points, user_id)
    watch_until_deadline(points, user_id)
    apply(points, user_id)
    top_up_once(client, user_id)
    verify(points, user_id)


def recharge(points: Stub, user_id: str) -> None:
    made = points.GetOrCreate(
        points_pb2.GetOrCreateRequest(user_id=user_id), timeout=TIMEOUT_SECONDS
    )
    print(f"create: created {lower(made.created)}, balance {made.account.balance}")

    ttl = Duration()
    ttl.FromTimedelta(timedelta(days=30))
    answer = points.Recharge(
        points_pb2.RechargeRequest(user_id=user_id, request_id="order-1", points=100, ttl=ttl),
        timeout=TIMEOUT_SECONDS,
    )
    entry = answer.entry
    life = entry.expire_time.ToDatetime() - entry.create_time.ToDatetime()
    print(
        f"recharge: lot {entry.sequence} of {entry.points} for {life.days} days, "
        f"balance {answer.account.balance}"
    )


def consume_twice(points: Stub, user_id: str) -> None:
    for step in ("consume", "retry"):
        request = points_pb2.ConsumeRequest(
            user_id=user_id, request_id="job-1", points=30, metadata={"for": "script", "by": "Zoë"}
        )
        answer = points.Consume(request, timeout=TIMEOUT_SECONDS)
        print(
            f"{step}: entry {answer.entry.sequence} of {answer.entry.points}, "
            f"balance {answer.account.balance}, replayed {lower(answer.replayed)}"
        )


def be_refused(points: Stub, user_id: str) -> None:
    request = points_pb2.ConsumeRequest(user_id=user_id, request_id="job-2", points=1000)
    try:
        points.Consume(request, timeout=TIMEOUT_SECONDS)
    except grpc.RpcError as error:
        refusal = read_insufficient_points(error)
        if refusal is None:
            raise
        assert refusal.balance + refusal.shortfall == refusal.required
        print(
            f"refused: INSUFFICIENT_POINTS, balance {refusal.balance}, "
            f"required {refusal.required}, shortfall {refusal.shortfall}, {refusal.outcome}"
        )
    else:
        raise AssertionError("points were spent that are not there")


def freeze_and_settle(points: Stub, user_id: str) -> None:
    frozen = points.Freeze(
        points_pb2.FreezeRequest(user_id=user_id, request_id="job-3", points=50),
        timeout=TIMEOUT_SECONDS,
    )
    account = frozen.account
    print(
        f"freeze: hold {frozen.hold.number}, balance {account.balance}, frozen {account.frozen}"
    )
    settled = points.Settle(
        points_pb2.SettleRequest(
            user_id=user_id, request_id="job-3-done", hold=frozen.hold.number, points=45
        ),
        timeout=TIMEOUT_SECONDS,
    )
    account = settled.account
    print(
        f"settle: {settled.entry.points} spent, {settled.entry.returned} returned, "
        f"balance {account.balance}, frozen {account.frozen}"
    )


def settle_in_parts(points: Stub, user_id: str) -> None:
    freeze = points_pb2.FreezeRequest(user_id=user_id, request_id="job-4", points=10)
    hold = points.Freeze(freeze, timeout=TIMEOUT_SECONDS).hold.number
    part = points.Settle(
        points_pb2.SettleRequest(
            user_id=user_id, request_id="job-4-part", hold=hold, points=4, keep_open=True
        ),
        timeout=TIMEOUT_SECONDS,
    )
    extended = points.ExtendHold(
        points_pb2.ExtendHoldRequest(
            user_id=user_id, request_id="job-4-more", hold=hold, points=5
        ),
        timeout=TIMEOUT_SECONDS,
    )
    settled = points.Settle(
        points_pb2.SettleRequest(user_id=user_id, request_id="job-4-done", hold=hold),
        timeout=TIMEOUT_SECONDS,
    )
    print(
        f"parts: {part.entry.points} spent, kept open {lower(part.entry.kept_open)}, "
        f"extended to {extended.hold.points}, {settled.entry.points} spent, "
        f"balance {settled.account.balance}, frozen {settled.account.frozen}"
    )


def read_statement(points: Stub, user_id: str) -> None:
    request = points_pb2.ListEntriesRequest(user_id=user_id, page_size=3)
    page = points.ListEntries(request, timeout=TIMEOUT_SECONDS)
    lines = ", ".join(f"{e.sequence} {kind_text(e.kind)} {e.points}" for e in page.entries)
    print(f"statement: {lines}, more {lower(page.next_page_token != '')}")


def watch_until_deadline(points: Stub, user_id: str) -> None:
    try:
        for shown in points.WatchAccount(
            points_pb2.WatchAccountRequest(user_id=user_id), timeout=1
        ):
            print(f"watch: balance {shown.account.balance}")
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.DEADLINE_EXCEEDED:
            raise
        print("deadline: DEADLINE_EXCEEDED")
    else:
        raise AssertionError("the stream ended before its deadline")


def apply(points: Stub, user_id: str) -> None:
    answers = points.Apply(operations(user_id), timeout=TIMEOUT_SECONDS)
    told = ", ".join(f"{answer.tag} {result_text(answer.result)}" for answer in answers)
    print(f"apply: {told}")


def operations(user_id: str) -> Iterator[points_pb2.ApplyRequest]:
    recharge = points_pb2.RechargeRequest(user_id=user_id, request_id="apply-a", points=10)
    consume = points_pb2.ConsumeRequest(user_id=user_id, request_id="apply-b", points=5)
    release = points_pb2.ReleaseRequest(user_id=user_id, request_id="apply-c", hold=99)
    yield points_pb2.ApplyRequest(tag="a", operation=points_pb2.Operation(recharge=recharge))
    yield points_pb2.ApplyRequest(tag="b", operation=points_pb2.Operation(consume=consume))
    yield points_pb2.ApplyRequest(tag="c", operation=points_pb2.Operation(release=release))


def result_text(result: points_pb2.OperationResult) -> str:
    match result.WhichOneof("result"):
        case "recharge":
            return f"balance {result.recharge.account.balance}"
        case "consume":
            return f"balance {result.consume.account.balance}"
        case "error":
            info = error_info(result.error.details)
            return str(result.error.message if info is None else info.reason)
        case other:
            raise AssertionError(f"unexpected {other}")


def top_up_once(client: Client, user_id: str) -> None:
    """As after a crash before its cursor was stored, the second one begins where the first one
    did."""
    with TemporaryDirectory() as folder:
        cursor_file = Path(folder) / "cursor"
        with closing(top_ups(client, cursor_file, user_id)) as followed:
            next(followed)
        cursor = cursor_file.read_text()
        fall_below(client, user_id)
        for step in ("top up", "again"):
            store(cursor_file, cursor)
            with closing(top_ups(client, cursor_file, user_id)) as followed:
                answer = next(answer for answers in followed for answer in answers)
            print(
                f"{step}: entry {answer.entry.sequence} of {answer.entry.points}, "
                f"balance {answer.account.balance}, replayed {lower(answer.replayed)}"
            )


def fall_below(client: Client, user_id: str) -> None:
    policy = policy_pb2.Policy(name="low", alert=policy_pb2.Alert(below=10))
    client.policies.PutPolicy(
        policies_pb2.PutPolicyRequest(user_id=user_id, request_id="policy-1", policy=policy),
        timeout=TIMEOUT_SECONDS,
    )
    request = points_pb2.ConsumeRequest(user_id=user_id, request_id="job-5", points=10)
    entry = client.points.Consume(request, timeout=TIMEOUT_SECONDS).entry
    print(f"alert: entry {entry.sequence}, balance {entry.balance_after}, {', '.join(entry.alerts)}")


def verify(points: Stub, user_id: str) -> None:
    account, entries = read_journal(points, user_id)
    verify_journal(account, entries)
    print(f"verify: {len(entries)} entries, chain intact")


def kind_text(kind: account_pb2.EntryKind.ValueType) -> str:
    return account_pb2.EntryKind.Name(kind).removeprefix("ENTRY_KIND_")


def lower(value: bool) -> str:
    return str(value).lower()
