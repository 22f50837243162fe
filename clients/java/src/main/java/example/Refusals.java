package example;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import com.google.rpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.Map;
import java.util.Optional;

/** What a refusal of Points says. */
final class Refusals {
  private Refusals() {}

  /** A call that the balance does not cover. */
  record InsufficientPoints(long balance, long required, long shortfall, String outcome) {}

  /** Reads it from a call's error; empty where the error is another. */
  static Optional<InsufficientPoints> insufficientPoints(StatusRuntimeException error) {
    return errorInfo(StatusProto.fromThrowable(error))
        .filter(info -> info.getReason().equals("INSUFFICIENT_POINTS"))
        .map(ErrorInfo::getMetadataMap)
        .map(
            told ->
                new InsufficientPoints(
                    number(told, "balance"),
                    number(told, "required"),
                    number(told, "shortfall"),
                    told.get("outcome")));
  }

  /** Why Points refused; empty where the error is none of Points. */
  static Optional<ErrorInfo> errorInfo(Status status) {
    for (Any detail : status.getDetailsList()) {
      if (!detail.is(ErrorInfo.class)) {
        continue;
      }
      try {
        ErrorInfo info = detail.unpack(ErrorInfo.class);
        return info.getDomain().equals("points.v1") ? Optional.of(info) : Optional.empty();
      } catch (InvalidProtocolBufferException unreadable) {
        return Optional.empty();
      }
    }
    return Optional.empty();
  }

  private static long number(Map<String, String> told, String name) {
    return Long.parseLong(told.get(name));
  }
}
