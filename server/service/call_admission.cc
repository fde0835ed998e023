#include "server/service/call_admission.h"

#include <grpc/support/time.h>

#include <algorithm>
#include <set>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/resilience/hash_ring.h"
#include "proto/status/bounded_text.h"
#include "server/engine/trace_context.h"

namespace sluice {
namespace {

// gRPC counts a call's time in whole milliseconds, upwards: one that came with a
// timeout of 1 ns has 1 ms left. What may be over is over, and sends nothing.
constexpr Duration kDeadlineRounding = absl::Milliseconds(1);
// Models told to a caller who asked for an unknown one.
constexpr size_t kMaxModelsNamed = 10;
constexpr size_t kMaxNameBytes = 64;
constexpr std::string_view kTenantKey = "sluice-tenant";
constexpr std::string_view kRouteKey = "sluice-route";
// Room for a UUID with a prefix, and for what job systems make up.
constexpr size_t kMaxIdempotencyKeyBytes = 255;

CallError Refuse(FailureKind kind, absl::StatusCode code, std::string_view reason, std::string message,
                 std::string_view field = {}) {
  CallError error;
  error.kind = kind;
  error.grpc_code = static_cast<int>(code);
  error.reason = std::string(reason);
  error.message = std::move(message);
  error.field = std::string(field);
  return error;
}

CallError NoConfiguration() {
  return Refuse(FailureKind::kShed, absl::StatusCode::kUnavailable, "NO_CONFIGURATION",
                "this data plane has no policies yet");
}

std::string ModelsOnOffer(const CallerMetadata& metadata, const RouteTable& table) {
  v1::ListModelsResponse models = ModelsFor(metadata, table);
  if (models.models_size() == 0) return "no model is on offer by name";
  std::vector<std::string> names;
  for (const v1::Model& model : models.models()) {
    if (names.size() == kMaxModelsNamed) break;
    names.push_back(BoundedText(model.name(), kMaxNameBytes));
  }
  size_t left = static_cast<size_t>(models.models_size()) - names.size();
  return absl::StrCat("on offer: ", absl::StrJoin(names, ", "), left > 0 ? absl::StrCat(" and ", left, " more") : "");
}

CallError UnknownModel(std::string_view model, const CallerMetadata& metadata, const RouteTable& table) {
  return Refuse(FailureKind::kCaller, absl::StatusCode::kNotFound, "MODEL_NOT_FOUND",
                absl::StrCat("model \"", BoundedText(model, kMaxNameBytes), "\" is not known; ",
                             ModelsOnOffer(metadata, table)),
                "model");
}

CallError UnknownRoute(std::string_view route) {
  return Refuse(FailureKind::kCaller, absl::StatusCode::kNotFound, "ROUTE_NOT_FOUND",
                absl::StrCat("sluice-route: route \"", BoundedText(route, kMaxNameBytes), "\" does not exist"));
}

std::shared_ptr<const RouteConfig> Match(const RouteTable& table, std::string_view model,
                                         const CallerMetadata& metadata) {
  auto lookup = [&metadata](std::string_view key) { return metadata.Get(key); };
  return table.Match(model, metadata.Get(kTenantKey), lookup);
}

// A caller without a trace gets one by the call's id, so that its attempts can be
// found at the upstreams all the same.
void ReadTrace(const CallerMetadata& metadata, CallParams* params) {
  params->trace = ParseTraceparent(metadata.Get("traceparent"));
  if (!params->trace) params->trace = TraceContext{params->info.call_id, "", 0};
  params->info.trace_id = params->trace->trace_id;
}

}  // namespace

std::optional<std::string_view> CallerMetadata::Find(std::string_view key) const {
  const auto& metadata = context_.client_metadata();
  auto it = metadata.find(grpc::string_ref(key.data(), key.size()));
  if (it == metadata.end()) return std::nullopt;
  return std::string_view(it->second.data(), it->second.size());
}

std::string NewCallId(Random& random) {
  const uint64_t high = random.Next();
  const uint64_t low = random.Next();
  return absl::StrCat(absl::Hex(high, absl::kZeroPad16), absl::Hex(low, absl::kZeroPad16));
}

TimePoint DeadlineOf(gpr_timespec deadline, TimePoint now) {
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) return absl::InfiniteFuture();
  gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  Duration remaining = absl::Seconds(left.tv_sec) + absl::Nanoseconds(left.tv_nsec);
  // Some clients write "no deadline" as one in many years.
  if (remaining > absl::Hours(24 * 365)) return absl::InfiniteFuture();
  if (remaining <= kDeadlineRounding) remaining = std::min(remaining, absl::ZeroDuration());
  return now + remaining;
}

