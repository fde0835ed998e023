#include "controlplane/ctl/watch.h"

#include <thread>

#include "absl/strings/str_cat.h"
#include "proto/policy/duration_text.h"

namespace sluice::ctl {
namespace {

// Ctrl-C is seen this soon while it waits.
constexpr std::chrono::milliseconds kStopCheck(50);

void WaitFor(absl::Duration interval, const Session& session) {
  const absl::Time until = absl::Now() + interval;
  while (!session.stopped() && absl::Now() < until) std::this_thread::sleep_for(kStopCheck);
}

}  // namespace

void AddWatchOptions(CLI::App& app, WatchOptions& options) {
  app.add_flag("-w,--watch", options.watch, "Again and again, until Ctrl-C");
  app.add_option("--interval", options.interval, "Between two looks of --watch")->capture_default_str();
}

ExitCode Watch(Session& session, const WatchOptions& options, const std::function<ExitCode()>& look) {
  if (!options.watch) return look();
  const absl::StatusOr<absl::Duration> interval = ParseDurationText(options.interval);
  if (!interval.ok() || *interval < absl::Milliseconds(100)) {
    return session.Fail(ExitCode::kUsage,
                        absl::StrCat("--interval: \"", options.interval, "\" will not do; write 100ms or more, as in 2s"));
  }
  // A control plane that is away for a moment is what one watches for.
  ExitCode last = ExitCode::kOk;
  while (!session.stopped()) {
    last = session.output().Finish(look());
    // Nobody sees it any more.
    if (last == ExitCode::kBrokenPipe || last == ExitCode::kNotWritten) return last;
    WaitFor(*interval, session);
  }
  return last;
}

void BeginLook(Session& session, const WatchOptions& options) {
  if (options.watch && session.terminal() && session.output().for_people()) WriteRaw(session.out(), "\x1b[H\x1b[2J");
}

}  // namespace sluice::ctl
