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
  std::string interval = "0ms";
  std::string first_delay = "0ms";
  std::vector<std::string> faults;
  double fault_percent = -1;
};

// "20ms", "2s"; throws a usage error.
std::chrono::milliseconds ReadTime(const std::string& flag, const std::string& text) {
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

void Finish(const Flags& flags, Options& options) {
  const std::string problem = ReadListen(flags.listen, options);
  if (!problem.empty()) throw CLI::ValidationError("--listen", problem);
  options.interval = ReadTime("--interval", flags.interval);
  options.first_delay = ReadTime("--first-delay", flags.first_delay);
  for (const std::string& spec : flags.faults) {
    std::string why;
    const std::optional<Fault> fault = sluice::simulator::ParseFault(spec, why);
    if (!fault) throw CLI::ValidationError("--fault", why);
    options.faults.push_back(*fault);
  }
  if (flags.fault_percent >= 0) options.fault_percent = flags.fault_percent;
}

void AddFlags(CLI::App& app, Flags& flags, Options& options) {
  app.add_option("--listen", flags.listen, "HOST:PORT; port 0 takes any")->capture_default_str();
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
  app.add_option("--interval", flags.interval, "Between chunks: 20ms, 1s")->capture_default_str();
  app.add_option("--first-delay", flags.first_delay, "Before the response's headers")->capture_default_str();
  app.add_option("--api-key", options.api_key, "Answer 401 to any other bearer");
  app.add_option("--fault", flags.faults,
                 "ok, refuse[:MS], status:503[:retry-after=2][:body=…], silence, no-headers, cut:N, reset:N, stall:N, "
                 "trickle[:MS], malformed:N, slow:MS, garbage, error-event:N, wrong-type, no-done, drop-usage; "
                 "repeated ones take turns");
  app.add_option("--fault-percent", flags.fault_percent, "Pick a fault at random for so many of 100 requests")
      ->check(CLI::Range(0.0, 100.0));
  app.add_option("--seed", options.seed, "Of the random choice")->capture_default_str();
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
      "GET /stats, POST /stats/reset, POST /script {\"faults\": [\"cut:3\", \"ok\"]}.");
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
    std::printf("listening on %s:%u\n", options.host.c_str(), simulator.port());
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
