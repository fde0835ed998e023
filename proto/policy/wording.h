// How values and names are shown in messages to people: quoted, bounded, and
// with a suggestion where one is near. Used inside proto/policy and by sluicectl;
// any thread.
#ifndef SLUICE_PROTO_POLICY_WORDING_H_
#define SLUICE_PROTO_POLICY_WORDING_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace sluice {

// In double quotes, control characters escaped, cut after 64 characters.
std::string Shown(absl::string_view value);

// What may be a pasted secret: its first 4 characters and its length
// ("sk-a… (51 characters)").
std::string Masked(absl::string_view secret);

// "a, b or c".
std::string AnyOf(const std::vector<std::string>& names);

// Levenshtein distance, a swap of neighbours counting 1.
std::size_t EditDistance(absl::string_view a, absl::string_view b);

// The nearest of `known`, or "" when none is near (a third of its length at
// most). Letter case does not count.
std::string Nearest(absl::string_view name, const std::vector<std::string>& known);

// `; did you mean "x"?`, or the known names where none is near and they are
// few, or "".
std::string DidYouMean(absl::string_view name, const std::vector<std::string>& known);

// In double quotes, as YAML and JSON both read it.
std::string EscapedQuoted(absl::string_view text);

// Length of the longest prefix that is whole UTF-8.
std::size_t ValidUtf8Prefix(absl::string_view text);

// "a.b", "a[1]", `a["k"]`.
std::string FieldPath(absl::string_view parent, absl::string_view field);
std::string IndexPath(absl::string_view list, std::size_t index);
std::string KeyPath(absl::string_view map, absl::string_view key);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_WORDING_H_
