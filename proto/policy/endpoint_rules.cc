#include "proto/policy/endpoint_rules.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "proto/policy/forms.h"
#include "proto/policy/wording.h"

namespace sluice {
namespace {

// The same for two ways to write one url.
std::string UrlKey(const UrlParts& url) {
  return absl::StrCat(url.scheme, "://", url.host, ":", url.port, url.path);
}

// What calls put behind the url by themselves. Not /models: a provider serves
// its whole API below that name.
constexpr absl::string_view kOperations[] = {"/chat/completions", "/completions", "/embeddings", "/responses"};

// A url copied from a provider's example, whole, would be called as
// …/chat/completions/chat/completions.
void CheckIsBase(absl::string_view written, const std::string& path, Violations& out) {
  absl::string_view base = written;
  while (absl::ConsumeSuffix(&base, "/")) {
  }
  for (const absl::string_view operation : kOperations) {
    if (!absl::EndsWithIgnoreCase(base, operation)) continue;
    base.remove_suffix(operation.size());
    while (absl::ConsumeSuffix(&base, "/")) {
    }
    return out.Add(path, "BAD_FORM",
                   absl::StrCat(Shown(written), " ends with ", operation,
                                ", which every call puts behind the url by itself; write the base: ", Shown(base)),
                   std::string(base));
  }
}

// Endpoint names become labels of metrics and parts of "upstream/endpoint".
bool IsEndpointName(absl::string_view name) {
  return name.size() <= 128 && std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  absl::string_view("._-:[]").find(c) != absl::string_view::npos;
         });
}

class EndpointChecker {
 public:
  EndpointChecker(const std::string& path, Violations& out) : path_(path), out_(out) {}

  void Check(const v1::Endpoint& endpoint, int index) {
    const std::string at = IndexPath(path_, index);
    if (!IsEndpointName(endpoint.name())) {
      out_.Add(FieldPath(at, "name"), "BAD_FORM",
               absl::StrCat(Shown(endpoint.name()),
                            " is not an endpoint's name; use up to 128 letters, digits, '.', "
                            "'_', '-' and ':'"));
    }
    const auto url = ParseUrl(endpoint.url());
    if (url.ok()) {
      CheckIsBase(endpoint.url(), FieldPath(at, "url"), out_);
      const auto [place, added] = urls_.emplace(UrlKey(*url), index);
      if (!added) {
        out_.Add(FieldPath(at, "url"), "DUPLICATE",
                 absl::StrCat("is the url of ", IndexPath(path_, place->second),
                              " too; raise that one's weight instead"));
        return;
      }
    }
    const std::string name =
        !endpoint.name().empty() || !url.ok() ? endpoint.name() : HostPort(*url);
    if (!name.empty()) CheckName(name, endpoint.name().empty(), index);
  }

 private:
  void CheckName(const std::string& name, bool implied, int index) {
    const auto [place, added] = names_.emplace(name, index);
    if (added) return;
    out_.Add(FieldPath(IndexPath(path_, index), "name"), "DUPLICATE",
             absl::StrCat(Shown(name), implied ? ", taken from the url, is" : " is",
                          " the name of ", IndexPath(path_, place->second),
                          " too; name it otherwise"));
  }

  const std::string& path_;
  Violations& out_;
  std::map<std::string, int> urls_;
  std::map<std::string, int> names_;
};

}  // namespace

void CheckEndpoints(const google::protobuf::RepeatedPtrField<v1::Endpoint>& endpoints,
                    const std::string& path, Violations& out) {
  EndpointChecker checker(path, out);
  for (int i = 0; i < endpoints.size(); ++i) checker.Check(endpoints[i], i);
  const bool any = std::any_of(endpoints.begin(), endpoints.end(), [](const v1::Endpoint& e) {
    return !e.has_weight() || e.weight() > 0;
  });
  if (!any && !endpoints.empty()) {
    out.Add(path, "CONFLICT",
            "every weight is 0; give one endpoint a weight, or set state: draining to drain it");
  }
}

}  // namespace sluice
