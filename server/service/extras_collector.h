// The extras of a stream as the one JSON object of ChatResponse.extras_json, which
// says how it is made. Pure; one per wire format and call.
#ifndef SLUICE_SERVER_SERVICE_EXTRAS_COLLECTOR_H_
#define SLUICE_SERVER_SERVICE_EXTRAS_COLLECTOR_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/codec/stream_event.h"

namespace sluice {

class ExtrasCollector {
 public:
  void Add(const StreamEvent& extras);
  std::string Json() const;

 private:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  Fields answer_;
  std::map<int, Fields> choices_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_EXTRAS_COLLECTOR_H_
