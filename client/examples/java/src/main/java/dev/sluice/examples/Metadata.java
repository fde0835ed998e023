package dev.sluice.examples;

import static io.grpc.Metadata.ASCII_STRING_MARSHALLER;

import dev.sluice.v1.ChatRequest;
import dev.sluice.v1.GatewayGrpc.GatewayBlockingStub;
import io.grpc.ManagedChannel;
import io.grpc.Metadata.Key;
import io.grpc.stub.MetadataUtils;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Sends and reads metadata: SLUICE_TENANT=name, Metadata KEY [QUESTION].
 *
 * <p>The same request under the same idempotency key is answered once: run it twice.
 */
final class Metadata {
  private static final Key<String> IDEMPOTENCY_KEY = Key.of("idempotency-key", ASCII_STRING_MARSHALLER);
  private static final Key<String> TENANT = Key.of("sluice-tenant", ASCII_STRING_MARSHALLER);
  private static final Key<String> CALL_ID = Key.of("sluice-call-id", ASCII_STRING_MARSHALLER);

  private static void ask(ManagedChannel channel, String key, ChatRequest request) {
    io.grpc.Metadata sent = new io.grpc.Metadata();
    sent.put(IDEMPOTENCY_KEY, key);
    sent.put(TENANT, Common.variable("SLUICE_TENANT", "examples"));
    AtomicReference<io.grpc.Metadata> headers = new AtomicReference<>();
    AtomicReference<io.grpc.Metadata> trailers = new AtomicReference<>();
    GatewayBlockingStub stub = Common.stub(channel).withInterceptors(
        MetadataUtils.newAttachHeadersInterceptor(sent),
        MetadataUtils.newCaptureMetadataInterceptor(headers, trailers));
    Collector answer;
    try {
      answer = Collector.collect(stub.streamChat(request), Common::show);
    } finally {
      System.out.println("\ncall id: " + callId(headers.get(), trailers.get()));
    }
    Common.printEnd(answer.end, answer.text(0));
  }

  /**
   * In the initial metadata; of a call that failed before content in the trailers. It names the call
   * in the gateway's log: keep it with what you log.
   */
  private static String callId(io.grpc.Metadata... received) {
    for (io.grpc.Metadata metadata : received) {
      if (metadata != null && metadata.containsKey(CALL_ID)) {
        return metadata.get(CALL_ID);
      }
    }
    return "";
  }

  public static void main(String[] args) {
    Common.run(channel -> {
      if (args.length < 1) {
        throw new IllegalArgumentException("usage: Metadata KEY [QUESTION]");
      }
      ask(channel, args[0], Common.ask(Common.question(args, "Why is the sky blue?", 1)).build());
    });
  }
}
