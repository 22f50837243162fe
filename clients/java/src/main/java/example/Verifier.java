package example;

import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import com.google.protobuf.Timestamp;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import points.v1.Account;
import points.v1.Allowance;
import points.v1.Entry;
import points.v1.EntryKind;
import points.v1.Every;
import points.v1.GetOrCreateRequest;
import points.v1.Limit;
import points.v1.ListEntriesRequest;
import points.v1.ListEntriesResponse;
import points.v1.PointsServiceGrpc.PointsServiceBlockingStub;
import points.v1.Policy;
import points.v1.PriceCalculation;
import points.v1.PricedUsage;
import points.v1.Window;

/** Verifies a journal: docs/hash.md describes what is hashed. */
final class Verifier {
  private Verifier() {}

  /** A user's account, and all entries that led to it, the first one first. */
  record Journal(Account account, List<Entry> entries) {}

  /**
   * Reads an account, with everything booked that is due, and its entries up to then.
   *
   * @param points gives a stub with a deadline for each call
   */
  static Journal read(Supplier<PointsServiceBlockingStub> points, String userId) {
    GetOrCreateRequest made = GetOrCreateRequest.newBuilder().setUserId(userId).build();
    Account account = points.get().getOrCreate(made).getAccount();
    List<Entry> entries = new ArrayList<>();
    ListEntriesRequest.Builder request =
        ListEntriesRequest.newBuilder().setUserId(userId).setPageSize(1_000);
    do {
      ListEntriesResponse page = points.get().listEntries(request.build());
      page.getEntriesList().stream()
          .filter(entry -> entry.getSequence() <= account.getSequence())
          .forEach(entries::add);
      request.setPageToken(page.getNextPageToken());
    } while (!request.getPageToken().isEmpty());
    Collections.reverse(entries);
    return new Journal(account, entries);
  }

  /**
   * Checks a whole journal: its numbers, what is personal, the hash chain, and that it leads to the
   * account.
   *
   * @throws IllegalStateException if anything is wrong
   */
  static void verify(Journal journal) {
    Account account = journal.account();
    // What is personal in entries before the last erasure is gone: their digests stand for it.
    long erased =
        journal.entries().stream()
            .filter(entry -> entry.getKind() == EntryKind.ENTRY_KIND_ERASE)
            .mapToLong(Entry::getSequence)
            .max()
            .orElse(0);
    ByteString hash = ByteString.copyFrom(new byte[32]);
    Entry last = Entry.getDefaultInstance();
    for (Entry entry : journal.entries()) {
      long place = last.getSequence() + 1;
      check(
          entry.getSequence() == place && entry.getUserId().equals(account.getUserId()),
          "entry %d is missing",
          place);
      check(
          place < erased
              || personalDigest(account.getSalt(), entry).equals(entry.getPersonalDigest()),
          "entry %d has another personal digest",
          place);
      check(
          entry.getKind() != EntryKind.ENTRY_KIND_ERASE || hash.equals(entry.getErasedHash()),
          "entry %d erases another journal",
          place);
      hash = sha256(hash.concat(content(entry)));
      check(hash.equals(entry.getHash()), "entry %d has another hash", place);
      last = entry;
    }
    check(
        last.getSequence() == account.getSequence()
            && last.getBalanceAfter() == account.getBalance()
            && last.getFrozenAfter() == account.getFrozen()
            && last.getDebtAfter() == account.getDebt(),
        "the account is not as entry %d left it",
        last.getSequence());
  }

  private static ByteString personalDigest(ByteString salt, Entry e) {
    ByteString metadata = map(e.getMetadataMap());
    return sha256(
        join(
            salt,
            text(1, e.getUserId()),
            text(7, e.getRequestId()),
            field(8, metadata),
            text(20, e.getActor()),
            text(21, e.getMember())));
  }

  private static ByteString content(Entry e) {
    List<ByteString> allocations =
        e.getAllocationsList().stream()
            .map(each -> join(number(1, each.getLot()), number(2, each.getPoints())))
            .toList();
    return join(
        number(2, e.getSequence()),
        number(3, e.getKindValue()),
        number(4, e.getPoints()),
        field(5, list(allocations.size(), allocations)),
        number(6, micros(e.getCreateTime())),
        number(9, e.getBalanceAfter()),
        number(10, e.getFrozenAfter()),
        number(11, micros(e.getExpireTime())),
        number(12, e.getPriority()),
        number(14, e.getRefersTo()),
        number(15, e.getReturned()),
        field(16, usage(e.getUsage())),
        text(17, e.getCaller()),
        field(18, e.getPersonalDigest()),
        field(19, e.getFingerprint()),
        text(22, e.getCategory()),
        field(23, list(e.getServicesCount(), e.getServicesList().asByteStringList())),
        number(24, e.getOwed()),
        number(25, e.getUncovered()),
        number(26, e.getRepaid()),
        number(27, e.getFromBalance()),
        text(28, e.getCause()),
        field(29, list(e.getAlertsCount(), e.getAlertsList().asByteStringList())),
        number(30, e.getDebtAfter()),
        number(31, e.getKeptOpen() ? 1 : 0),
        number(32, e.getFromClaim() ? 1 : 0),
        field(33, policy(e.getPolicy())),
        field(34, e.getErasedHash()));
  }

