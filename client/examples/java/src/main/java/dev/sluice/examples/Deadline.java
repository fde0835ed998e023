package dev.sluice.examples;

import dev.sluice.v1.ChatRequest;
import dev.sluice.v1.GatewayGrpc;
import dev.sluice.v1.GatewayGrpc.GatewayBlockingStub;
import java.util.concurrent.TimeUnit;

/**
 * Gives an answer a bound on time: Deadline SECONDS [QUESTION].
 *
 * <p>The deadline travels with the call: the gateway plans its retries within it and ends the
 * upstream's work when it is over. It begins when the stub is made, so make one for each call.
 */
final class Deadline {
  public static void main(String[] args) {
    Common.run(channel -> {
      if (args.length < 1) {
        throw new IllegalArgumentException("usage: Deadline SECONDS [QUESTION]");
      }
      long millis = (long) (Double.parseDouble(args[0]) * 1000);
      ChatRequest request = Common.ask(Common.question(args, "Why is the sky blue?", 1)).build();
      GatewayBlockingStub stub = GatewayGrpc.newBlockingStub(channel).withDeadlineAfter(millis, TimeUnit.MILLISECONDS);
      Collector answer = Collector.collect(stub.streamChat(request), Common::show);
      System.out.println();
      Common.printEnd(answer.end, answer.text(0));
    });
  }
}
