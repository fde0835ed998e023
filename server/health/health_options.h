// What is set for active health checks as a whole, on the command line.
#ifndef SLUICE_SERVER_HEALTH_HEALTH_OPTIONS_H_
#define SLUICE_SERVER_HEALTH_HEALTH_OPTIONS_H_

#include <cstddef>

namespace sluice {

struct HealthOptions {
  // Checks under way at a time, so that ten thousand endpoints are not asked at
  // once. Where all of them hang, a round takes timeout × endpoints ÷ this.
  size_t max_concurrent = 32;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_HEALTH_HEALTH_OPTIONS_H_
