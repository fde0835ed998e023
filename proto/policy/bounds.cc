#include "proto/policy/bounds.h"

#include "absl/strings/str_cat.h"

#include "proto/policy/wording.h"

namespace sluice {
namespace {

std::string Text(absl::Duration value) { return FormatDurationText(value); }
std::string Text(std::uint64_t value) { return absl::StrCat(value); }

template <typename T>
void CheckPart(const Written<T>& part, const Written<T>& whole, const std::string& path, Violations& out) {
  if (!part.value || !whole.value || *part.value <= *whole.value) return;
  const std::string bound = Text(*whole.value);
  out.Add(FieldPath(path, part.name), "CONFLICT",
          absl::StrCat(Text(*part.value), " is above ", whole.name, " (", bound, "); must be <= ", whole.name),
          bound);
}

}  // namespace

void CheckWithin(const WrittenTime& part, const WrittenTime& whole, const std::string& path, Violations& out) {
  CheckPart(part, whole, path, out);
}

void CheckWithin(const WrittenCount& part, const WrittenCount& whole, const std::string& path, Violations& out) {
  CheckPart(part, whole, path, out);
}

void CheckCap(const WrittenTime& low_written, absl::Duration low, const WrittenTime& high_written,
              absl::Duration high, const std::string& path, Violations& out) {
  if (high >= low) return;
  const std::string low_text = FormatDurationText(low);
  const std::string high_text = FormatDurationText(high);
  if (high_written.value) {
    out.Add(FieldPath(path, high_written.name), "CONFLICT",
            absl::StrCat(high_text, " is below ", low_written.name, " (", low_text,
                         low_written.value ? "" : ", the default", "); must be >= ", low_written.name),
            low_text);
  } else {
    out.Add(FieldPath(path, low_written.name), "CONFLICT",
            absl::StrCat(low_text, " is above ", high_written.name, " (", high_text,
                         ", the default); must be <= ", high_written.name),
            high_text);
  }
}

}  // namespace sluice
