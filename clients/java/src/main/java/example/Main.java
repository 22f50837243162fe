package example;

import io.grpc.ManagedChannel;
import java.util.concurrent.TimeUnit;

/** Plays the scenario of all clients against a running Points server, HOST:PORT. */
public final class Main {
  private Main() {}

  public static void main(String[] args) throws Exception {
    String address = args.length > 0 ? args[0] : "127.0.0.1:50051";
    ManagedChannel channel = Client.dial(address, System.getenv("POINTS_TOKEN"));
    try {
      new Scenario(channel).play();
    } finally {
      channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
    }
  }
}
