package dev.sluice.examples;

import dev.sluice.v1.ChatEvent;
import dev.sluice.v1.ChoiceEnd;
import dev.sluice.v1.ContinuationMode;
import dev.sluice.v1.End;
import dev.sluice.v1.MediaDelta;
import dev.sluice.v1.Message;
import dev.sluice.v1.Part;
import dev.sluice.v1.Role;
import dev.sluice.v1.Started;
import dev.sluice.v1.StreamChatResponse;
import dev.sluice.v1.Usage;
import java.util.Iterator;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;

/**
 * Events of a stream -> whole messages, which can be appended to the next request. Takes every
 * event of one stream, in order.
 */
final class Collector {
  Started started;
  Usage usage;
  End end;

  /** By choice. */
  final Map<Integer, ChoiceEnd> finish = new TreeMap<>();

  /** By choice and part: parts may be open side by side, each delta goes to its own. */
  private final Map<Integer, Map<Integer, Part.Builder>> parts = new TreeMap<>();

  void add(ChatEvent event) {
    switch (event.getKindCase()) {
      case STARTED -> started = event.getStarted();
      case CHOICE_END -> finish.put(event.getChoice(), event.getChoiceEnd());
      case USAGE -> usage = event.getUsage(); // Replaces; it is never added up.
      case END -> end = event.getEnd();
      case CONTINUATION -> {
        if (event.getContinuation().getMode() == ContinuationMode.CONTINUATION_MODE_RESTART) {
          restart();
        }
      }
      case CONTENT, REASONING, REFUSAL, TOOL_CALL_START, TOOL_CALL_DELTA, MEDIA, CITATION, PART_END ->
          addToPart(part(event), event);
      default -> {} // Kinds that this program does not know.
    }
  }

  /** What was shown is void. */
  private void restart() {
    started = null;
    usage = null;
    end = null;
    finish.clear();
    parts.clear();
  }

  private Part.Builder part(ChatEvent event) {
    return parts
        .computeIfAbsent(event.getChoice(), choice -> new TreeMap<>())
        .computeIfAbsent(event.getPart(), number -> Part.newBuilder());
  }

  private static void addToPart(Part.Builder part, ChatEvent event) {
    switch (event.getKindCase()) {
      case CONTENT -> part.setText(part.getText() + event.getContent().getText());
      case REASONING -> part.getReasoningBuilder()
          .setText(part.getReasoning().getText() + event.getReasoning().getText());
      case REFUSAL -> part.getRefusalBuilder().setText(part.getRefusal().getText() + event.getRefusal().getText());
      case TOOL_CALL_START -> part.getToolCallBuilder()
          .setId(event.getToolCallStart().getId())
          .setName(event.getToolCallStart().getName());
      case TOOL_CALL_DELTA -> part.getToolCallBuilder().setArgumentsJson(
          part.getToolCall().getArgumentsJson() + event.getToolCallDelta().getArgumentsJson());
      case MEDIA -> addMedia(part, event.getMedia());
      case CITATION -> part.addCitations(event.getCitation());
      case PART_END -> part.addAllStates(event.getPartEnd().getStatesList());
      default -> {}
    }
  }

  private static void addMedia(Part.Builder part, MediaDelta delta) {
    if (!delta.getMimeType().isEmpty()) {
      part.getMediaBuilder().setMimeType(delta.getMimeType());
    }
    part.getMediaBuilder()
        .setData(part.getMedia().getData().concat(delta.getData()))
        .setTranscript(part.getMedia().getTranscript() + delta.getTranscript());
  }

  Set<Integer> choices() {
    return parts.keySet();
  }

  /** As the next request's history wants it: with reasoning, tool calls and states. */
  Message message(int choice) {
    Message.Builder message = Message.newBuilder().setRole(Role.ROLE_ASSISTANT);
    for (Part.Builder part : parts.getOrDefault(choice, Map.of()).values()) {
      // A citation alone makes no part.
      if (part.getKindCase() != Part.KindCase.KIND_NOT_SET || part.getStatesCount() > 0) {
        message.addParts(part);
      }
    }
    return message.build();
  }

  String text(int choice) {
    return textOf(message(choice));
  }

  static String textOf(Message message) {
    StringBuilder text = new StringBuilder();
    message.getPartsList().forEach(part -> text.append(part.getText()));
    return text.toString();
  }

  /**
   * Reads a stream to its end; throws StatusRuntimeException as the call fails. Only a stream with
   * its end record is an answer.
   */
  static Collector collect(Iterator<StreamChatResponse> call, Consumer<String> onText) {
    Collector collector = new Collector();
    while (call.hasNext()) {
      for (ChatEvent event : call.next().getEventsList()) {
        collector.add(event);
        if (event.hasContent() && event.getChoice() == 0) {
          onText.accept(event.getContent().getText());
        } else if (event.getContinuation().getMode() == ContinuationMode.CONTINUATION_MODE_RESTART) {
          onText.accept("\n--- cut; the answer begins anew ---\n");
        }
      }
    }
    if (collector.end == null) {
      throw new IllegalStateException("no end record: the answer is incomplete");
    }
    return collector;
  }
}