  private static ByteString policy(Policy p) {
    ByteString name = text(1, p.getName());
    // The numbers of an alert and of a credit line are written even if they are 0.
    return switch (p.getRuleCase()) {
      case ALLOWANCE -> join(name, field(2, allowance(p.getAllowance())));
      case LIMIT -> join(name, field(3, limit(p.getLimit())));
      case ALERT -> join(name, field(4, text(1, Long.toString(p.getAlert().getBelow()))));
      case CREDIT_LINE ->
          join(name, field(5, text(1, Long.toString(p.getCreditLine().getPoints()))));
      case RULE_NOT_SET -> name;
    };
  }

  private static ByteString allowance(Allowance a) {
    Every every = a.getEvery();
    return join(
        number(1, a.getPoints()),
        field(2, join(number(1, every.getCount()), number(2, every.getUnitValue()))),
        number(3, micros(a.getStartTime())),
        text(4, a.getTimeZone()),
        number(5, a.getPeriods()),
        number(6, nanos(a.getTtl())),
        number(7, a.getNever() ? 1 : 0),
        number(8, a.getPriority()),
        text(9, a.getCategory()),
        field(10, list(a.getServicesCount(), a.getServicesList().asByteStringList())),
        number(11, micros(a.getEndTime())));
  }

  /** Without the member, which is the entry's. */
  private static ByteString limit(Limit l) {
    Window window = l.getWindow();
    return join(
        number(1, l.getPoints()),
        field(
            2,
            join(
                number(1, window.getCalendarValue()),
                number(2, window.getTotal() ? 1 : 0),
                text(3, window.getTimeZone()))),
        number(4, l.getEachMember() ? 1 : 0),
        text(5, l.getService()));
  }

  private static ByteString usage(PricedUsage u) {
    return join(
        text(1, u.getService()),
        number(2, u.getQuantity()),
        number(3, nanos(u.getDuration())),
        text(4, u.getPriceVersion()),
        field(5, map(u.getMetersMap())),
        field(6, map(u.getAttributesMap())),
        field(7, calculation(u.getCalculation())));
  }

  private static ByteString calculation(PriceCalculation c) {
    List<ByteString> meters =
        c.getMetersList().stream()
            .map(
                m ->
                    join(
                        text(1, m.getOf()),
                        number(2, m.getAmount()),
                        number(3, m.getPoints()),
                        number(4, m.getPer()),
                        number(5, nanos(m.getUnit()))))
            .toList();
    return join(
        field(1, map(c.getWhenMap())),
        number(2, c.getFixed()),
        field(3, list(meters.size(), meters)),
        text(4, c.getFactor()),
        number(5, c.getMinimum()),
        number(6, c.getMaximum()));
  }

  private static long nanos(Duration length) {
    return length.getSeconds() * 1_000_000_000 + length.getNanos();
  }

  private static long micros(Timestamp time) {
    return time.getSeconds() * 1_000_000 + time.getNanos() / 1_000;
  }

  private static ByteString number(int tag, long value) {
    return value == 0 ? ByteString.EMPTY : text(tag, Long.toString(value));
  }

  private static ByteString text(int tag, String value) {
    return field(tag, utf8(value));
  }

  private static ByteString field(int tag, ByteString value) {
    if (value.isEmpty()) {
      return ByteString.EMPTY;
    }
    return join(ByteString.copyFrom(new byte[] {(byte) tag}), uint32(value.size()), value);
  }

  private static ByteString map(Map<String, ?> map) {
    List<ByteString> items = new ArrayList<>();
    map.entrySet().stream()
        .map(pair -> Map.entry(utf8(pair.getKey()), utf8(pair.getValue().toString())))
        .sorted(Map.Entry.comparingByKey(ByteString.unsignedLexicographicalComparator()))
        .forEach(pair -> Collections.addAll(items, pair.getKey(), pair.getValue()));
    return list(map.size(), items);
  }

  private static ByteString list(int count, List<ByteString> items) {
    if (count == 0) {
      return ByteString.EMPTY;
    }
    ByteString list = uint32(count);
    for (ByteString item : items) {
      list = join(list, uint32(item.size()), item);
    }
    return list;
  }

  private static ByteString uint32(int value) {
    return ByteString.copyFrom(ByteBuffer.allocate(4).putInt(0, value));
  }

  private static ByteString utf8(String value) {
    return ByteString.copyFromUtf8(value);
  }

  private static ByteString join(ByteString... parts) {
    return ByteString.copyFrom(List.of(parts));
  }

  private static ByteString sha256(ByteString bytes) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      return ByteString.copyFrom(digest.digest(bytes.toByteArray()));
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException(impossible);
    }
  }

  private static void check(boolean isSo, String otherwise, long entry) {
    if (!isSo) {
      throw new IllegalStateException(otherwise.formatted(entry));
    }
  }
}
