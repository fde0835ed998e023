#include "server/options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <stdexcept>
#include <vector>

#include "absl/time/time.h"
#include "proto/policy/duration_text.h"
#include "server/config/allow_patterns.h"

namespace sluice {
namespace {

constexpr int kUsageError = 2;

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 && name[0] != '\0' ? name : "sluice-server";
}

// What the flags give, before it is looked at as a whole.
struct Flags {
  std::string reload_interval = "5s";
  std::string control_plane_ca;
  bool control_plane_tls = false;
  std::string drain_grace = "10s";
  std::string drain_timeout = "30s";
  std::string min_ping_interval = "5s";
  std::string handshake_timeout = "10s";
  std::string shed_at_lag = "1s";
  std::string idempotency_ttl = "10m";
  std::string keep_series = "10m";
  std::string log_format = "text";
  std::string call_log = "failures";
  std::vector<std::string> labels;
  bool node_id_given = false;
};

void AddConnectionFlags(CLI::App& app, ServerOptions& options, Flags& flags) {
  app.add_option("--max-connections", options.max_connections,
                 "Connections of callers at a time; more wait, and are refused after 5 s. 0: half of what the limit of "
                 "file descriptors (ulimit -n) leaves; upstream connections get the rest")
      ->check(CLI::Range(int64_t{0}, int64_t{10000000}))
      ->capture_default_str();
  app.add_option("--handshake-timeout", flags.handshake_timeout,
                 "Connections that send nothing, or have not come to the end of their TLS and HTTP/2 greetings, are "
                 "closed after this")
      ->capture_default_str();
  app.add_option("--min-ping-interval", flags.min_ping_interval,
                 "Callers may ping a connection (keepalive) as often as this, with and without calls; gRPC's clients do "
                 "at most every 10 s")
      ->capture_default_str();
  app.add_option("--max-ping-strikes", options.face.max_ping_strikes,
                 "Pings before that time, with no data of ours in between, that cost no connection; 0: any")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
}

void AddFaceFlags(CLI::App& app, ServerOptions& options, Flags& flags) {
  app.add_option("--listen", options.face.listen,
                 "Address for callers, HOST:PORT; port 0 takes a free one. On loopback by default: the gateway spends "
                 "money and callers are not authenticated yet")
      ->capture_default_str();
  app.add_option("--metrics-listen", options.metrics_listen,
                 "Address of /metrics, /healthz and /readyz, HOST:PORT; port 0 takes a free one")
      ->capture_default_str();
  app.add_option("--keep-series", flags.keep_series,
                 "How long metrics of deleted routes, upstreams and endpoints stay once they change no more; longer "
                 "than a rollback takes, so that what comes back counts on")
      ->capture_default_str();
  TlsFiles& tls = options.tls.files;
  tls = {{"--tls-cert", ""}, {"--tls-key", ""}, {"--tls-client-ca", ""}};
  app.add_option("--tls-cert", tls.cert.path,
                 "PEM file of the certificate (and its chain) for callers; with --tls-key. Taken anew when the files "
                 "change");
  app.add_option("--tls-key", tls.key.path, "PEM file of its key");
  app.add_option("--tls-client-ca", tls.authorities.path,
                 "PEM file with the authorities of callers' certificates; set: callers must show one");
  app.add_option("--reload-interval", flags.reload_interval,
                 "How often certificates, secrets and CA files are looked at; what changed is taken. SIGHUP looks at "
                 "once")
      ->capture_default_str();
  app.add_option("--max-request-bytes", options.face.max_request_bytes,
                 "Largest request; the default leaves room for images. One that is a quarter larger is not received to its "
                 "end and gets gRPC's own status, without details")
      ->check(CLI::Range(size_t{1024}, size_t{1} << 30))
      ->capture_default_str();
  app.add_option("--max-metadata-bytes", options.face.max_metadata_bytes,
                 "Largest metadata of a call, as HTTP/2 counts it. Four times as much costs a caller its connection")
      ->check(CLI::Range(size_t{8192}, size_t{1} << 20))
      ->capture_default_str();
  app.add_option("--max-concurrent-calls", options.face.max_concurrent_calls,
                 "Calls at a time; more are refused with a time to wait. Each holds an upstream connection and some "
                 "40 KiB")
      ->check(CLI::Range(int64_t{1}, int64_t{10000000}))
      ->capture_default_str();
  app.add_option("--shed-at-lag", flags.shed_at_lag,
                 "Refuse new calls, with a time to wait, while an event loop is later than this; 0s: never")
      ->capture_default_str();
  AddConnectionFlags(app, options, flags);
  app.add_option("--drain-grace", flags.drain_grace,
                 "How long after SIGTERM the port stays open and calls are served as always, while health says "
                 "NOT_SERVING: longer than balancers take to see it. Another SIGTERM skips the rest of it")
      ->capture_default_str();
  app.add_option("--drain-timeout", flags.drain_timeout,
                 "How long running calls may go on after that before they are ended")
      ->capture_default_str();
  app.add_option("--loops", options.loops, "Event loops, a thread each; up to four share one more that waits for callers. 0: one loop a core")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--max-health-checks", options.health.max_concurrent,
                 "Active health checks under way at a time; where more are due they wait for their turn")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
}

