package example;

import static java.util.concurrent.TimeUnit.SECONDS;

import com.google.protobuf.Duration;
import com.google.protobuf.Timestamp;
import com.google.rpc.ErrorInfo;
import io.grpc.Channel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import points.v1.Account;
import points.v1.Alert;
import points.v1.ApplyRequest;
import points.v1.ApplyResponse;
import points.v1.ConsumeRequest;
import points.v1.ConsumeResponse;
import points.v1.Entry;
import points.v1.ExtendHoldRequest;
import points.v1.ExtendHoldResponse;
import points.v1.FreezeRequest;
import points.v1.FreezeResponse;
import points.v1.GetOrCreateRequest;
import points.v1.GetOrCreateResponse;
import points.v1.ListEntriesRequest;
import points.v1.ListEntriesResponse;
import points.v1.Operation;
import points.v1.OperationResult;
import points.v1.PointsServiceGrpc.PointsServiceBlockingStub;
import points.v1.PointsServiceGrpc;
import points.v1.Policy;
import points.v1.PolicyServiceGrpc;
import points.v1.PutPolicyRequest;
import points.v1.RechargeRequest;
import points.v1.RechargeResponse;
import points.v1.ReleaseRequest;
import points.v1.SettleRequest;
import points.v1.SettleResponse;
import points.v1.WatchAccountRequest;
import points.v1.WatchAccountResponse;

/** What every client in clients/ plays, and prints: the lines of clients/scenario.txt. */
final class Scenario {
  private static final int TIMEOUT_SECONDS = 5;

  private final String userId = "java-" + UUID.randomUUID();
  private final Channel channel;

  Scenario(Channel channel) {
    this.channel = channel;
  }

  void play() throws Exception {
    recharge();
    consumeTwice();
    beRefused();
    freezeAndSettle();
    settleInParts();
    readStatement();
    watchUntilDeadline();
    apply();
    topUp();
    verify();
  }

  /** A stub whose next call has so much time: a deadline is an instant, so make one for each. */
  private PointsServiceBlockingStub points() {
    return PointsServiceGrpc.newBlockingStub(channel).withDeadlineAfter(TIMEOUT_SECONDS, SECONDS);
  }

  private void recharge() {
    GetOrCreateResponse made =
        points().getOrCreate(GetOrCreateRequest.newBuilder().setUserId(userId).build());
    print("create: created %b, balance %d", made.getCreated(), made.getAccount().getBalance());

    RechargeResponse answer =
        points()
            .recharge(
                RechargeRequest.newBuilder()
                    .setUserId(userId)
                    .setRequestId("order-1")
                    .setPoints(100)
                    .setTtl(Duration.newBuilder().setSeconds(30 * 86_400))
                    .build());
    Entry entry = answer.getEntry();
    long days =
        java.time.Duration.between(
                instant(entry.getCreateTime()), instant(entry.getExpireTime()))
            .toDays();
    print(
        "recharge: lot %d of %d for %d days, balance %d",
        entry.getSequence(), entry.getPoints(), days, answer.getAccount().getBalance());
  }

  private void consumeTwice() {
    for (String step : List.of("consume", "retry")) {
      ConsumeResponse answer =
          points()
              .consume(
                  ConsumeRequest.newBuilder()
                      .setUserId(userId)
                      .setRequestId("job-1")
                      .setPoints(30)
                      .putMetadata("for", "script")
                      .putMetadata("by", "Zoë")
                      .build());
      print(
          "%s: entry %d of %d, balance %d, replayed %b",
          step,
          answer.getEntry().getSequence(),
          answer.getEntry().getPoints(),
          answer.getAccount().getBalance(),
          answer.getReplayed());
    }
  }

  private void beRefused() {
    ConsumeRequest request =
        ConsumeRequest.newBuilder()
            .setUserId(userId)
            .setRequestId("job-2")
            .setPoints(1_000)
            .build();
    try {
      points().consume(request);
    } catch (StatusRuntimeException error) {
      Refusals.InsufficientPoints refusal =
          Refusals.insufficientPoints(error).orElseThrow(() -> error);
      check(refusal.balance() + refusal.shortfall() == refusal.required(), "the sum is wrong");
      print(
          "refused: INSUFFICIENT_POINTS, balance %d, required %d, shortfall %d, %s",
          refusal.balance(), refusal.required(), refusal.shortfall(), refusal.outcome());
      return;
    }
    throw new IllegalStateException("points were spent that are not there");
  }

