"""Verifies a journal: docs/hash.md describes what is hashed."""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from points.v1 import account_pb2, points_pb2, points_pb2_grpc, policy_pb2, prices_pb2

Account = account_pb2.Account
Entry = account_pb2.Entry
ERASE = account_pb2.ENTRY_KIND_ERASE

TIMEOUT_SECONDS = 5


class Broken(Exception):
    """A journal that was changed, or that has a gap."""


def read_journal(
    points: points_pb2_grpc.PointsServiceStub, user_id: str
) -> tuple[Account, list[Entry]]:
    """Reads an account, with everything booked that is due, and its entries up to then."""
    request = points_pb2.GetOrCreateRequest(user_id=user_id)
    account = points.GetOrCreate(request, timeout=TIMEOUT_SECONDS).account
    entries: list[Entry] = []
    page_token = ""
    while True:
        page = points.ListEntries(
            points_pb2.ListEntriesRequest(user_id=user_id, page_size=1000, page_token=page_token),
            timeout=TIMEOUT_SECONDS,
        )
        entries += [entry for entry in page.entries if entry.sequence <= account.sequence]
        page_token = page.next_page_token
        if not page_token:
            return account, entries[::-1]


def verify_journal(account: Account, entries: list[Entry]) -> None:
    """Checks a whole journal, the first entry first: its numbers, what is personal, the hash chain,
    and that it leads to the account. Raises Broken."""
    # What is personal in entries before the last erasure is gone: their digests stand for it.
    erased = max((entry.sequence for entry in entries if entry.kind == ERASE), default=0)
    digest, last = bytes(32), Entry()
    for place, entry in enumerate(entries, 1):
        if entry.sequence != place or entry.user_id != account.user_id:
            raise Broken(f"entry {place} is missing")
        own = personal_digest(account.salt, entry)
        if place >= erased and own != entry.personal_digest:
            raise Broken(f"entry {place} has another personal digest")
        if entry.kind == ERASE and entry.erased_hash != digest:
            raise Broken(f"entry {place} erases another journal")
        digest = sha256(digest + content(entry)).digest()
        if digest != entry.hash:
            raise Broken(f"entry {place} has another hash")
        last = entry
    left = (last.sequence, last.balance_after, last.frozen_after, last.debt_after)
    if left != (account.sequence, account.balance, account.frozen, account.debt):
        raise Broken(f"the account is not as entry {last.sequence} left it")


def personal_digest(salt: bytes, e: Entry) -> bytes:
    metadata = field(8, mapped(e.metadata))
    fields = field(1, e.user_id) + field(7, e.request_id) + metadata
    return sha256(salt + fields + field(20, e.actor) + field(21, e.member)).digest()


def content(e: Entry) -> bytes:
    allocations = [field(1, a.lot) + field(2, a.points) for a in e.allocations]
    return b"".join(
        field(tag, value)
        for tag, value in (
            *((2, e.sequence), (3, e.kind), (4, e.points)),
            *((5, listed(len(allocations), allocations)), (6, micros(e.create_time))),
            *((9, e.balance_after), (10, e.frozen_after), (11, micros(e.expire_time))),
            *((12, e.priority), (14, e.refers_to), (15, e.returned), (16, usage(e.usage))),
            *((17, e.caller), (18, e.personal_digest), (19, e.fingerprint)),
            *((22, e.category), (23, texts(e.services))),
            *((24, e.owed), (25, e.uncovered), (26, e.repaid), (27, e.from_balance)),
            *((28, e.cause), (29, texts(e.alerts)), (30, e.debt_after)),
            *((31, int(e.kept_open)), (32, int(e.from_claim)), (33, policy(e.policy))),
            (34, e.erased_hash),
        )
    )


def policy(p: policy_pb2.Policy) -> bytes:
    name = field(1, p.name)
    # The numbers of an alert and of a credit line are written even if they are 0.
    if p.HasField("alert"):
        return name + field(4, field(1, str(p.alert.below)))
    if p.HasField("credit_line"):
        return name + field(5, field(1, str(p.credit_line.points)))
    return name + field(2, allowance(p.allowance)) + field(3, limit(p.limit))


def allowance(a: policy_pb2.Allowance) -> bytes:
    every = field(1, a.every.count) + field(2, a.every.unit)
    return b"".join(
        field(tag, value)
        for tag, value in (
            *((1, a.points), (2, every), (3, micros(a.start_time)), (4, a.time_zone)),
            *((5, a.periods), (6, nanos(a.ttl)), (7, int(a.never)), (8, a.priority)),
            *((9, a.category), (10, texts(a.services)), (11, micros(a.end_time))),
        )
    )


def limit(of: policy_pb2.Limit) -> bytes:
    """Without the member, which is the entry's."""
    window = field(1, of.window.calendar) + field(2, int(of.window.total))
    window += field(3, of.window.time_zone)
    return field(1, of.points) + field(2, window) + field(4, int(of.each_member)) + field(5, of.service)


def usage(u: prices_pb2.PricedUsage) -> bytes:
    return b"".join(
        field(tag, value)
        for tag, value in (
            *((1, u.service), (2, u.quantity), (3, nanos(u.duration)), (4, u.price_version)),
            *((5, mapped(u.meters)), (6, mapped(u.attributes))),
            (7, calculation(u.calculation)),
        )
    )


def calculation(c: prices_pb2.PriceCalculation) -> bytes:
    meters = [
        field(1, m.of) + field(2, m.amount) + field(3, m.points) + field(4, m.per)
        + field(5, nanos(m.unit))
        for m in c.meters
    ]  # fmt: skip
    return b"".join(
        field(tag, value)
        for tag, value in (
            *((1, mapped(c.when)), (2, c.fixed), (3, listed(len(meters), meters))),
            *((4, c.factor), (5, c.minimum), (6, c.maximum)),
        )
    )


def nanos(length: Duration) -> int:
    return length.seconds * 1_000_000_000 + length.nanos


def micros(time: Timestamp) -> int:
    return time.seconds * 1_000_000 + time.nanos // 1000


def field(tag: int, value: int | str | bytes) -> bytes:
    """A number is its digits; zero, empty and unset are left out."""
    if not value:
        return b""
    data = value if isinstance(value, bytes) else str(value).encode()
    return bytes([tag]) + len(data).to_bytes(4, "big") + data


def mapped(of: Mapping[str, str | int]) -> bytes:
    pairs = sorted((key.encode(), str(value).encode()) for key, value in of.items())
    return listed(len(pairs), [part for pair in pairs for part in pair])


def texts(items: Sequence[str]) -> bytes:
    return listed(len(items), [item.encode() for item in items])


def listed(count: int, items: list[bytes]) -> bytes:
    if count == 0:
        return b""
    return count.to_bytes(4, "big") + b"".join(len(i).to_bytes(4, "big") + i for i in items)
