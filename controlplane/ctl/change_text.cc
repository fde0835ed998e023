#include "controlplane/ctl/change_text.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "controlplane/ctl/session.h"
#include "proto/policy/kinds.h"
#include "proto/terminal/safe_text.h"

namespace sluice::ctl {
namespace {

struct ActionLook {
  const char* mark;
  const char* past;
  Color color;
};

ActionLook LookOf(v1::ChangeAction action) {
  switch (action) {
    case v1::CHANGE_ACTION_CREATED:
      return {"+", "created", Color::kGreen};
    case v1::CHANGE_ACTION_UPDATED:
      return {"~", "updated", Color::kYellow};
    case v1::CHANGE_ACTION_DELETED:
      return {"-", "deleted", Color::kRed};
    case v1::CHANGE_ACTION_UNCHANGED:
      return {" ", "unchanged", Color::kNone};
    default:
      // A newer control plane's action; the name still helps.
      return {"?", "changed", Color::kNone};
  }
}

std::string IdOf(const v1::Change& change) {
  return SafeLine(ResourceId(change.resource().kind(), change.resource().name()));
}

void PrintFields(const v1::Change& change, const char* indent, std::ostream& out) {
  for (const v1::FieldChange& field : change.fields()) {
    out << indent
        << SafeLine(absl::StrCat(field.path(), ": ", field.before().empty() ? "(not set)" : field.before(), " → ",
                                 field.after().empty() ? "(not set)" : field.after()))
        << "\n";
  }
}

}  // namespace

bool AnyDifference(const Changes& changes) {
  return std::any_of(changes.begin(), changes.end(),
                     [](const v1::Change& change) { return change.action() != v1::CHANGE_ACTION_UNCHANGED; });
}

void PrintResults(const Changes& changes, bool dry_run, std::ostream& out) {
  for (const v1::Change& change : changes) {
    out << IdOf(change) << " " << LookOf(change.action()).past << (dry_run ? " (dry run)" : "") << "\n";
    PrintFields(change, "  ", out);
  }
}

void PrintDiff(const Changes& changes, bool color, std::ostream& out) {
  for (const v1::Change& change : changes) {
    if (change.action() == v1::CHANGE_ACTION_UNCHANGED) continue;
    const ActionLook look = LookOf(change.action());
    out << Paint(absl::StrCat(look.mark, " ", IdOf(change)), look.color, color) << "\n";
    PrintFields(change, "    ", out);
  }
}

std::string Summary(const Changes& changes, int most) {
  std::string text;
  int shown = 0;
  int left = 0;
  for (const v1::Change& change : changes) {
    if (change.action() == v1::CHANGE_ACTION_UNCHANGED) continue;
    if (shown == most) {
      ++left;
      continue;
    }
    absl::StrAppend(&text, shown++ == 0 ? "" : " ", LookOf(change.action()).mark, IdOf(change));
  }
  if (left > 0) absl::StrAppend(&text, " and ", left, " more");
  return text;
}

}  // namespace sluice::ctl