  private void freezeAndSettle() {
    FreezeResponse frozen =
        points()
            .freeze(
                FreezeRequest.newBuilder()
                    .setUserId(userId)
                    .setRequestId("job-3")
                    .setPoints(50)
                    .build());
    long hold = frozen.getHold().getNumber();
    Account account = frozen.getAccount();
    print("freeze: hold %d, balance %d, frozen %d", hold, account.getBalance(), account.getFrozen());

    SettleResponse settled =
        points()
            .settle(
                SettleRequest.newBuilder()
                    .setUserId(userId)
                    .setRequestId("job-3-done")
                    .setHold(hold)
                    .setPoints(45)
                    .build());
    print(
        "settle: %d spent, %d returned, balance %d, frozen %d",
        settled.getEntry().getPoints(),
        settled.getEntry().getReturned(),
        settled.getAccount().getBalance(),
        settled.getAccount().getFrozen());
  }

  private void settleInParts() {
    long hold =
        points()
            .freeze(
                FreezeRequest.newBuilder()
                    .setUserId(userId)
                    .setRequestId("job-4")
                    .setPoints(10)
                    .build())
            .getHold()
            .getNumber();
    SettleResponse part =
        points()
            .settle(
                SettleRequest.newBuilder()
                    .setUserId(userId)
                    .setRequestId("job-4-part")
                    .setHold(hold)
                    .setPoints(4)
                    .setKeepOpen(true)
                    .build());
    ExtendHoldResponse extended =
        points()
            .extendHold(
                ExtendHoldRequest.newBuilder()
                    .setUserId(userId)
                    .setRequestId("job-4-more")
                    .setHold(hold)
                    .setPoints(5)
                    .build());
    SettleResponse settled =
        points()
            .settle(
                SettleRequest.newBuilder()
                    .setUserId(userId)
                    .setRequestId("job-4-done")
                    .setHold(hold)
                    .build());
    print(
        "parts: %d spent, kept open %b, extended to %d, %d spent, balance %d, frozen %d",
        part.getEntry().getPoints(),
        part.getEntry().getKeptOpen(),
        extended.getHold().getPoints(),
        settled.getEntry().getPoints(),
        settled.getAccount().getBalance(),
        settled.getAccount().getFrozen());
  }

  private void readStatement() {
    ListEntriesResponse page =
        points()
            .listEntries(ListEntriesRequest.newBuilder().setUserId(userId).setPageSize(3).build());
    String lines =
        page.getEntriesList().stream()
            .map(
                entry ->
                    "%d %s %d"
                        .formatted(
                            entry.getSequence(),
                            entry.getKind().name().replaceFirst("^ENTRY_KIND_", ""),
                            entry.getPoints()))
            .collect(Collectors.joining(", "));
    print("statement: %s, more %b", lines, !page.getNextPageToken().isEmpty());
  }

  private void watchUntilDeadline() {
    try {
      Iterator<WatchAccountResponse> shown =
          points()
              .withDeadlineAfter(1, SECONDS)
              .watchAccount(WatchAccountRequest.newBuilder().setUserId(userId).build());
      while (shown.hasNext()) {
        print("watch: balance %d", shown.next().getAccount().getBalance());
      }
    } catch (StatusRuntimeException error) {
      if (error.getStatus().getCode() != Status.Code.DEADLINE_EXCEEDED) {
        throw error;
      }
      print("deadline: DEADLINE_EXCEEDED");
      return;
    }
    throw new IllegalStateException("the stream ended before its deadline");
  }

  private void apply() throws Exception {
    Results results = new Results();
    StreamObserver<ApplyRequest> requests =
        PointsServiceGrpc.newStub(channel)
            .withDeadlineAfter(TIMEOUT_SECONDS, SECONDS)
            .apply(results);
    operations().forEach(requests::onNext);
    requests.onCompleted();
    print("apply: %s", String.join(", ", results.all.get()));
  }

