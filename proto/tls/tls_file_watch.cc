#include "proto/tls/tls_file_watch.h"

#include <utility>

namespace sluice {

TlsFileWatch::News TlsFileWatch::Look(bool at_once) {
  absl::StatusOr<TlsTexts> now = ReadTlsFiles(files_);
  if (now.ok() && *now == in_force_) {
    seen_.reset();
    found_.clear();
    told_.clear();
    return {};
  }
  const bool settled = seen_ && seen_->status() == now.status() && (!now.ok() || **seen_ == *now);
  seen_ = now;
  if (!settled) {
    found_.clear();
    told_.clear();
    return {.unsettled = true};
  }
  if (!now.ok()) return Wrong(std::string(now.status().message()), at_once);
  absl::StatusOr<TlsSet> set = CheckTls(files_, *std::move(now));
  if (!set.ok()) return Wrong(std::string(set.status().message()), at_once);
  in_force_ = set->texts;
  seen_.reset();
  found_.clear();
  told_.clear();
  return {.taken = *std::move(set)};
}

TlsFileWatch::News TlsFileWatch::Wrong(std::string problem, bool at_once) {
  const bool first = std::exchange(found_, problem) != problem;
  if (!at_once && (first || told_ == problem)) return {};
  told_ = problem;
  return {.problem = std::move(problem)};
}

}  // namespace sluice
