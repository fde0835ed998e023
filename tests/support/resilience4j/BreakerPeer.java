import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig.SlidingWindowType;
import io.github.resilience4j.circuitbreaker.internal.CircuitBreakerStateMachine;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.concurrent.TimeUnit;

/**
 * Drives resilience4j's breaker by commands, one a line, and prints what it is after each:
 * "STATE calls failures slow". Times are milliseconds; the clock moves only by "new" and "at".
 *
 * <pre>
 * new now TIME|COUNT size min_calls failure_percent slow_percent slow_after permits
 * at now
 * acquire            prints "yes" or "no" in front
 * open_for time      of the next opening
 * success|failure time
 * ignore
 * trip time
 * reset
 * </pre>
 */
public final class BreakerPeer {
  /** Moved by the trace. */
  private static final class SetClock extends Clock {
    long now;

    @Override
    public Instant instant() {
      return Instant.ofEpochMilli(now);
    }

    @Override
    public ZoneId getZone() {
      return ZoneOffset.UTC;
    }

    @Override
    public Clock withZone(ZoneId zone) {
      return this;
    }
  }

  private final SetClock clock = new SetClock();
  private final RuntimeException failure = new RuntimeException("failed");
  private long openFor;
  private CircuitBreaker breaker;

  public static void main(String[] args) throws IOException {
    BreakerPeer peer = new BreakerPeer();
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    PrintWriter out = new PrintWriter(System.out);
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      out.println(peer.run(line.split(" ")));
    }
    out.flush();
  }

  private String run(String[] words) {
    String answer = "";
    switch (words[0]) {
      case "new" -> create(words);
      case "at" -> clock.now = Long.parseLong(words[1]);
      case "acquire" -> answer = breaker.tryAcquirePermission() ? "yes " : "no ";
      case "open_for" -> openFor = Long.parseLong(words[1]);
      case "success" -> breaker.onSuccess(Long.parseLong(words[1]), TimeUnit.MILLISECONDS);
      case "failure" -> breaker.onError(Long.parseLong(words[1]), TimeUnit.MILLISECONDS, failure);
      case "ignore" -> breaker.releasePermission();
      case "trip" -> breaker.transitionToOpenStateFor(Duration.ofMillis(Long.parseLong(words[1])));
      case "reset" -> breaker.reset();
      default -> throw new IllegalArgumentException("unknown command " + words[0]);
    }
    return answer + state();
  }

  private void create(String[] words) {
    clock.now = Long.parseLong(words[1]);
    int size = Integer.parseInt(words[3]);
    int minCalls = Integer.parseInt(words[4]);
    SlidingWindowType type = words[2].equals("TIME") ? SlidingWindowType.TIME_BASED : SlidingWindowType.COUNT_BASED;
    CircuitBreakerConfig config =
        CircuitBreakerConfig.custom()
            .slidingWindow(size, minCalls, type)
            .failureRateThreshold(Float.parseFloat(words[5]))
            .slowCallRateThreshold(Float.parseFloat(words[6]))
            .slowCallDurationThreshold(Duration.ofMillis(Long.parseLong(words[7])))
            .permittedNumberOfCallsInHalfOpenState(Integer.parseInt(words[8]))
            .waitIntervalFunctionInOpenState(attempt -> openFor)
            .build();
    breaker = new CircuitBreakerStateMachine("peer", config, clock);
  }

  private String state() {
    CircuitBreaker.Metrics metrics = breaker.getMetrics();
    return breaker.getState()
        + " " + metrics.getNumberOfBufferedCalls()
        + " " + metrics.getNumberOfFailedCalls()
        + " " + metrics.getNumberOfSlowCalls();
  }
}