void AddMemoryFlags(CLI::App& app, ServerOptions& options, Flags& flags) {
  constexpr size_t kMost = size_t{1} << 40;
  IdempotencyLimits& idempotency = options.face.idempotency;
  app.add_option("--max-request-memory", options.face.max_request_memory,
                 "Bytes (or 512MiB) of the requests of all calls that run; more are refused with a time to wait. What "
                 "is sent upstream takes about as much again")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(size_t{1} << 20, kMost))
      ->capture_default_str();
  app.add_option("--idempotency-ttl", flags.idempotency_ttl,
                 "How long the answer to a call with an idempotency-key is replayed to who sends it again; longer than "
                 "callers' retries take")
      ->capture_default_str();
  app.add_option("--idempotency-memory", idempotency.max_bytes,
                 "Bytes (or 64MiB) of answers kept for that; beyond, the oldest are forgotten before their time")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(size_t{64} << 10, kMost))
      ->capture_default_str();
  app.add_option("--idempotency-max-entry", idempotency.max_entry_bytes,
                 "Largest answer kept for that, in bytes (or 1MiB, some 15,000 tokens); a repeat of a call with a larger "
                 "one is refused")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(size_t{4} << 10, kMost))
      ->capture_default_str();
}

void AddConfigFlags(CLI::App& app, ServerOptions& options, Flags& flags) {
  auto& config = options.config;
  app.add_option("--control-plane", config.subscription.address, "HOST:PORT of the control plane that pushes policies");
  app.add_option("--control-plane-ca", flags.control_plane_ca,
                 "Connect to it with TLS, trusting this PEM file of authorities");
  app.add_flag("--control-plane-tls", flags.control_plane_tls,
               "Connect to it with TLS, trusting the system's authorities");
  app.add_option("--control-plane-cert", config.subscription.cert_file,
                 "PEM file of the certificate to show to a control plane that asks for one; with --control-plane-key");
  app.add_option("--control-plane-key", config.subscription.key_file, "PEM file of its key");
  app.add_option("--policy-file", config.policy_path,
                 "File or folder of policies; serves until the control plane's first update, or alone. Read again when "
                 "it changes and on SIGHUP");
  app.add_option("--node-id", config.subscription.node_id, "This data plane's name in the fleet")
      ->capture_default_str();
  app.add_option("--label", flags.labels, "KEY=VALUE told to the control plane; may be repeated");
  app.add_option("--zone", config.zone,
                 "Where this data plane stands; upstreams with balance.prefer_same_zone prefer endpoints of this zone");
  app.add_option("--state-dir", config.state_dir,
                 "Folder of the last configuration that worked, to start from when no control plane answers; '' keeps "
                 "none")
      ->capture_default_str();
  app.add_option("--allow-credentials", config.allow.credentials,
                 "Credentials that policies may use, patterns like env:*_API_KEY; may be repeated")
      ->capture_default_str();
  app.add_option("--allow-hosts", config.allow.hosts,
                 "Upstream hosts that policies may name, patterns like *.openai.com; may be repeated")
      ->capture_default_str();
}

