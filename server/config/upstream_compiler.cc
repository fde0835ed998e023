#include "server/config/upstream_compiler.h"

#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/policy/defaults.h"
#include "proto/policy/duration_text.h"
#include "server/config/dialect_compiler.h"
#include "server/config/endpoint_url.h"
#include "server/config/protection_compiler.h"
#include "server/engine/endpoint_index.h"

namespace sluice {
namespace {

class UpstreamCompiler {
 public:
  UpstreamCompiler(const v1::Resource& upstream, const UpstreamContext& context)
      : name_(upstream.meta().name()), written_(upstream.upstream()), context_(context), spec_(written_) {
    // Defaults fill only the messages that are there.
    spec_.mutable_pool();
    FillDefaults(spec_);
  }

  std::shared_ptr<const UpstreamConfig> Compile() {
    auto out = std::make_shared<UpstreamConfig>();
    out->name = name_;
    CheckFormat(*out);
    ResolveCredentials(*out);
    ReadAuthorities(*out);
    CheckProxy();
    for (const auto& [key, value] : spec_.headers()) out->headers.emplace_back(key, value);
    CompileProtection(*out);
    out->context_tokens = spec_.context_tokens();
    out->state = context_.states.upstreams.Get(name_);
    CompileEndpoints(*out);
    out->dialect = CompileDialect(spec_.dialect(), out->endpoints.empty() ? "" : out->endpoints.front().http->host);
    // It is of use only to a table that goes in force.
    if (context_.violations.empty()) out->index = EndpointIndex::Make(*out);
    return out;
  }

 private:
  void Refuse(std::string_view kind, const std::string& name, std::string path, std::string code, std::string message) {
    v1::Violation& violation = context_.violations.emplace_back();
    violation.mutable_resource()->set_kind(std::string(kind));
    violation.mutable_resource()->set_name(name);
    violation.set_path(std::move(path));
    violation.set_code(std::move(code));
    violation.set_message(std::move(message));
  }
  void Refuse(std::string path, std::string code, std::string message) {
    Refuse("Upstream", name_, std::move(path), std::move(code), std::move(message));
  }

  void CheckFormat(UpstreamConfig& out) {
    switch (spec_.format()) {
      case v1::WIRE_FORMAT_OPENAI: out.format = &OpenAiFormat(); return;
      default: Refuse("format", "NOT_SERVED", "this data plane serves OPENAI only");
    }
  }

  // At least one, if only the empty one.
  void ResolveCredentials(UpstreamConfig& out) {
    if (spec_.credentials().empty()) return ResolveCredential(spec_.credential(), "credential", out);
    for (int i = 0; i < spec_.credentials_size(); ++i) {
      ResolveCredential(spec_.credentials(i), absl::StrCat("credentials[", i, "]"), out);
    }
  }

  void ResolveCredential(const std::string& name, std::string path, UpstreamConfig& out) {
    CredentialConfig& credential = out.credentials.emplace_back();
    if (name.empty()) return;
    credential.name = name;
    auto secret = context_.files.Secret(name);
    if (secret.ok()) {
      credential.secret = *std::move(secret);
    } else {
      Refuse(std::move(path), "CREDENTIAL", std::string(secret.status().message()));
    }
  }

  // From what was written: each knows which defaults yield.
  void CompileProtection(UpstreamConfig& out) const {
    const PolicySet& policies = context_.policies;
    out.balance = CompileBalance(written_.balance());
    out.breaker = CompileBreaker(policies.BreakerOf(written_).OrDefaults());
    if (written_.has_overall_circuit_breaker()) {
      out.overall_breaker = CompileBreaker(policies.OverallBreakerOf(written_).OrDefaults());
    }
    if (written_.has_limits()) out.limits = CompileLimits(written_.limits());
    if (written_.has_outlier_detection()) out.outlier = CompileOutlier(written_.outlier_detection());
    if (written_.has_health_check()) out.health_check = CompileHealthCheck(written_.health_check());
    if (written_.has_throttle()) out.throttle = CompileThrottle(written_.throttle());
  }

