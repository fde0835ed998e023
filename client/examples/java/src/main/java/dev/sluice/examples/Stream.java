package dev.sluice.examples;

import dev.sluice.v1.ChatRequest;

/** Streams an answer: Stream [QUESTION]. */
final class Stream {
  public static void main(String[] args) {
    Common.run(channel -> {
      ChatRequest.Builder request = Common.ask(Common.question(args, "Why is the sky blue?", 0));
      // A cut stream may begin anew; without this it fails.
      request.getStreamOptionsBuilder().setAllowRestart(true);
      Collector answer = Collector.collect(Common.stub(channel).streamChat(request.build()), Common::show);
      System.out.println();
      Common.printEnd(answer.end, answer.text(0));
    });
  }
}
