package dev.sluice.examples;

import com.google.gson.JsonParser;
import dev.sluice.v1.ChatRequest;
import dev.sluice.v1.Message;
import dev.sluice.v1.Part;
import dev.sluice.v1.Role;
import dev.sluice.v1.Tool;
import dev.sluice.v1.ToolCall;
import dev.sluice.v1.ToolResult;
import io.grpc.ManagedChannel;
import java.util.Map;

/** Lets the model call a function of ours until it answers: Tools [QUESTION]. */
final class Tools {
  private static final int MAX_ROUNDS = 5;
  private static final Tool GET_WEATHER = Tool.newBuilder()
      .setName("get_weather")
      .setDescription("The weather in a city.")
      .setParametersJson("""
          {"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}""")
      .build();
  private static final Map<String, Integer> CELSIUS = Map.of("Paris", 21, "Oslo", 9);

  private static String getWeather(String argumentsJson) {
    String city = JsonParser.parseString(argumentsJson).getAsJsonObject().get("city").getAsString();
    if (!CELSIUS.containsKey(city)) {
      throw new IllegalArgumentException("no such city");
    }
    return "{\"celsius\":" + CELSIUS.get(city) + "}";
  }

  /** A tool that fails is a result too: the model reads it and goes another way. */
  private static ToolResult callTool(ToolCall call) {
    ToolResult.Builder result = ToolResult.newBuilder().setToolCallId(call.getId());
    try {
      if (!call.getName().equals("get_weather")) {
        throw new IllegalArgumentException("no such tool");
      }
      result.setText(getWeather(call.getArgumentsJson()));
    } catch (RuntimeException error) {
      result.setText(String.valueOf(error.getMessage())).setIsError(true);
    }
    System.out.printf("tool %s %s -> %s%s%n",
        call.getName(), call.getArgumentsJson(), result.getIsError() ? "error: " : "", result.getText());
    return result.build();
  }

  private static void loop(ManagedChannel channel, ChatRequest.Builder request) {
    for (int round = 0; round < MAX_ROUNDS; round++) {
      Collector answer = Collector.collect(Common.stub(channel).streamChat(request.build()), text -> {});
      Message message = answer.message(0);
      if (message.getPartsCount() > 0) {
        // Whole, with its reasoning and states: the provider wants them back.
        request.addMessages(message);
      }
      Message.Builder results = Message.newBuilder().setRole(Role.ROLE_TOOL);
      for (Part part : message.getPartsList()) {
        if (part.hasToolCall()) {
          results.addParts(Part.newBuilder().setToolResult(callTool(part.getToolCall())));
        }
      }
      if (results.getPartsCount() == 0) {
        System.out.println(answer.text(0));
        Common.printEnd(answer.end, answer.text(0));
        return;
      }
      request.addMessages(results);
    }
    throw new IllegalStateException("no answer after " + MAX_ROUNDS + " rounds of tools");
  }

  public static void main(String[] args) {
    String question = Common.question(args, "What is the weather in Paris?", 0);
    Common.run(channel -> loop(channel, Common.ask(question).addTools(GET_WEATHER)));
  }
}
