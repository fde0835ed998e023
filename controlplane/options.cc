#include "controlplane/options.h"

#include <CLI/CLI.hpp>
#include <iostream>

#include "proto/policy/duration_text.h"

namespace sluice {
namespace {

void AddDuration(CLI::App& app, const std::string& flag, absl::Duration& value, const std::string& help) {
  app.add_option_function<std::string>(
         flag,
         [&value, flag](const std::string& text) {
           absl::StatusOr<absl::Duration> parsed = ParseDurationText(text);
           if (!parsed.ok()) throw CLI::ValidationError(flag, text + ": " + std::string(parsed.status().message()));
           value = *parsed;
         },
         help)
      ->type_name("DURATION")
      ->default_str(FormatDurationText(value));
}

void AddAddresses(CLI::App& app, Options& options) {
  app.add_option("--listen", options.listen, "Where gRPC is served (Admin, Push, health, reflection); port 0 picks one")
      ->type_name("HOST:PORT");
  app.add_option("--metrics-listen", options.metrics_listen, "Where /metrics is served over HTTP; port 0 picks one")
      ->type_name("HOST:PORT");
  TlsFiles& tls = options.tls.files;
  tls = {{"--tls-cert", ""}, {"--tls-key", ""}, {"--tls-client-ca", ""}};
  app.add_option("--tls-cert", tls.cert.path,
                 "PEM file with the server's certificate chain, taken anew when it changes; not set: no TLS")
      ->type_name("FILE");
  app.add_option("--tls-key", tls.key.path, "PEM file with the key of --tls-cert")->type_name("FILE");
  app.add_option("--tls-client-ca", tls.authorities.path,
                 "PEM file with the authorities of client certificates; set: clients must show one")
      ->type_name("FILE");
  AddDuration(app, "--reload-interval", options.tls.interval,
              "How often these files are looked at; what changed is taken. SIGHUP looks at once");
}

void AddConnections(CLI::App& app, Options& options) {
  app.add_option("--max-connections", options.max_connections,
                 "Connections at a time, of data planes and operators; more wait, and are refused after 5 s. 0: what the "
                 "limit of file descriptors (ulimit -n) leaves")
      ->check(CLI::Range(int64_t{0}, int64_t{10000000}));
  AddDuration(app, "--handshake-timeout", options.handshake_timeout,
              "Connections that send nothing, or have not come to the end of their TLS and HTTP/2 greetings, are closed "
              "after this");
}

void AddStore(CLI::App& app, Options& options) {
  app.add_option("--store", options.store, "Where policies are kept: sqlite:PATH, or a plain path")->type_name("STORE");
  app.add_option("--keep-revisions", options.store_limits.keep_revisions,
                 "Revisions kept for history and rollback; older ones are compacted")
      ->check(CLI::Range(uint64_t{1}, uint64_t{100000000}));
  app.add_option("--keep-history-bytes", options.store_limits.keep_bytes,
                 "Bytes of history kept; older revisions are compacted, but for the last ten")
      ->check(CLI::Range(uint64_t{1} << 20, uint64_t{1} << 40));
  app.add_flag("--create", options.create,
               "Make the store where --store names one that is not there; without --store a missing one is made");
  // Hidden: it is gone, and whoever still has it in a script is told.
  const auto gone = [] {
    throw CLI::ValidationError("--new-epoch",
                               "is gone: 'sluice-controlplane restore --from FILE --store PATH' brings a backup back "
                               "and begins its new epoch");
  };
  app.add_flag_callback("--new-epoch", gone)->group("");
  app.add_option("--keep-request-ids", options.store_limits.keep_answers,
                 "Answers kept for repeated request ids")
      ->check(CLI::Range(uint64_t{1}, uint64_t{100000000}));
  app.add_option("--max-resources", options.editor_limits.max_resources, "Resources in force at a time, at most")
      ->check(CLI::Range(size_t{1}, size_t{10000000}));
  app.add_option("--max-request-bytes", options.max_request_bytes, "Largest request accepted")
      ->check(CLI::Range(64 << 10, 1 << 30));
}

void AddPush(CLI::App& app, PushSettings& push) {
  AddDuration(app, "--ack-timeout", push.ack_timeout, "A data plane that answers an update later is dropped");
  AddDuration(app, "--debounce", push.debounce,
              "After a first change, others are merged until none came for this long");
  AddDuration(app, "--debounce-max", push.debounce_max, "Longest that a change waits to be merged with others");
  AddDuration(app, "--max-stream-age", push.max_stream_age,
              "Data planes are asked to connect anew after this time, +/- 10 %");
  AddDuration(app, "--drain-within", push.drain_within, "What a data plane is given to connect anew");
  AddDuration(app, "--forget-lost-after", push.forget_lost_after, "Data planes gone for longer are not listed");
  AddDuration(app, "--forget-gone-after", push.forget_gone_after, "Data planes that left in peace are listed for this long");
  app.add_option("--max-nodes", push.max_nodes, "Data planes known at a time, at most")
      ->check(CLI::Range(size_t{1}, size_t{10000000}));
  app.add_option("--admission-rate", push.admission_rate, "New streams of data planes admitted a second")
      ->check(CLI::Range(0.1, 1000000.0));
  app.add_option("--max-commands", push.commands.max_open, "Operators' queries and commands under way at a time, at most")
      ->check(CLI::Range(size_t{1}, size_t{100000}));
  app.add_option("--max-commands-per-node", push.commands.max_per_node,
                 "Queries and commands that one data plane may leave unanswered")
      ->check(CLI::Range(size_t{1}, size_t{64}));
  app.add_option("--max-command-response-bytes", push.commands.max_response_bytes,
                 "All answers to one query or command together; what is beyond is left out")
      ->check(CLI::Range(size_t{64} << 10, size_t{1} << 30));
  app.add_option("--admission-burst", push.admission_burst, "New streams admitted at once")
      ->check(CLI::Range(1.0, 1000000.0));
}

void Check(const Options& options) {
  const TlsFiles& tls = options.tls.files;
  if (tls.cert.given() != tls.key.given()) {
    throw CLI::ValidationError("--tls-cert, --tls-key", "one is missing; both or none must be set");
  }
  if (tls.authorities.given() && !tls.cert.given()) {
    throw CLI::ValidationError("--tls-client-ca", "needs --tls-cert and --tls-key");
  }
  if (options.tls.interval < absl::Milliseconds(100) || options.tls.interval > absl::Hours(24)) {
    throw CLI::ValidationError("--reload-interval", "must be from 100ms to 24h");
  }
  if (options.handshake_timeout < absl::Milliseconds(100) || options.handshake_timeout > absl::Minutes(10)) {
    throw CLI::ValidationError("--handshake-timeout", "must be from 100ms to 10m");
  }
  for (absl::Duration duration : {options.push.ack_timeout, options.push.max_stream_age, options.push.drain_within}) {
    if (duration <= absl::ZeroDuration()) {
      throw CLI::ValidationError("--ack-timeout, --max-stream-age, --drain-within", "must be above 0s");
    }
  }
}

CLI::App* AddRestore(CLI::App& app, RestoreRequest& restore) {
  CLI::App* command =
      app.add_subcommand("restore", "Brings the store back from a backup, while no control plane runs on it");
  command->add_option("--from", restore.from, "The backup: a file that 'sluicectl backup' wrote, or a copy of a store")
      ->type_name("FILE")
      ->required();
  command->add_option("--store", restore.store, "Where the store shall be: sqlite:PATH, or a plain path")
      ->type_name("STORE")
      ->required();
  command->add_flag("--force", restore.force, "Where a store is there already: keep it beside, and restore over it");
  return command;
}

// They would be passed over silently.
void CheckNoServerFlags(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    // What the environment says for the service is no mistake here.
    if (option->count() == 0 || !option->get_envname().empty()) continue;
    throw CLI::ValidationError(option->get_name(), "stands before \"restore\", which has flags of its own");
  }
}

}  // namespace

