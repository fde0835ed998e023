package dev.sluice.examples;

import dev.sluice.v1.ChatRequest;
import dev.sluice.v1.Media;
import dev.sluice.v1.Part;

/** Collects two answers whole, and goes on with the first: Collect [QUESTION]. */
final class Collect {
  private static String described(Part part) {
    return switch (part.getKindCase()) {
      case TEXT -> "text " + part.getText();
      case REASONING -> "reasoning " + part.getReasoning().getText();
      case REFUSAL -> "refusal " + part.getRefusal().getText();
      case TOOL_CALL -> "tool_call " + part.getToolCall().getName() + " " + part.getToolCall().getArgumentsJson();
      case MEDIA -> {
        Media media = part.getMedia();
        yield "media " + media.getMimeType() + ", " + media.getData().size() + " bytes, " + media.getTranscript();
      }
      default -> "states alone";
    };
  }

  private static void printAnswer(Collector answer) {
    for (int choice : answer.choices()) {
      String finish = answer.finish.get(choice).getFinishReason().name().replace("FINISH_REASON_", "");
      System.out.println("choice " + choice + ": " + finish.toLowerCase());
      for (Part part : answer.message(choice).getPartsList()) {
        System.out.printf("  %s (%d citations, %d states)%n",
            described(part), part.getCitationsCount(), part.getStatesCount());
      }
    }
    if (answer.usage != null) {
      System.out.printf("usage: %d in, %d out%n", answer.usage.getInputTokens(), answer.usage.getOutputTokens());
    }
  }

  public static void main(String[] args) {
    Common.run(channel -> {
      ChatRequest.Builder request = Common.ask(Common.question(args, "Why is the sky blue?", 0)).setN(2);
      request.getStreamOptionsBuilder().setAllowRestart(true);
      Collector answer = Collector.collect(Common.stub(channel).streamChat(request.build()), text -> {});
      printAnswer(answer);

      // The next turn: the answer goes back whole.
      request.addMessages(answer.message(0)).addMessages(Common.user("Go on.")).clearN();
      answer = Collector.collect(Common.stub(channel).streamChat(request.build()), Common::show);
      System.out.println();
      Common.printEnd(answer.end, answer.text(0));
    });
  }
}
