#include "controlplane/admin/change_words.h"

#include <algorithm>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "controlplane/admin/rpc_status.h"
#include "proto/policy/duration_text.h"
#include "proto/policy/kinds.h"
#include "proto/status/bounded_text.h"

namespace sluice {
namespace {

// A line is read by people: what is in it is bounded, part by part.
constexpr int kMaxFields = 4;
constexpr int kMaxChanges = 5;
constexpr size_t kMaxValue = 80;
constexpr size_t kMaxWords = 256;
// The newest changes that a conflict tells; the history has the rest.
constexpr int kMaxConflicts = 2;
constexpr int kLookedAt = 100;

std::string Value(const std::string& value) { return value.empty() ? "(not set)" : BoundedText(value, kMaxValue); }

std::string By(const std::string& author) {
  return author.empty() ? "" : absl::StrCat(" by ", BoundedText(author, kMaxWords));
}

std::string WhoAndWhy(const v1::Revision& revision) {
  std::string why = revision.reason();
  if (revision.rollback_of() != 0) {
    why = absl::StrCat("rollback to ", revision.rollback_of(), why.empty() ? "" : ": ", why);
  }
  return absl::StrCat("revision ", revision.revision(), By(revision.author()),
                      why.empty() ? "" : absl::StrCat(" (", BoundedText(why, kMaxWords), ")"));
}

std::string More(int count) { return count > 0 ? absl::StrCat(" and ", count, " more") : ""; }

// The change of that one resource in the revision.
std::string WordsOf(const v1::Revision& revision, const ResourceKey& key) {
  for (const v1::Change& change : revision.changes()) {
    if (change.resource().kind() == key.kind && change.resource().name() == key.name) return ChangeWords(change);
  }
  return "";
}

// The revision that the etag was made by, where it is one of this store's.
uint64_t RevisionOfEtag(const std::string& etag, const std::string& epoch) {
  const std::string prefix = absl::StrCat(epoch.substr(0, 8), "-");
  absl::string_view rest = etag;
  uint64_t revision = 0;
  return absl::ConsumePrefix(&rest, prefix) && absl::SimpleAtoi(rest, &revision) ? revision : 0;
}

// To the second; nobody reads more.
std::string Ago(const v1::Revision& revision, absl::Time now) {
  const absl::Duration age = absl::Trunc(now - ToAbsl(revision.created()), absl::Seconds(1));
  return absl::StrCat(FormatDurationText(std::max(age, absl::ZeroDuration())), " ago");
}

// What changed the resource after the revision `read`; 0: of that nothing is
// known, and only the newest change is sure to be later.
std::string Meanwhile(Store& store, const ResourceKey& key, uint64_t read, absl::Time now) {
  absl::StatusOr<std::vector<v1::Revision>> history = store.History({.resource = key, .limit = kLookedAt});
  if (!history.ok() || history->empty()) return "it is not there, and no change of it is known";
  std::vector<std::string> told;
  int more = 0;
  for (const v1::Revision& revision : *history) {
    if (!told.empty() && (read == 0 || revision.revision() <= read)) break;
    if (static_cast<int>(told.size()) == kMaxConflicts) {
      ++more;
    } else {
      told.push_back(absl::StrCat(WhoAndWhy(revision), ", ", Ago(revision, now), ": ", WordsOf(revision, key)));
    }
  }
  return absl::StrCat(absl::StrJoin(told, "; "), More(more));
}

}  // namespace

std::string ChangeWords(const v1::Change& change) {
  std::string text = ResourceId(change.resource().kind(), change.resource().name());
  if (change.action() == v1::CHANGE_ACTION_CREATED) return absl::StrCat(text, " created");
  if (change.action() == v1::CHANGE_ACTION_DELETED) return absl::StrCat(text, " deleted");
  std::vector<std::string> fields;
  for (const v1::FieldChange& field : change.fields()) {
    if (static_cast<int>(fields.size()) == kMaxFields) break;
    fields.push_back(absl::StrCat(BoundedText(field.path(), kMaxWords), ": ", Value(field.before()), " -> ",
                                  Value(field.after())));
  }
  return absl::StrCat(text, " ", absl::StrJoin(fields, ", "), More(change.fields_size() - kMaxFields));
}

std::string RevisionWords(const v1::Revision& revision) {
  std::vector<std::string> changes;
  for (const v1::Change& change : revision.changes()) {
    if (static_cast<int>(changes.size()) == kMaxChanges) break;
    changes.push_back(ChangeWords(change));
  }
  return absl::StrCat(WhoAndWhy(revision), ": ", absl::StrJoin(changes, "; "),
                      More(revision.changes_size() - kMaxChanges));
}

std::string RefusalWords(const std::string& method, const std::string& author, const grpc::Status& status) {
  return absl::StrCat(method, By(author), " refused: ",
                      absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code())), ": ",
                      BoundedText(status.error_message(), 4 * kMaxWords));
}

grpc::Status EtagConflict(Store& store, const ResourceKey& key, const std::string& etag, absl::Time now) {
  return MakeStatus(grpc::StatusCode::ABORTED,
                    absl::StrCat(ResourceId(key.kind, key.name), ": etag \"", BoundedText(etag, kMaxValue),
                                 "\" is out of date: ", Meanwhile(store, key, RevisionOfEtag(etag, store.epoch()), now),
                                 "; read it again"));
}

}  // namespace sluice