std::optional<Options> ParseOptions(int argc, char** argv, int& exit_code) {
  Options options;
  CLI::App app("The control plane of Sluice: keeps policies and pushes them to data planes.", "sluice-controlplane");
  app.option_defaults()->always_capture_default();
  app.set_version_flag("--version", "sluice-controlplane " SLUICE_VERSION);
  AddAddresses(app, options);
  AddConnections(app, options);
  AddStore(app, options);
  AddPush(app, options.push);
  AddDuration(app, "--shutdown-grace", options.shutdown_grace,
              "On SIGTERM, how long data planes are given to leave");
  app.add_option_function<std::string>(
         "--log-format",
         [&options](const std::string& text) { options.log_format = text == "json" ? LogFormat::kJson : LogFormat::kText; },
         "How log lines on standard error look")
      ->check(CLI::IsMember({"text", "json"}))
      ->type_name("text|json")
      ->default_str("text");
  RestoreRequest restore;
  const CLI::App* restore_command = AddRestore(app, restore);
  try {
    app.parse(argc, argv);
    if (restore_command->parsed()) {
      CheckNoServerFlags(app);
      options.restore = std::move(restore);
      return options;
    }
    if (app.count("--store") > 0 && !options.create) options.store_creation = StoreCreation::kNever;
    Check(options);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      exit_code = app.exit(error);
    } else {
      std::cerr << "sluice-controlplane: " << error.what() << " (--help lists the flags)\n";
      exit_code = 2;
    }
    return std::nullopt;
  }
  return options;
}

}  // namespace sluice
