package dev.sluice.examples;

import dev.sluice.v1.ChatEvent;
import dev.sluice.v1.ChatRequest;
import dev.sluice.v1.StreamChatResponse;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.util.Iterator;

/**
 * Ends calls early, in both ways: Cancel [QUESTION].
 *
 * <p>Leaving the loop over a blocking stub's iterator tells the server nothing: the model writes on,
 * and somebody pays. So: begin the call within a Context of its own, in a try, whose end cancels it.
 */
final class Cancel {
  /** As a stop button would: the loop goes on until the status comes. */
  private static void cancelledFromOutside(ManagedChannel channel, ChatRequest request) throws Exception {
    StringBuilder shown = new StringBuilder();
    try (Context.CancellableContext scope = Context.current().withCancellation()) {
      Collector.collect(scope.call(() -> Common.stub(channel).streamChat(request)), text -> {
        shown.append(text);
        scope.cancel(null); // From any thread.
      });
    } catch (StatusRuntimeException error) {
      System.out.printf("cancelled after \"%s\": %s%n", shown, error.getStatus().getCode());
    }
  }

  private static void leavesTheLoop(ManagedChannel channel, ChatRequest request) throws Exception {
    try (Context.CancellableContext scope = Context.current().withCancellation()) {
      Iterator<StreamChatResponse> call = scope.call(() -> Common.stub(channel).streamChat(request));
      while (call.hasNext()) {
        StringBuilder text = new StringBuilder();
        for (ChatEvent event : call.next().getEventsList()) {
          text.append(event.getContent().getText());
        }
        if (text.length() > 0) {
          System.out.printf("left the loop after \"%s\"%n", text);
          break;
        }
      }
    } // Of a call that has ended: nothing.
  }

  public static void main(String[] args) {
    Common.run(channel -> {
      ChatRequest request = Common.ask(Common.question(args, "Why is the sky blue?", 0)).build();
      cancelledFromOutside(channel, request);
      leavesTheLoop(channel, request);
      // Only the calls are over: the channel goes on.
      Collector answer = Collector.collect(Common.stub(channel).streamChat(request), Common::show);
      System.out.println();
      Common.printEnd(answer.end, answer.text(0));
    });
  }
}
