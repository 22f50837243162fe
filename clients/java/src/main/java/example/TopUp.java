package example;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.nio.file.StandardCopyOption.REPLACE_EXISTING;
import static java.util.concurrent.TimeUnit.SECONDS;

import io.grpc.Channel;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.function.Predicate;
import points.v1.Entry;
import points.v1.LedgerServiceGrpc;
import points.v1.PointsServiceGrpc;
import points.v1.RechargeRequest;
import points.v1.RechargeResponse;
import points.v1.StreamEntriesRequest;
import points.v1.StreamEntriesResponse;

/** An auto top-up: recharges accounts that fall below the number of their alert "low". */
record TopUp(Channel channel, Path cursorFile, String userIdPrefix) {
  private static final long POINTS = 50;
  private static final int TIMEOUT_SECONDS = 5;

  /**
   * Goes on from the cursor in the file; without the file it begins now. If the server or its
   * database goes away, it begins again where the file says. What it did since changes nothing then:
   * the request ids are the same.
   *
   * @param goesOn gets what each message led to, once its cursor is stored: mostly nothing, at least
   *     every second. It ends with false
   */
  void run(Predicate<List<RechargeResponse>> goesOn) throws IOException, InterruptedException {
    while (true) {
      Context.CancellableContext call = Context.current().withCancellation();
      Context outer = call.attach();
      try {
        follow(goesOn);
        return;
      } catch (StatusRuntimeException error) {
        if (error.getStatus().getCode() != Status.Code.UNAVAILABLE) {
          throw error;
        }
      } finally {
        // Ends the stream, which has no deadline.
        call.detachAndCancel(outer, null);
      }
      SECONDS.sleep(1);
    }
  }

  private void follow(Predicate<List<RechargeResponse>> goesOn) throws IOException {
    String cursor = Files.exists(cursorFile) ? Files.readString(cursorFile) : "";
    Iterator<StreamEntriesResponse> messages =
        LedgerServiceGrpc.newBlockingStub(channel)
            .streamEntries(
                StreamEntriesRequest.newBuilder()
                    .setCursor(cursor)
                    .setUserIdPrefix(userIdPrefix)
                    .build());
    List<RechargeResponse> answers;
    do {
      StreamEntriesResponse message = messages.next();
      answers = new ArrayList<>();
      for (Entry entry : message.getEntriesList()) {
        if (entry.getAlertsList().contains("low")) {
          answers.add(topUp(entry));
        }
      }
      store(cursorFile, message.getCursor());
    } while (goesOn.test(answers));
  }

  /**
   * The request id is made from the entry, so that the same entry again changes nothing. The hash is
   * part of it, since a failover may lose an entry and give its number to another one.
   */
  private RechargeResponse topUp(Entry entry) {
    String hash = HexFormat.of().formatHex(entry.getHash().toByteArray(), 0, 8);
    return PointsServiceGrpc.newBlockingStub(channel)
        .withDeadlineAfter(TIMEOUT_SECONDS, SECONDS)
        .recharge(
            RechargeRequest.newBuilder()
                .setUserId(entry.getUserId())
                .setRequestId("topup-%d-%s".formatted(entry.getSequence(), hash))
                .setPoints(POINTS)
                .build());
  }

  /** Replaces a file by renaming, so that there is no half of it after a crash. */
  static void store(Path cursorFile, String cursor) throws IOException {
    Path next = cursorFile.resolveSibling(cursorFile.getFileName() + ".new");
    try (FileChannel file =
        FileChannel.open(
            next,
            StandardOpenOption.CREATE,
            StandardOpenOption.TRUNCATE_EXISTING,
            StandardOpenOption.WRITE)) {
      file.write(ByteBuffer.wrap(cursor.getBytes(UTF_8)));
      file.force(true);
    }
    Files.move(next, cursorFile, REPLACE_EXISTING);
  }
}
