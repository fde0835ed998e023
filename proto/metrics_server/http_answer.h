// What is asked of the metrics server and what it answers, as text. Pure.
#ifndef SLUICE_PROTO_METRICS_SERVER_HTTP_ANSWER_H_
#define SLUICE_PROTO_METRICS_SERVER_HTTP_ANSWER_H_

#include <functional>
#include <string>
#include <string_view>

namespace sluice {

struct HttpQuery {
  std::string method;
  std::string path;  // without a query: "/metrics"
  bool accepts_gzip = false;
};

struct HttpAnswer {
  int status = 200;
  std::string body;
  std::string content_type = "text/plain; charset=utf-8";
  bool gzip = false;  // the body is
};

// Called with each query, on the server's I/O thread; `done` once, from any
// thread, at once or later.
using HttpHandler = std::function<void(const HttpQuery& query, std::function<void(HttpAnswer)> done)>;

// "/metrics?x=1" -> "/metrics"; also of "http://host:1/metrics", as proxies ask.
std::string PathOf(std::string_view target);

// Whether an Accept-Encoding takes gzip: "gzip;q=0" does not.
bool AcceptsGzip(std::string_view accept_encoding);

// Status line and fields, with the empty line.
std::string HeadOf(const HttpAnswer& answer, bool keep_alive);

std::string Gzipped(std::string_view text);

}  // namespace sluice

#endif  // SLUICE_PROTO_METRICS_SERVER_HTTP_ANSWER_H_