void Welcome(const CallTraits& traits, const CallerMetadata& metadata, Random& random, CallParams* params) {
  params->info.call_id = NewCallId(random);
  params->info.operation = std::string(traits.operation);
  params->info.streaming = traits.streaming;
  params->info.model_label = "other";
  params->info.tenant = std::string(metadata.Get(kTenantKey));
  ReadTrace(metadata, params);
}

std::optional<CallError> FindRoute(std::string_view model, const CallerMetadata& metadata, const RouteTable* table,
                                   CallParams* params) {
  if (table == nullptr) return NoConfiguration();
  std::string_view route = metadata.Get(kRouteKey);
  params->route = route.empty() ? Match(*table, model, metadata) : table->Find(route);
  if (params->route == nullptr) return route.empty() ? UnknownModel(model, metadata, *table) : UnknownRoute(route);
  params->info.route = params->route->name;
  if (params->route->model != "*") params->info.model_label = params->route->model;
  return std::nullopt;
}

std::optional<uint64_t> AffinityOf(const RouteConfig& route, const CallRequest& request,
                                   const CallerMetadata& metadata) {
  if (!route.affinity) return std::nullopt;
  std::string prefix;
  std::string_view subject;
  if (!route.affinity->metadata_key.empty()) {
    subject = metadata.Get(route.affinity->metadata_key);
  } else {
    prefix = request.PromptPrefix(route.affinity->prompt_prefix_bytes);
    subject = prefix;
  }
  if (subject.empty()) return std::nullopt;
  return StableHash(subject);
}

std::optional<CallError> CheckIdempotencyKey(std::string_view key) {
  const bool visible = std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (visible && !key.empty() && key.size() <= kMaxIdempotencyKeyBytes) return std::nullopt;
  return Refuse(FailureKind::kCaller, absl::StatusCode::kInvalidArgument, "INVALID_IDEMPOTENCY_KEY",
                absl::StrCat("idempotency-key: \"", BoundedText(key, kMaxNameBytes), "\" of ", key.size(),
                             " bytes; must be 1 to ", kMaxIdempotencyKeyBytes, " visible ASCII characters"));
}

std::string ScopedKey(std::string_view tenant, std::string_view method, std::string_view key) {
  // Lengths keep the borders: a tenant is any text.
  return absl::StrCat(tenant.size(), ":", std::string(tenant), std::string(method), "/", std::string(key));
}

CallError KeyReused(std::string_view key) {
  return Refuse(FailureKind::kCaller, absl::StatusCode::kAlreadyExists, "IDEMPOTENCY_KEY_REUSED",
                absl::StrCat("idempotency-key: \"", BoundedText(key, kMaxNameBytes),
                             "\" was sent with another request; a new request needs a key of its own"));
}

CallError AnswerNotKept(std::string_view key, size_t max_bytes) {
  return Refuse(FailureKind::kCaller, absl::StatusCode::kFailedPrecondition, "IDEMPOTENCY_ANSWER_NOT_KEPT",
                absl::StrCat("idempotency-key: \"", BoundedText(key, kMaxNameBytes),
                             "\" has run or runs, and its answer is too large to be kept (over ", max_bytes,
                             " bytes, --idempotency-max-entry); a new key would run the request again"));
}

v1::ListModelsResponse ModelsFor(const CallerMetadata& metadata, const RouteTable& table) {
  std::set<std::string_view> seen;
  v1::ListModelsResponse response;
  for (const auto& route : table.routes()) {
    if (route->model == "*" || !seen.insert(route->model).second) continue;
    auto match = Match(table, route->model, metadata);
    if (match == nullptr || match->model != route->model) continue;
    v1::Model* model = response.add_models();
    if (match->offer != nullptr) *model = *match->offer;
    model->set_name(route->model);
    model->set_route(match->name);
  }
  std::sort(response.mutable_models()->begin(), response.mutable_models()->end(),
            [](const v1::Model& a, const v1::Model& b) { return a.name() < b.name(); });
  return response;
}

}  // namespace sluice
