// bench_load: drives one gateway with one load and prints one line of JSON
// (recorder.cc). tests/bench/run starts it; by hand:
//
//   bench_load --grpc --port 8443 --streams 200 --chunks 250 --interval-us 20000 --subject PID --upstream PID
//
// Exit status 1 when the run is void.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <string>

#include "tests/bench/grpc_load.h"
#include "tests/bench/http_load.h"
#include "tests/bench/load_plan.h"
#include "tests/bench/recorder.h"

namespace {

void AddOptions(CLI::App& app, sluice::bench::LoadPlan& plan, bool& grpc) {
  app.add_flag("--grpc", grpc, "Call Gateway.StreamChat; else POST a chat completion");
  app.add_option("--host", plan.host, "IPv4 address")->capture_default_str();
  app.add_option("--port", plan.port, "Port of the subject")->required();
  app.add_option("--ca-file", plan.ca_file, "Call with TLS, trusting this PEM file of authorities");
  app.add_option("--path", plan.path, "HTTP: of a chat completion")->capture_default_str();
  app.add_option("--header", plan.headers, "HTTP: \"Name: value\"; may be repeated")->expected(1)->allow_extra_args(false);
  app.add_option("--model", plan.model, "%s stands for the name that the upstream reads")->capture_default_str();
  app.add_option("--streams", plan.streams, "Open at a time")->check(CLI::Range(1, 100000));
  app.add_option("--connections", plan.connections, "gRPC: connections that the streams share; 0: one each");
  app.add_flag("--repeat", plan.repeat, "Begin anew when an answer has ended, until the window closes");
  app.add_option("--period-us", plan.period_us, "With --repeat: from one beginning to the next; 0: at once");
  app.add_option("--route", plan.route, "gRPC: the route by its name");
  app.add_flag("--failing", plan.failing, "gRPC: every call is to fail, and is counted");
  app.add_option("--fail-every", plan.fail_every, "Of so many calls one fails at its first attempt; 0: none does")
      ->check(CLI::Range(0, 1000000));
  app.add_flag("--count-failures", plan.count_failures, "Failed calls are counted and void nothing");
  CLI::Option* closed = app.add_option("--closed-file", plan.closed_file, "The upstream's, of the same name");
  app.add_option("--cancel-after-us", plan.cancel_after_us, "Cancel each call so long after its beginning; 0: none")
      ->needs(closed);
  app.add_flag("--abandon", plan.abandon, "Cancel what is open when the window closes");
  app.add_option("--chunks", plan.answer.chunks, "Chunks an answer")->check(CLI::Range(1, 10000000));
  app.add_option("--interval-us", plan.answer.interval_us, "Between two chunks; 0: unpaced");
  app.add_flag("--merged", plan.answer.merged, "The upstream gives the whole answer in one write");
  app.add_option("--prompt-bytes", plan.prompt_bytes, "Size of the prompt")->capture_default_str();
  app.add_option("--ramp-ms", plan.ramp_ms, "Streams begin over this time")->capture_default_str();
  app.add_option("--settle-ms", plan.settle_ms, "From the last begin to the window")->capture_default_str();
  app.add_option("--window-ms", plan.window_ms, "What is measured")->check(CLI::Range(100, 3600000))->capture_default_str();
  app.add_option("--subject", plan.subject, "Process ids of the subject")->required();
  app.add_option("--upstream", plan.upstream, "Process ids of the upstream");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("bench_load: drives one gateway with one load and prints one line of JSON");
  sluice::bench::LoadPlan plan;
  bool grpc = false;
  AddOptions(app, plan, grpc);
  CLI11_PARSE(app, argc, argv);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);

  sluice::bench::Recorder recorder(plan);
  if (grpc) {
    sluice::bench::RunGrpcLoad(plan, recorder);
  } else {
    sluice::bench::RunHttpLoad(plan, recorder);
  }
  recorder.AwaitCancels();
  const std::string report = recorder.Report();
  std::cout << report << std::endl;
  return report.find("\"error\"") == std::string::npos ? 0 : 1;
}