void AddLogFlags(CLI::App& app, ServerOptions& options, Flags& flags) {
  auto& lines = options.call_log.lines;
  app.add_option("--log-format", flags.log_format, "text or json, on stderr")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  app.add_option("--call-log", flags.call_log,
                 "Lines for calls and attempts in the log, without content. failures: those that did not go through at "
                 "once; all: everything, some 60 GB a day at 1,000 calls/s; off")
      ->check(CLI::IsMember({"off", "failures", "all"}))
      ->capture_default_str();
  app.add_option("--call-log-rate", lines.max_lines_per_second,
                 "Most such lines a second; more are dropped and counted, so that an outage does not fill the disk. 0: "
                 "any")
      ->check(CLI::Range(int64_t{0}, int64_t{10000000}))
      ->capture_default_str();
  app.add_option("--call-log-buffer", lines.max_buffer_bytes,
                 "Bytes of such lines that wait for stderr to take them; more are dropped and counted")
      ->check(CLI::Range(size_t{16} << 10, size_t{1} << 30))
      ->capture_default_str();
}

AttemptLogLevel CallLogLevel(const std::string& name) {
  if (name == "off") return AttemptLogLevel::kOff;
  return name == "all" ? AttemptLogLevel::kAll : AttemptLogLevel::kFailures;
}

void SetLabels(const Flags& flags, ServerOptions& options) {
  for (const std::string& label : flags.labels) {
    size_t equals = label.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw std::invalid_argument("--label: \"" + label + "\" is not KEY=VALUE");
    }
    options.config.subscription.labels[label.substr(0, equals)] = label.substr(equals + 1);
  }
}

void CheckAddress(const std::string& flag, const std::string& address) {
  size_t colon = address.rfind(':');
  bool port = colon != std::string::npos && colon + 1 < address.size() &&
              address.find_first_not_of("0123456789", colon + 1) == std::string::npos && address.size() - colon <= 6 &&
              std::stoi(address.substr(colon + 1)) <= 65535;
  if (!port || colon == 0) {
    throw std::invalid_argument(flag + ": \"" + address + "\" is not HOST:PORT");
  }
}

Duration ReadDuration(const std::string& flag, const std::string& text, Duration least, Duration most,
                      const std::string& range) {
  const absl::StatusOr<Duration> duration = ParseDurationText(text);
  if (!duration.ok()) {
    throw std::invalid_argument(flag + ": " + std::string(duration.status().message()) + "; " + range);
  }
  if (*duration < least || *duration > most) {
    throw std::invalid_argument(flag + ": \"" + text + "\" is not a duration " + range);
  }
  return *duration;
}

void CheckMemory(const FaceOptions& face) {
  if (face.max_request_memory < face.max_request_bytes) {
    throw std::invalid_argument("--max-request-memory: " + std::to_string(face.max_request_memory) +
                                " is below --max-request-bytes (" + std::to_string(face.max_request_bytes) +
                                "): such a request could never be taken");
  }
  if (face.idempotency.max_entry_bytes > face.idempotency.max_bytes) {
    throw std::invalid_argument("--idempotency-max-entry: " + std::to_string(face.idempotency.max_entry_bytes) +
                                " is above --idempotency-memory (" + std::to_string(face.idempotency.max_bytes) + ")");
  }
}

void CheckTls(const TlsFiles& tls) {
  if (tls.cert.given() != tls.key.given()) {
    throw std::invalid_argument("--tls-cert and --tls-key belong together: give both or none");
  }
  if (tls.authorities.given() && !tls.cert.given()) {
    throw std::invalid_argument("--tls-client-ca: needs --tls-cert and --tls-key");
  }
}

// The name of the machine may be none that a fleet can use.
void CheckNodeId(const SubscriptionOptions& subscription, bool given) {
  if (subscription.address.empty() || IsNodeId(subscription.node_id)) return;
  throw std::invalid_argument("--node-id: \"" + subscription.node_id + "\"" + (given ? "" : ", this machine's name,") +
                              " is not 1 to 63 characters of [A-Za-z0-9._-]; give --node-id NAME");
}

void CheckAllowLists(ServerOptions& options) {
  for (const std::string& pattern : options.config.allow.credentials) {
    const absl::Status fit = CheckCredentialPattern(pattern);
    if (!fit.ok()) throw std::invalid_argument("--allow-credentials: " + std::string(fit.message()));
    std::string note = CredentialPatternNote(pattern);
    if (!note.empty()) options.notes.push_back("--allow-credentials: " + std::move(note));
  }
  for (const std::string& pattern : options.config.allow.hosts) {
    const absl::Status fit = CheckHostPattern(pattern);
    if (!fit.ok()) throw std::invalid_argument("--allow-hosts: " + std::string(fit.message()));
  }
}