  void ReadAuthorities(UpstreamConfig& out) {
    const std::string& file = spec_.tls().ca_file();
    if (file.empty()) return;
    auto authorities = context_.files.AuthoritiesOf(file);
    if (!authorities.ok()) {
      return Refuse("tls.ca_file", absl::IsNotFound(authorities.status()) ? "UNREADABLE_FILE" : "BAD_FILE",
                    absl::StrCat("\"", file, "\" on this data plane ", authorities.status().message()));
    }
    out.ca_file = file;
    out.authorities = *std::move(authorities);
  }

  // Without TLS a proxy sees the secret too.
  void CheckProxy() {
    if (spec_.proxy().empty()) return;
    auto url = ParseEndpointUrl(spec_.proxy());
    if (!url.ok()) return Refuse("proxy", "BAD_FORM", std::string(url.status().message()));
    CheckHost(*url, "Upstream", name_, "proxy");
  }

  void CheckHost(const EndpointUrl& url, std::string_view kind, const std::string& name, std::string path) {
    if (HostAllowed(context_.allowed_hosts, url.host, url.port)) return;
    Refuse(kind, name, std::move(path), "HOST_NOT_ALLOWED",
           absl::StrCat("host \"", url.HostPort(), "\" is not among those that this data plane may call (",
                        absl::StrJoin(context_.allowed_hosts, ", "), ")"));
  }

  void CompileEndpoints(UpstreamConfig& out) {
    const bool listed = !spec_.endpoint_list().empty();
    const std::string_view kind = listed ? "EndpointList" : "Upstream";
    const std::string& holder = listed ? spec_.endpoint_list() : name_;
    v1::EndpointList list;
    *list.mutable_endpoints() = context_.policies.EndpointsOf(spec_);
    FillDefaults(list);
    for (int i = 0; i < list.endpoints_size(); ++i) AddEndpoint(list.endpoints(i), kind, holder, i, out);
  }

  void AddEndpoint(const v1::Endpoint& endpoint, std::string_view kind, const std::string& holder, int index,
                   UpstreamConfig& out) {
    const std::string path = absl::StrCat("endpoints[", index, "].url");
    auto url = ParseEndpointUrl(endpoint.url());
    if (!url.ok()) return Refuse(kind, holder, path, "BAD_FORM", std::string(url.status().message()));
    CheckHost(*url, kind, holder, path);
    EndpointConfig config;
    config.name = endpoint.name().empty() ? url->HostPort() : endpoint.name();
    config.weight = endpoint.weight();
    config.priority = endpoint.priority();
    config.active = endpoint.state() == v1::ENDPOINT_STATE_ACTIVE;
    config.same_zone = !context_.zone.empty() && endpoint.zone() == context_.zone;
    const EndpointIdentity identity{name_, config.name, endpoint.url()};
    config.state = context_.states.endpoints.Get(identity, context_.now);
    for (const CredentialConfig& credential : out.credentials) {
      const size_t secret_hash = std::hash<std::string>()(credential.secret);
      config.cooldowns.push_back(context_.states.cooldowns.Get({identity, credential.name, secret_hash}));
    }
    config.http = HttpOf(*std::move(url), config.active, out.authorities);
    out.endpoints.push_back(std::move(config));
  }

  std::shared_ptr<const HttpEndpoint> HttpOf(EndpointUrl url, bool active,
                                             std::shared_ptr<const Authorities> authorities) const {
    auto http = std::make_shared<HttpEndpoint>();
    http->tls = url.tls;
    http->host = std::move(url.host);
    http->port = url.port;
    http->base_path = std::move(url.base_path);
    http->authorities = std::move(authorities);
    http->server_name = spec_.tls().server_name();
    http->proxy = spec_.proxy();
    http->pool.max_open = spec_.pool().max_open();
    http->pool.max_idle = spec_.pool().max_idle();
    http->pool.max_idle_time = ToAbsl(spec_.pool().max_idle_time());
    http->pool.max_lifetime = ToAbsl(spec_.pool().max_lifetime());
    http->pool.resolve_every = ToAbsl(spec_.pool().resolve_every());
    http->keep_idle = active;
    return http;
  }

  const std::string& name_;
  const v1::Upstream& written_;
  const UpstreamContext& context_;
  v1::Upstream spec_;  // with defaults
};

}  // namespace

std::shared_ptr<const UpstreamConfig> CompileUpstream(const v1::Resource& upstream, const UpstreamContext& context) {
  return UpstreamCompiler(upstream, context).Compile();
}

}  // namespace sluice
