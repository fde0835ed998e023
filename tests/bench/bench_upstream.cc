// bench_upstream: the upstream of benchmarks (upstream.h) as a program;
// tests/bench/run starts it.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <utility>

#include "tests/bench/upstream.h"

int main(int argc, char** argv) {
  CLI::App app("bench_upstream: an LLM upstream for benchmarks; prints its address");
  sluice::bench::UpstreamOptions options;
  app.add_option("--port", options.ports, "Port on loopback, 0 takes a free one; may be repeated")->allow_extra_args(false);
  app.add_option("--first-us", options.first_us, "From the request to the first chunk, of answers that are not merged")
      ->check(CLI::Range(int64_t{0}, int64_t{60'000'000}));
  CLI::Option* key = app.add_option("--tls-key", options.tls_key, "PEM file of its key");
  CLI::Option* cert = app.add_option("--tls-cert", options.tls_cert, "PEM file of its certificate: speak TLS")->needs(key);
  key->needs(cert);
  app.add_option("--closed-file", options.closed_file, "Where to note when the connection of a call that asks for it is "
                 "closed before its answer's end");
  CLI11_PARSE(app, argc, argv);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  sluice::bench::Upstream upstream(std::move(options));
  std::cout << "listening on";
  for (const int port : upstream.ports()) std::cout << " 127.0.0.1:" << port;
  std::cout << std::endl;
  upstream.Run();
}
