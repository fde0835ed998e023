#include "proto/listen/shortage.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/listen/descriptor_budget.h"

namespace sluice {
namespace {

// Whoever was turned away comes again: a second without anybody shows that it is
// over, and a load around the limit does not fill the log.
constexpr absl::Duration kSettled = absl::Seconds(1);

std::string Lasted(absl::Duration duration) {
  if (duration < absl::Seconds(1)) return absl::StrCat(absl::ToInt64Milliseconds(duration), " ms");
  return absl::StrCat(WithThousands(absl::ToInt64Seconds(duration)), " s");
}

}  // namespace

std::string Shortage::Meet(absl::Time now, int64_t in_use, int64_t limit, std::string_view of) {
  last_ = now;
  if (!line_.empty()) return {};
  since_ = now;
  refused_ = 0;
  line_ = absl::StrCat("descriptors: ", WithThousands(in_use), " of ", WithThousands(limit), of.empty() ? "" : " ",
                       std::string(of), " in use; ", effect_);
  return line_;
}

std::string Shortage::Look(absl::Time now) {
  if (line_.empty() || now - last_ < kSettled) return {};
  line_.clear();
  const std::string_view plural = refused_ == 1 ? " was" : "s were";
  return absl::StrCat("descriptors: well again after ", Lasted(last_ - since_), ", ", WithThousands(refused_), " ",
                      whom_, std::string(plural), " refused");
}

}  // namespace sluice
