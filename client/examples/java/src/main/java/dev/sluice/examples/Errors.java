package dev.sluice.examples;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Duration;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import dev.sluice.v1.Attempt;
import dev.sluice.v1.AttemptList;
import dev.sluice.v1.ChatRequest;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;

/** Decodes why a call failed, with grpc-protobuf's StatusProto: Errors [QUESTION]. */
final class Errors {
  private static void printFailure(StatusRuntimeException failure) throws InvalidProtocolBufferException {
    System.out.println("status: " + failure.getStatus().getCode());
    System.out.println("message: " + failure.getStatus().getDescription());
    com.google.rpc.Status status = StatusProto.fromThrowable(failure);
    if (status == null || status.getDetailsCount() == 0) {
      return; // The gateway was not reached.
    }
    System.out.println("details: " + status.getMessage());
    for (Any detail : status.getDetailsList()) {
      printDetail(detail);
    }
  }

  private static void printDetail(Any detail) throws InvalidProtocolBufferException {
    if (detail.is(ErrorInfo.class)) {
      System.out.println("reason: " + detail.unpack(ErrorInfo.class).getReason());
    } else if (detail.is(RetryInfo.class)) {
      // When to try again; without it, do not.
      Duration delay = detail.unpack(RetryInfo.class).getRetryDelay();
      System.out.println("retry after: " + (delay.getSeconds() * 1000 + delay.getNanos() / 1_000_000) + " ms");
    } else if (detail.is(AttemptList.class)) {
      AttemptList tried = detail.unpack(AttemptList.class);
      for (Attempt attempt : tried.getAttemptsList()) {
        System.out.printf("attempt %s/%s: %s, %s, HTTP %d, %s%n", attempt.getUpstream(), attempt.getEndpoint(),
            attempt.getOutcome(), attempt.getErrorClass(), attempt.getHttpStatus(), attempt.getErrorMessage());
      }
      System.out.println("attempts omitted: " + tried.getOmitted());
    }
  }

  public static void main(String[] args) {
    Common.run(channel -> {
      ChatRequest request = Common.ask(Common.question(args, "Why is the sky blue?", 0)).build();
      Collector answer;
      try {
        answer = Collector.collect(Common.stub(channel).streamChat(request), Common::show);
      } catch (StatusRuntimeException failure) {
        printFailure(failure);
        System.exit(1);
        return;
      }
      System.out.println();
      Common.printEnd(answer.end, answer.text(0));
    });
  }
}
