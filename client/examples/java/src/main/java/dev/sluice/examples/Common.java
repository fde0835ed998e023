package dev.sluice.examples;

import dev.sluice.v1.ChatRequest;
import dev.sluice.v1.End;
import dev.sluice.v1.GatewayGrpc;
import dev.sluice.v1.GatewayGrpc.GatewayBlockingStub;
import dev.sluice.v1.Message;
import dev.sluice.v1.Outcome;
import dev.sluice.v1.Role;
import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;

/** What the programs beside this file share: where the gateway is, and how they end. */
final class Common {
  /** A deadline covers retries and failover too, and reaches the upstream. Never go without. */
  static final long DEADLINE_SECONDS = 60;

  private Common() {}

  /** A program, with the channel that it may use. */
  interface Program {
    void run(ManagedChannel channel) throws Exception;
  }

  static String variable(String name, String otherwise) {
    return System.getenv().getOrDefault(name, otherwise);
  }

  /** The program's arguments, after the first {@code skip}. */
  static String question(String[] args, String otherwise, int skip) {
    return args.length <= skip ? otherwise : String.join(" ", Arrays.asList(args).subList(skip, args.length));
  }

  static Message user(String text) {
    return Message.newBuilder().setRole(Role.ROLE_USER).setText(text).build();
  }

  /** A request of one question. */
  static ChatRequest.Builder ask(String question) {
    return ChatRequest.newBuilder().setModel(variable("SLUICE_MODEL", "chat")).addMessages(user(question));
  }

  /** A deadline begins when it is set: a stub for each call. */
  static GatewayBlockingStub stub(ManagedChannel channel) {
    return GatewayGrpc.newBlockingStub(channel).withDeadlineAfter(DEADLINE_SECONDS, TimeUnit.SECONDS);
  }

  static void show(String text) {
    System.out.print(text);
    System.out.flush();
  }

  static void printEnd(End end, String text) {
    String outcome = end.getOutcome().name().replace("OUTCOME_", "").toLowerCase();
    System.out.printf("end: %s, served by %s, %d attempts, %d characters%n",
        outcome, end.getServedBy(), end.getAttemptsCount(), text.codePointCount(0, text.length()));
    if (end.getOutcome() == Outcome.OUTCOME_FALLBACK) {
      System.out.println("a fallback, because: " + end.getError().getMessage());
    }
  }

  /** Runs a program without TLS; Tls has one with. */
  static void run(Program program) {
    run(InsecureChannelCredentials.create(), program);
  }

  /** Runs a program; its failure is one line and exit status 1. */
  static void run(ChannelCredentials credentials, Program program) {
    ManagedChannel channel = Grpc.newChannelBuilder(variable("SLUICE_SERVER", "127.0.0.1:8443"), credentials).build();
    int exit = 0;
    try {
      program.run(channel);
    } catch (StatusRuntimeException error) {
      Status status = error.getStatus();
      System.err.println(status.getCode() + ": " + status.getDescription());
      exit = 1;
    } catch (Exception error) {
      System.err.println("error: " + error.getMessage());
      exit = 1;
    } finally {
      channel.shutdownNow();
    }
    System.exit(exit);
  }
}
