package dev.sluice.examples;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.sluice.v1.ChatRequest;
import dev.sluice.v1.ChatResponse;
import dev.sluice.v1.Choice;
import dev.sluice.v1.FinishReason;
import dev.sluice.v1.Part;
import io.grpc.ManagedChannel;

/** Asks for JSON that follows a schema, whole: Structured [QUESTION]. */
final class Structured {
  private static final String SCHEMA = """
      {"type":"object","properties":{"city":{"type":"string"},"celsius":{"type":"integer"}},\
      "required":["city","celsius"],"additionalProperties":false}""";

  private static void ask(ManagedChannel channel, String question) {
    ChatRequest.Builder request = Common.ask(question);
    request.getResponseFormatBuilder().getJsonSchemaBuilder()
        .setName("weather").setStrict(true).setSchemaJson(SCHEMA);
    // chat: half a JSON document is of no use to a program.
    ChatResponse response = Common.stub(channel).chat(request.build());

    Choice choice = response.getChoices(0);
    StringBuilder refusal = new StringBuilder();
    for (Part part : choice.getMessage().getPartsList()) {
      refusal.append(part.getRefusal().getText());
    }
    if (refusal.length() > 0) {
      throw new IllegalStateException("the model refused: " + refusal);
    }
    if (choice.getFinishReason() != FinishReason.FINISH_REASON_STOP) {
      throw new IllegalStateException("not whole: " + choice.getFinishReason());
    }
    String text = Collector.textOf(choice.getMessage());
    JsonObject weather = JsonParser.parseString(text).getAsJsonObject();
    System.out.println("city: " + weather.get("city").getAsString());
    System.out.println("celsius: " + weather.get("celsius").getAsInt());
    Common.printEnd(response.getEnd(), text);
  }

  public static void main(String[] args) {
    Common.run(channel -> ask(channel, Common.question(args, "How warm is it in Paris?", 0)));
  }
}
