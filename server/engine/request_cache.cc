#include "server/engine/request_cache.h"

#include <utility>

#include "absl/strings/match.h"

namespace sluice {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

void SetHeader(Headers& headers, std::string name, std::string value) {
  std::erase_if(headers, [&](const auto& header) { return absl::EqualsIgnoreCase(header.first, name); });
  headers.emplace_back(std::move(name), std::move(value));
}

// Without a credential none: an empty one is refused by proxies that look at it.
Headers AuthHeadersOf(const UpstreamConfig& upstream, size_t credential) {
  const std::string& secret = upstream.credentials[credential].secret;
  return secret.empty() ? Headers() : upstream.format->AuthHeaders(secret);
}

}  // namespace

std::string_view RequestCache::ModelAt(const TargetConfig& target) const {
  return target.model.empty() ? request_.model() : target.model;
}

FormParts RequestCache::FormAt(const TargetConfig& target) const {
  return target.upstream->state->forms().Of(ModelAt(target));
}

const RequestCache::Encoded& RequestCache::Get(const TargetConfig& target, FormParts refused) {
  const WireFormat* format = target.upstream->format;
  const Dialect& dialect = target.upstream->dialect;
  const std::string_view model = ModelAt(target);
  for (const Encoded& encoded : encoded_) {
    if (encoded.format == format && encoded.model == model && encoded.refused == refused &&
        *encoded.dialect == dialect) {
      return encoded;
    }
  }
  Encoded& fresh = encoded_.emplace_back(Encoded{format, std::string(model), &dialect, refused, {}, {}, {}, {}});
  absl::StatusOr<EncodedRequest> result =
      refused.empty() ? request_.Encode(*format, model, dialect)
                      : request_.Encode(*format, model, Without(refused, dialect));
  fresh.status = result.status();
  if (!result.ok()) return fresh;
  fresh.path = std::move(result->path);
  fresh.headers = std::move(result->headers);
  fresh.body = std::make_shared<const std::string>(std::move(result->body));
  return fresh;
}

absl::Status RequestCache::Prepare(const TargetConfig& target) { return Get(target, FormAt(target)).status; }

bool RequestCache::Differ(const TargetConfig& target, FormParts one, FormParts other) {
  const Encoded& first = Get(target, one);
  const Encoded& second = Get(target, other);
  return first.status.ok() && second.status.ok() && *first.body != *second.body;
}

HttpRequest RequestCache::Build(const Plan& plan, FormParts refused, std::string_view traceparent) {
  const UpstreamConfig& upstream = *plan.target->upstream;
  const Encoded& encoded = Get(*plan.target, refused);
  HttpRequest request;
  request.endpoint = plan.endpoint->http;
  request.path = encoded.path;
  request.body = encoded.body;
  Headers auth = AuthHeadersOf(upstream, plan.credential);
  request.headers.reserve(encoded.headers.size() + auth.size() + upstream.headers.size() + 1);
  request.headers = encoded.headers;
  for (auto& [name, value] : auth) SetHeader(request.headers, std::move(name), std::move(value));
  if (!traceparent.empty()) SetHeader(request.headers, "traceparent", std::string(traceparent));
  for (const auto& [name, value] : upstream.headers) SetHeader(request.headers, name, value);
  return request;
}

}  // namespace sluice
