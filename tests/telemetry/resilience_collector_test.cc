#include "server/telemetry/resilience_collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <string>

namespace sluice {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string Render(const ResilienceFigures& figures, size_t max_items = 500) {
  const ResilienceCollector collector([&] { return figures; }, max_items);
  return prometheus::TextSerializer().Serialize(collector.Collect());
}

TEST(ResilienceCollectorTest, ABreakerIsInOneState) {
  ResilienceFigures figures;
  figures.breakers = {{"openai", "primary", BreakerState::kOpen, 52, 0.596, 7},
                      {"openai", "", BreakerState::kForcedOpen, 0, 0, 0}};
  const std::string text = Render(figures);
  EXPECT_THAT(text, HasSubstr("sluice_breaker_state{upstream=\"openai\",endpoint=\"primary\",state=\"open\"} 1\n"));
  for (const char* other : {"closed", "half_open", "disabled", "forced_open", "observe_only"}) {
    EXPECT_THAT(text, HasSubstr("sluice_breaker_state{upstream=\"openai\",endpoint=\"primary\",state=\"" +
                                std::string(other) + "\"} 0\n"));
  }
  EXPECT_THAT(text, HasSubstr("sluice_breaker_state{upstream=\"openai\",endpoint=\"\",state=\"forced_open\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sluice_breaker_failure_ratio{upstream=\"openai\",endpoint=\"primary\"} 0.596\n"));
  EXPECT_THAT(text, HasSubstr("sluice_breaker_window_calls{upstream=\"openai\",endpoint=\"primary\"} 52\n"));
  EXPECT_THAT(text, HasSubstr("sluice_breaker_refused_total{upstream=\"openai\",endpoint=\"primary\"} 7\n"));
}

TEST(ResilienceCollectorTest, EndpointsShowWhyTheyTakeNothing) {
  ResilienceFigures figures;
  figures.endpoints = {{"openai", "a", EndpointCondition::kAvailable, 212},
                       {"openai", "b", EndpointCondition::kEjected, 0},
                       {"openai", "c", EndpointCondition::kEjected, 1},
                       {"local", "d", EndpointCondition::kCooling, 0}};
  const std::string text = Render(figures);
  EXPECT_THAT(text, HasSubstr("sluice_endpoint_state{upstream=\"openai\",endpoint=\"a\",state=\"available\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sluice_endpoint_state{upstream=\"openai\",endpoint=\"b\",state=\"available\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("sluice_endpoint_state{upstream=\"openai\",endpoint=\"b\",state=\"ejected\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sluice_endpoint_state{upstream=\"local\",endpoint=\"d\",state=\"cooling\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sluice_endpoint_in_flight{upstream=\"openai\",endpoint=\"a\"} 212\n"));
  EXPECT_THAT(text, HasSubstr("sluice_upstream_endpoints{upstream=\"openai\",state=\"available\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sluice_upstream_endpoints{upstream=\"openai\",state=\"ejected\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sluice_upstream_endpoints{upstream=\"local\",state=\"available\"} 0\n"));
}

TEST(ResilienceCollectorTest, UpstreamsShowWhatIsUnderWayAndItsLimit) {
  ResilienceFigures figures;
  figures.upstreams = {{"openai", 8, 2, 4000, 10, 5}, {"local", 1, 0, 0, 0, 0}};
  const std::string text = Render(figures);
  EXPECT_THAT(text, HasSubstr("sluice_upstream_in_flight{upstream=\"openai\"} 8\n"));
  EXPECT_THAT(text, HasSubstr("sluice_upstream_pending{upstream=\"openai\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sluice_upstream_tokens_in_flight{upstream=\"openai\"} 4000\n"));
  EXPECT_THAT(text, HasSubstr("sluice_upstream_concurrency_limit{upstream=\"openai\"} 10\n"));
  EXPECT_THAT(text, HasSubstr("sluice_upstream_throttled_total{upstream=\"openai\"} 5\n"));
  // No limit is not a limit of zero.
  EXPECT_THAT(text, Not(HasSubstr("sluice_upstream_concurrency_limit{upstream=\"local\"}")));
}

TEST(ResilienceCollectorTest, RowB6BudgetsAreOfARouteAndAnUpstream) {
  ResilienceFigures figures;
  figures.budgets = {{"chat", "openai", 5.1, 10, 3, 20}};
  const std::string text = Render(figures);
  EXPECT_THAT(text, HasSubstr("sluice_retry_budget_tokens{route=\"chat\",upstream=\"openai\"} 5.1\n"));
  EXPECT_THAT(text, HasSubstr("sluice_retry_budget_max_tokens{route=\"chat\",upstream=\"openai\"} 10\n"));
  EXPECT_THAT(text, HasSubstr("sluice_retry_budget_retries{route=\"chat\",upstream=\"openai\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("sluice_retry_budget_limit{route=\"chat\",upstream=\"openai\"} 20\n"));
}

TEST(ResilienceCollectorTest, RowD14QueuesShowTheirLengthAndOldest) {
  ResilienceFigures figures;
  figures.queues = {{"chat", 17, absl::Milliseconds(2500)}};
  const std::string text = Render(figures);
  EXPECT_THAT(text, HasSubstr("sluice_queue_length{route=\"chat\"} 17\n"));
  EXPECT_THAT(text, HasSubstr("sluice_queue_oldest_seconds{route=\"chat\"} 2.5\n"));
}

TEST(ResilienceCollectorTest, LimitsAndRememberedCalls) {
  ResilienceFigures figures;
  figures.rate_limits = {{"per-minute", 9, 3, 1}};
  std::string text = Render(figures);
  EXPECT_THAT(text, HasSubstr("sluice_rate_limit_refused_total{limit=\"per-minute\"} 9\n"));
  EXPECT_THAT(text, HasSubstr("sluice_rate_limit_keys{limit=\"per-minute\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("sluice_rate_limit_evictions_total{limit=\"per-minute\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("sluice_idempotency")));
  figures.idempotency = {4, 1000, 1, 2, 3, 6, 5};
  text = Render(figures);
  EXPECT_THAT(text, HasSubstr("sluice_idempotency_entries 4\n"));
  EXPECT_THAT(text, HasSubstr("sluice_idempotency_bytes 1000\n"));
  EXPECT_THAT(text, HasSubstr("sluice_idempotency_hits_total{result=\"joined\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sluice_idempotency_hits_total{result=\"replayed\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sluice_idempotency_hits_total{result=\"conflict\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("sluice_idempotency_hits_total{result=\"not_kept\"} 6\n"));
  EXPECT_THAT(text, HasSubstr("sluice_idempotency_evictions_total 5\n"));
}

TEST(ResilienceCollectorTest, WhatIsShedIsCountedByItsReason) {
  ResilienceFigures figures;
  EXPECT_THAT(Render(figures), Not(HasSubstr("sluice_shed")));
  figures.load = {4096, 1, 2, 3};
  const std::string text = Render(figures);
  EXPECT_THAT(text, HasSubstr("sluice_request_bytes 4096\n"));
  EXPECT_THAT(text, HasSubstr("sluice_shed_total{reason=\"calls\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sluice_shed_total{reason=\"memory\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sluice_shed_total{reason=\"lag\"} 3\n"));
}

TEST(ResilienceCollectorTest, ManyOfASortAreBoundedButCountedByUpstream) {
  ResilienceFigures figures;
  for (int i = 0; i < 1000; ++i) {
    const std::string name = std::to_string(i);
    figures.breakers.push_back({"openai", name, BreakerState::kClosed, 0, 0, 0});
    figures.endpoints.push_back({"openai", name, EndpointCondition::kAvailable, 0});
    figures.queues.push_back({name, 0, absl::ZeroDuration()});
  }
  const std::string text = Render(figures, 3);
  EXPECT_THAT(text, HasSubstr("endpoint=\"2\""));
  EXPECT_THAT(text, Not(HasSubstr("endpoint=\"3\"")));
  EXPECT_THAT(text, Not(HasSubstr("route=\"3\"")));
  EXPECT_THAT(text, HasSubstr("sluice_upstream_endpoints{upstream=\"openai\",state=\"available\"} 1000\n"));
}

}  // namespace
}  // namespace sluice
