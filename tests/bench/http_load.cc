#include "tests/bench/http_load.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/http_caller.h"
#include "tests/bench/schedule.h"
#include "tests/bench/stamp.h"

namespace sluice::bench {
namespace {

// A connection and a call for every stream: what connecting costs is not asked.
bool WarmUp(const std::vector<std::unique_ptr<HttpCaller>>& callers, Recorder& recorder) {
  for (const auto& caller : callers) {
    if (!caller->WarmUp()) {
      recorder.OnError("a warm-up call failed");
      return false;
    }
    if (caller == callers.front()) recorder.OnFirstAnswer();
  }
  return true;
}

}  // namespace

void RunHttpLoad(const LoadPlan& plan, Recorder& recorder) {
  const std::string request = HttpRequestOf(plan, {0, plan.answer});
  const TlsContext tls = plan.ca_file.empty() ? nullptr : TlsForClient(plan.ca_file);
  const int epoll = epoll_create1(0);
  std::vector<std::unique_ptr<HttpCaller>> callers;
  std::vector<Caller*> seats;
  for (int i = 0; i < plan.streams; ++i) {
    callers.push_back(std::make_unique<HttpCaller>(i, plan, request, tls.get(), epoll, recorder));
    seats.push_back(callers.back().get());
  }
  if (!WarmUp(callers, recorder)) return;
  Schedule schedule(plan, recorder, seats);
  recorder.Begin();
  std::array<epoll_event, 256> events;
  for (;;) {
    const int64_t now = NowNs();
    const int64_t sleep = std::max<int64_t>(schedule.Step(now) - now, 0);
    if (schedule.over()) break;
    const timespec timeout{sleep / 1'000'000'000, sleep % 1'000'000'000};
    const int count = epoll_pwait2(epoll, events.data(), events.size(), &timeout, nullptr);
    for (int i = 0; i < count; ++i) {
      auto* caller = static_cast<HttpCaller*>(events[i].data.ptr);
      if (!caller->OnReadable()) schedule.Ended(*caller);
    }
  }
  close(epoll);
}

}  // namespace sluice::bench
