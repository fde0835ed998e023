package dev.sluice.examples;

import dev.sluice.v1.ChatRequest;
import io.grpc.ChannelCredentials;
import io.grpc.TlsChannelCredentials;
import java.io.File;
import java.io.IOException;

/** Speaks TLS: SLUICE_CA=ca.pem, Tls [QUESTION]. */
final class Tls {
  private static ChannelCredentials credentials() throws IOException {
    String ca = System.getenv("SLUICE_CA");
    // Without it the roots that come with Java.
    return ca == null
        ? TlsChannelCredentials.create()
        : TlsChannelCredentials.newBuilder().trustManager(new File(ca)).build();
  }

  public static void main(String[] args) throws IOException {
    Common.run(credentials(), channel -> {
      ChatRequest request = Common.ask(Common.question(args, "Why is the sky blue?", 0)).build();
      Collector answer = Collector.collect(Common.stub(channel).streamChat(request), Common::show);
      System.out.println();
      Common.printEnd(answer.end, answer.text(0));
    });
  }
}