  /**
   * As after a crash before its cursor was stored, the second consumer begins where the first one
   * did.
   */
  private void topUp() throws IOException, InterruptedException {
    Path folder = Files.createTempDirectory("points-");
    Path cursorFile = folder.resolve("cursor");
    TopUp consumer = new TopUp(channel, cursorFile, userId);
    consumer.run(answers -> false);
    String cursor = Files.readString(cursorFile);
    fallBelow();
    for (String step : List.of("top up", "again")) {
      TopUp.store(cursorFile, cursor);
      consumer.run(
          answers -> {
            for (RechargeResponse answer : answers) {
              print(
                  "%s: entry %d of %d, balance %d, replayed %b",
                  step,
                  answer.getEntry().getSequence(),
                  answer.getEntry().getPoints(),
                  answer.getAccount().getBalance(),
                  answer.getReplayed());
            }
            return answers.isEmpty();
          });
    }
    Files.delete(cursorFile);
    Files.delete(folder);
  }

  private void fallBelow() {
    PolicyServiceGrpc.newBlockingStub(channel)
        .withDeadlineAfter(TIMEOUT_SECONDS, SECONDS)
        .putPolicy(
            PutPolicyRequest.newBuilder()
                .setUserId(userId)
                .setRequestId("policy-1")
                .setPolicy(
                    Policy.newBuilder().setName("low").setAlert(Alert.newBuilder().setBelow(10)))
                .build());
    Entry entry =
        points()
            .consume(
                ConsumeRequest.newBuilder()
                    .setUserId(userId)
                    .setRequestId("job-5")
                    .setPoints(10)
                    .build())
            .getEntry();
    print(
        "alert: entry %d, balance %d, %s",
        entry.getSequence(), entry.getBalanceAfter(), String.join(", ", entry.getAlertsList()));
  }

  private void verify() {
    Verifier.Journal journal = Verifier.read(this::points, userId);
    Verifier.verify(journal);
    print("verify: %d entries, chain intact", journal.entries().size());
  }

  private List<ApplyRequest> operations() {
    return List.of(
        request(
            "a",
            Operation.newBuilder()
                .setRecharge(
                    RechargeRequest.newBuilder()
                        .setUserId(userId)
                        .setRequestId("apply-a")
                        .setPoints(10))),
        request(
            "b",
            Operation.newBuilder()
                .setConsume(
                    ConsumeRequest.newBuilder()
                        .setUserId(userId)
                        .setRequestId("apply-b")
                        .setPoints(5))),
        request(
            "c",
            Operation.newBuilder()
                .setRelease(
                    ReleaseRequest.newBuilder()
                        .setUserId(userId)
                        .setRequestId("apply-c")
                        .setHold(99))));
  }

  private static ApplyRequest request(String tag, Operation.Builder operation) {
    return ApplyRequest.newBuilder().setTag(tag).setOperation(operation).build();
  }

  /** Collects a stream's results until it ends. */
  private static final class Results implements StreamObserver<ApplyResponse> {
    final CompletableFuture<List<String>> all = new CompletableFuture<>();
    private final List<String> told = new ArrayList<>();

    @Override
    public void onNext(ApplyResponse answer) {
      told.add(answer.getTag() + " " + resultText(answer.getResult()));
    }

    @Override
    public void onError(Throwable error) {
      all.completeExceptionally(error);
    }

    @Override
    public void onCompleted() {
      all.complete(told);
    }
  }

  private static String resultText(OperationResult result) {
    return switch (result.getResultCase()) {
      case RECHARGE -> "balance " + result.getRecharge().getAccount().getBalance();
      case CONSUME -> "balance " + result.getConsume().getAccount().getBalance();
      case ERROR ->
          Refusals.errorInfo(result.getError())
              .map(ErrorInfo::getReason)
              .orElse(result.getError().getMessage());
      default -> throw new IllegalStateException("unexpected " + result.getResultCase());
    };
  }

  private static Instant instant(Timestamp time) {
    return Instant.ofEpochSecond(time.getSeconds(), time.getNanos());
  }

  private static void check(boolean isSo, String otherwise) {
    if (!isSo) {
      throw new IllegalStateException(otherwise);
    }
  }

  private static void print(String format, Object... facts) {
    System.out.printf(format + "%n", facts);
  }
}