void Complete(const Flags& flags, ServerOptions& options) {
  auto& subscription = options.config.subscription;
  if (subscription.address.empty() && options.config.policy_path.empty()) {
    throw std::invalid_argument("no policies: give --control-plane HOST:PORT or --policy-file PATH, or both");
  }
  CheckAddress("--listen", options.face.listen);
  CheckAddress("--metrics-listen", options.metrics_listen);
  if (!subscription.address.empty()) CheckAddress("--control-plane", subscription.address);
  CheckTls(options.tls.files);
  CheckNodeId(subscription, flags.node_id_given);
  CheckAllowLists(options);
  options.tls.interval = ReadDuration("--reload-interval", flags.reload_interval, absl::Milliseconds(100),
                                      absl::Hours(24), "from 100ms to 24h (\"5s\")");
  options.config.reload_interval = options.tls.interval;
  subscription.ca_file = flags.control_plane_ca;
  if (subscription.cert_file.empty() != subscription.key_file.empty()) {
    throw std::invalid_argument("--control-plane-cert and --control-plane-key belong together: give both or none");
  }
  subscription.tls = flags.control_plane_tls || !flags.control_plane_ca.empty() || !subscription.cert_file.empty();
  options.face.drain_grace = ReadDuration("--drain-grace", flags.drain_grace, absl::ZeroDuration(), absl::Hours(24),
                                          "from 0s to 24h (\"10s\")");
  options.face.min_ping_interval = ReadDuration("--min-ping-interval", flags.min_ping_interval, absl::Milliseconds(1),
                                                absl::Hours(2), "from 1ms to 2h (\"5s\")");
  options.face.handshake_timeout = ReadDuration("--handshake-timeout", flags.handshake_timeout, absl::Milliseconds(100),
                                                absl::Minutes(10), "from 100ms to 10m (\"10s\")");
  options.face.drain_timeout = ReadDuration("--drain-timeout", flags.drain_timeout, absl::ZeroDuration(),
                                            absl::Hours(24), "from 0s to 24h (\"30s\")");
  options.face.shed_at_lag = ReadDuration("--shed-at-lag", flags.shed_at_lag, absl::ZeroDuration(), absl::Hours(1),
                                          "from 0s to 1h (\"1s\")");
  options.face.idempotency.ttl = ReadDuration("--idempotency-ttl", flags.idempotency_ttl, absl::Seconds(1),
                                              absl::Hours(24 * 7), "from 1s to 168h (\"10m\")");
  options.keep_series = ReadDuration("--keep-series", flags.keep_series, absl::ZeroDuration(), absl::Hours(24 * 7),
                                     "from 0s to 168h (\"10m\")");
  CheckMemory(options.face);
  options.call_log.format = flags.log_format == "json" ? LogFormat::kJson : LogFormat::kText;
  options.call_log.level = CallLogLevel(flags.call_log);
  SetLabels(flags, options);
}

int Complain(const std::string& what) {
  std::cerr << "sluice-server: " << what.substr(0, what.find('\n')) << "\n";
  return kUsageError;
}

}  // namespace

std::optional<ServerOptions> ParseOptions(int argc, char** argv, int* exit_code) {
  ServerOptions options;
  Flags flags;
  options.config.subscription.node_id = HostName();
  options.config.subscription.version = SLUICE_VERSION;
  options.config.state_dir = "sluice-state";
  CLI::App app("sluice-server: streams chats from LLM upstreams to gRPC callers, with retry and failover.");
  AddFaceFlags(app, options, flags);
  AddMemoryFlags(app, options, flags);
  AddConfigFlags(app, options, flags);
  AddLogFlags(app, options, flags);
  app.set_version_flag("--version", std::string("sluice-server ") + SLUICE_VERSION);
  try {
    app.parse(argc, argv);
    flags.node_id_given = app.count("--node-id") > 0;
    Complete(flags, options);
  } catch (const CLI::Success& help) {
    *exit_code = app.exit(help);
    return std::nullopt;
  } catch (const std::exception& error) {
    *exit_code = Complain(error.what());
    return std::nullopt;
  }
  return options;
}

}  // namespace sluice
