// A wire format for tests of the engine: one event a line, readable in a test.
//   model M | role | text T | think T | call ID NAME | args T | extras T
//   sound BYTES | cite URL
//   usage IN OUT | end | whole (only the stream's end is missing) | done | fail KIND message…
// An error body is "KIND message…"; empty: by its status.
#ifndef SLUICE_TESTS_SUPPORT_LINE_FORMAT_H_
#define SLUICE_TESTS_SUPPORT_LINE_FORMAT_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/codec/wire_format.h"

namespace sluice {

class LineFormat : public WireFormat {
 public:
  explicit LineFormat(std::string name = "line") : name_(std::move(name)) {}

  std::string_view name() const override { return name_; }
  absl::StatusOr<EncodedRequest> EncodeChat(const v1::ChatRequest& request, std::string_view model, const Dialect& dialect) const override;
  std::vector<std::pair<std::string, std::string>> AuthHeaders(std::string_view secret) const override;
  std::unique_ptr<ResponseDecoder> NewDecoder(const AnswerOptions& limits) const override;
  UpstreamError ReadError(int http_status, std::string_view body) const override;

  mutable int encoded = 0;  // calls of EncodeChat
  bool refuses_requests = false;

 private:
  std::string name_;
};

// By FailureTraits.name; kServerError for an unknown one.
FailureKind KindNamed(std::string_view name);

}  // namespace sluice

#endif  // SLUICE_TESTS_SUPPORT_LINE_FORMAT_H_
