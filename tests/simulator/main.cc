// sluice-simulator: an LLM upstream for tests, benchmarks and the quickstart.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <thread>

#include "tests/simulator/simulator.h"

namespace {

using sluice::simulator::AnswerMode;
using sluice::simulator::Fault;
using sluice::simulator::Latency;
using sluice::simulator::Options;
using sluice::simulator::Simulator;

// "127.0.0.1:8081"; an empty string or the reason.
std::string ReadListen(const std::string& text, Options& options) {
  const size_t colon = text.rfind(':');
  int port = 0;
  if (colon == std::string::npos || !CLI::detail::lexical_cast(text.substr(colon + 1), port) || port < 0 ||
      port > 65535) {
    return "\"" + text + "\" is no HOST:PORT, as in 127.0.0.1:8081";
  }
  options.host = text.substr(0, colon);
  options.port = static_cast<uint16_t>(port);
  return {};
}

struct Flags {
  std::string listen = "127.0.0.1:0";
  std::string operate;
  std::string interval = "0ms";
  std::string first_delay = "0ms";
  std::string content_delay = "0ms";
  std::vector<std::string> faults;
  std::vector<std::string> key_faults;
  std::string health = "ok";
  std::string pushback;
  double fault_percent = -1;
};

// "20ms", "2s"; throws a usage error.
std::chrono::milliseconds ReadMoment(const std::string& flag, const std::string& text) {
  size_t end = 0;
  double value = -1;
  try {
    value = std::stod(text, &end);
  } catch (const std::exception&) {
  }
  const std::string unit = text.substr(end);
  if (value < 0 || (unit != "ms" && unit != "s")) {
    throw CLI::ValidationError(flag, "\"" + text + "\" is no time, as in 20ms or 2s");
  }
  return std::chrono::milliseconds(static_cast<int64_t>(unit == "s" ? value * 1000 : value));
}

// "20ms", or "20ms+30ms": by chance up to so much more.
Latency ReadTime(const std::string& flag, const std::string& text) {
  const size_t plus = text.find('+');
  Latency latency;
  latency.least = ReadMoment(flag, text.substr(0, plus));
  if (plus != std::string::npos) latency.jitter = ReadMoment(flag, text.substr(plus + 1));
  return latency;
}

Fault ReadFault(const std::string& flag, const std::string& spec) {
  std::string why;
  const std::optional<Fault> fault = sluice::simulator::ParseFault(spec, why);
  if (!fault) throw CLI::ValidationError(flag, why);
  return *fault;
}

void Finish(const Flags& flags, Options& options) {
  const std::string problem = ReadListen(flags.listen, options);
  if (!problem.empty()) throw CLI::ValidationError("--listen", problem);
  if (!flags.operate.empty()) {
    Options at;
    const std::string wrong = ReadListen(flags.operate, at);
    if (!wrong.empty() || at.host != options.host) throw CLI::ValidationError("--operate", "a port of --listen's host");
    options.operate_port = at.port;
  }
  options.interval = ReadTime("--interval", flags.interval);
  options.first_delay = ReadTime("--first-delay", flags.first_delay);
  options.content_delay = ReadTime("--content-delay", flags.content_delay);
  options.health = ReadFault("--health", flags.health);
  for (const std::string& spec : flags.faults) options.faults.push_back(ReadFault("--fault", spec));
  for (const std::string& spec : flags.key_faults) {
    const size_t equals = spec.find('=');
    if (equals == std::string::npos) throw CLI::ValidationError("--key-fault", "\"" + spec + "\" is no KEY=FAULT");
    options.key_faults[spec.substr(0, equals)] = ReadFault("--key-fault", spec.substr(equals + 1));
  }
  if (!flags.pushback.empty() && !options.pushback.Read(flags.pushback)) {
    throw CLI::ValidationError("--pushback", "as in retry-after=1, retry-after=date+2, retry-after-ms=800, reset=800ms");
  }
  if (flags.fault_percent >= 0) options.fault_percent = flags.fault_percent;
}

void AddFlags(CLI::App& app, Flags& flags, Options& options) {
  app.add_option("--listen", flags.listen, "HOST:PORT; port 0 takes any")->capture_default_str();
  app.add_option("--operate", flags.operate,
                 "HOST:PORT that answers /stats and /script also while the other port is down");
  app.add_option("--name", options.answer.name, "Who answers; part of numbered answers")->capture_default_str();
  app.add_option("--model", options.answer.model, "The model in /v1/models")->capture_default_str();
  const std::map<std::string, AnswerMode> modes = {
      {"numbered", AnswerMode::kNumbered}, {"text", AnswerMode::kText}, {"echo", AnswerMode::kEcho}};
  app.add_option("--answer", options.answer.mode, "numbered (\"name:0 name:1 …\"), text or echo")
      ->transform(CLI::CheckedTransformer(modes));
  app.add_option("--text", options.answer.text, "The text of --answer text");
  app.add_option("--chunks", options.answer.chunks, "Chunks an answer; 0: 10 numbered ones, or as the text has")
      ->check(CLI::Range(0, 1000000));
  app.add_option("--chunk-bytes", options.answer.chunk_bytes, "Bytes of text a chunk, at least (text: about)")
      ->check(CLI::Range(0, 1 << 20));
  app.add_option("--interval", flags.interval, "Between chunks: 20ms, 1s; 20ms+30ms: by chance up to 30 ms more")
      ->capture_default_str();
  app.add_option("--first-delay", flags.first_delay, "Before the response's headers")->capture_default_str();
  app.add_option("--content-delay", flags.content_delay, "From the headers to the first content")->capture_default_str();
  app.add_option("--api-key", options.api_key, "Answer 401 to any other bearer");
  app.add_option("--key-fault", flags.key_faults, "KEY=FAULT: what requests with this bearer meet; may be repeated");
  app.add_option("--rate", options.rate_per_second, "Requests a second of one bearer; more get 429. 0: no limit");
  app.add_option("--pushback", flags.pushback,
                 "How that 429 tells when to come back: retry-after=1, retry-after=date+2, retry-after-ms=800, reset=800ms");
  app.add_option("--context-tokens", options.context_tokens, "Refuse longer prompts (words); 0: none");
  app.add_option("--health", flags.health, "What GET /v1/models meets: ok, status:503, no-headers, refuse")
      ->capture_default_str();
  app.add_option("--fault", flags.faults,
                 "ok, refuse[:MS], status:503[:retry-after=2][:retry-after-ms=800][:reset=800ms][:body=…], quota, "
                 "context-length, content-policy, delay:MS, late:MS, silence, no-headers, cut:N, reset:N, stall:N, "
                 "trickle[:MS], malformed:N, slow:MS, garbage, error-event:N, wrong-type, no-done, drop-usage; "
                 "repeated ones take turns");
  app.add_option("--fault-percent", flags.fault_percent, "Pick a fault at random for so many of 100 requests")
      ->check(CLI::Range(0.0, 100.0));
  app.add_option("--seed", options.seed, "Of all chance")->capture_default_str();
  CLI::Option* cert = app.add_option("--tls-cert", options.tls_cert, "PEM file; makes it HTTPS");
  CLI::Option* key = app.add_option("--tls-key", options.tls_key, "PEM file");
  cert->needs(key);
  key->needs(cert);
}

// Blocks the signals that end us in every thread, so that one can wait for them.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "An OpenAI-compatible upstream that answers without a model and fails as told.\n"
      "A request may choose its own fault by the header x-simulator-fault, or by\n"
      "[[fault cut:3]] or [[NAME cut:3]] at the beginning of its last user message.\n"
      "GET /stats, GET /requests, POST /stats/reset, POST /script {\"faults\": [\"cut:3\", \"ok\"]}.");
  Flags flags;
  Options options;
  AddFlags(app, flags, options);
  try {
    app.parse(argc, argv);
    Finish(flags, options);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  const sigset_t signals = BlockSignals();
  try {
    Simulator simulator(options);
    std::printf("listening on %s:%u", options.host.c_str(), simulator.port());
    if (options.operate_port) std::printf(", operated on %s:%u", options.host.c_str(), simulator.operate_port());
    std::printf("\n");
    std::fflush(stdout);
    std::thread waiter([&] {
      int signal = 0;
      sigwait(&signals, &signal);
      simulator.Stop();
    });
    simulator.Run();
    waiter.join();
  } catch (const std::exception& error) {
    std::cerr << "sluice-simulator: " << flags.listen << ": " << error.what() << "\n";
    return 1;
  }
  return 0;
}
