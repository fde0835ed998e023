// How far retries may multiply the load on one upstream. Called by the engine
// at every repeat and hedge, under the lock of the (route, upstream) that it
// belongs to. Pure.
#ifndef SLUICE_SERVER_RESILIENCE_RETRY_BUDGET_H_
#define SLUICE_SERVER_RESILIENCE_RETRY_BUDGET_H_

#include <cstdint>

namespace sluice {

struct RetryBudgetConfig {
  double max_tokens = 10;     // (0, 1000]; this and the ratio count to 3 decimals
  double token_ratio = 0.1;   // > 0
  double retry_percent = 20;  // 0..100, to 3 decimals
  uint32_t min_retries = 3;   // allowed whatever the share

  bool operator==(const RetryBudgetConfig&) const = default;
};

struct RetryBudgetFigures {
  double tokens = 0;
  double max_tokens = 0;
  uint64_t calls = 0;    // active and pending
  uint64_t retries = 0;  // charged: scheduled or under way
  uint64_t limit = 0;    // of retries, by the calls of this moment
  // Retries refused since the start; one that both limits refuse counts with
  // the tokens.
  uint64_t refused_by_tokens = 0;
  uint64_t refused_by_concurrency = 0;
};

// The budget of one (route, upstream). Two limits, both must allow a retry:
// - a token bucket (gRFC A6, retryThrottling): a failure takes 1, a success
//   gives token_ratio, and retries stop at half of max_tokens;
// - a share (Envoy's retry_budget): retries under way <= retry_percent of the
//   calls under way, rounded down, and at least min_retries.
// Integers inside: ten successes of 0.1 are exactly one token.
class RetryBudget {
 public:
  explicit RetryBudget(const RetryBudgetConfig& config);

  // A call came / is over: the whole call, its waiting included. Its attempts
  // that are no retries count through it.
  void CallStarted() { ++calls_; }
  void CallEnded();

  // Whether a retry would be allowed. Counts nothing.
  bool Allows() const;
  // A repeat or a hedge is being scheduled. True: it counts from now on, its
  // backoff included (a waiting one that did not count would escape:
  // envoy#30205), until Release().
  bool TryCharge();
  // A charged attempt ended, or was never made.
  void Release();

  // A retryable failure; a success, which gives what it returns (thousandths of a
  // token: a full bucket takes no more). One that turned out to be none gives that
  // back.
  void OnFailure();
  int64_t OnSuccess();
  void TakeBack(int64_t milli_tokens);

  // Keeps the counts, and the proportion of tokens (as A6 says).
  void Configure(const RetryBudgetConfig& config);
  const RetryBudgetConfig& config() const { return config_; }

  RetryBudgetFigures Figures() const;

 private:
  bool TokensAllow() const { return 2 * milli_tokens_ > max_milli_tokens_; }
  uint64_t Limit() const;

  RetryBudgetConfig config_;
  int64_t max_milli_tokens_;
  int64_t milli_ratio_;
  uint64_t milli_percent_;
  int64_t milli_tokens_;
  uint64_t calls_ = 0;
  uint64_t retries_ = 0;
  uint64_t refused_by_tokens_ = 0;
  uint64_t refused_by_concurrency_ = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_RETRY_BUDGET_H_
