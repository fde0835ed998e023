package dev.sluice.examples;

import com.google.protobuf.ByteString;
import dev.sluice.v1.ChatRequest;
import dev.sluice.v1.Media;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Asks about an image: Image FILE [QUESTION]. */
final class Image {
  private static Media read(Path file) throws IOException {
    String type = Files.probeContentType(file);
    return Media.newBuilder()
        .setMimeType(type == null ? "image/png" : type)
        // An image on the web: setUrl("https://...") in place of data.
        .setData(ByteString.copyFrom(Files.readAllBytes(file)))
        .build();
  }

  public static void main(String[] args) {
    Common.run(channel -> {
      if (args.length < 1) {
        throw new IllegalArgumentException("usage: Image FILE [QUESTION]");
      }
      ChatRequest.Builder request = Common.ask("");
      request.getMessagesBuilder(0).addPartsBuilder().setText(Common.question(args, "What is in this image?", 1));
      request.getMessagesBuilder(0).addPartsBuilder().setMedia(read(Path.of(args[0])));
      Collector answer = Collector.collect(Common.stub(channel).streamChat(request.build()), Common::show);
      System.out.println();
      Common.printEnd(answer.end, answer.text(0));
    });
  }
}
